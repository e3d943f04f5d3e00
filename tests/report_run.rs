//! `mlet spectrum` on the folder of a run: the start beside the end, the frequent rows beside all.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

fn mlet(folder: &Path, line: &str) {
    Command::cargo_bin("mlet")
        .unwrap()
        .current_dir(folder)
        .args(line.split_whitespace())
        .assert()
        .success();
}

fn report(folder: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("out/spectrum.json")).unwrap()).unwrap()
}

const SMALL: &str = "--data data --device cpu --bottom-mlp 8 --top-mlp 8 --embedding-dim 4";

#[test]
fn before_the_first_step_the_start_is_the_end() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    mlet(at, "prepare flights --out data");
    for (name, more) in [
        ("single", "--seed 3"),
        ("two", "--inner-dim 6"),
        ("three", "--inner-dim 5 --depth 3 --init gaussian"),
        ("balanced", "--inner-dim 6 --init balanced --embedding-init-scale 2"),
    ] {
        mlet(at, &format!("train {SMALL} --max-steps 0 --out {name} {more}"));
        mlet(at, &format!("spectrum {name} --out out --min-frequency 500"));
        let json = report(at);
        assert_eq!(json["notes"], serde_json::json!([]), "{name}");
        let features = json["features"].as_array().unwrap();
        assert_eq!(features.len(), 11);
        let mut fewer = 0;
        for feature in features {
            // The same numbers through the same arithmetic: the same bits.
            assert_eq!(
                feature["initial"]["singular_values"], feature["singular_values"],
                "{name} {}",
                feature["name"]
            );
            let frequent = &feature["frequent"];
            assert_eq!(frequent["min_frequency"], 500);
            let rows = frequent["rows"].as_u64().unwrap();
            let n = feature["n"].as_u64().unwrap();
            fewer += usize::from(rows < n);
            let count = frequent["singular_values"].as_array().unwrap().len() as u64;
            assert_eq!(count, rows.min(4));
            if rows == n {
                assert_eq!(frequent["singular_values"], feature["singular_values"]);
            }
            if n == 3 {
                // New York has three airports, and each sees thousands of flights.
                assert_eq!((rows, &frequent["share_of_uses"]), (3, &1.0.into()));
            }
        }
        assert!(fewer > 0, "some plane flew fewer than 500 times");
    }
}

#[test]
fn training_moves_the_end_and_a_lost_data_set_is_said() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    mlet(at, "prepare flights --out data");
    mlet(at, &format!("train {SMALL} --inner-dim 6 --max-steps 30 --out run"));
    mlet(at, "spectrum run --out out");
    let first = report(at);
    for feature in first["features"].as_array().unwrap() {
        assert_ne!(
            feature["initial"]["singular_values"], feature["singular_values"],
            "{}",
            feature["name"]
        );
    }
    std::fs::rename(at.join("data"), at.join("elsewhere")).unwrap();
    mlet(at, "spectrum run --out out");
    let second = report(at);
    assert!(
        second["notes"][0]
            .as_str()
            .unwrap()
            .contains("Row frequencies are not known"),
        "{}",
        second["notes"]
    );
    for (a, b) in first["features"]
        .as_array()
        .unwrap()
        .iter()
        .zip(second["features"].as_array().unwrap())
    {
        assert_eq!(a["initial"], b["initial"]);
        assert!(b["frequent"].is_null());
    }
    let page = std::fs::read_to_string(at.join("out/report.html")).unwrap();
    assert!(page.contains("Row frequencies are not known"));
}
