//! `mlet verify --checkpoint`.

use super::common::{fail, succeed, text};
use super::{flights, train};
use std::path::Path;

/// Overwrites one number of a tensor in a safetensors file: 8 bytes of length, the header, the data.
fn plant(run: &Path, tensor: &str, index: usize, value: f32) {
    let path = run.join("checkpoint.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let start = json[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    let at = 8 + header + start + 4 * index;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn the_statements_hold_on_trained_models() {
    let directory = tempfile::tempdir().unwrap();
    flights(directory.path());
    let arms: [&[&str]; 3] = [
        &["--inner-dim", "12", "--max-steps", "150"],
        // k < d, the initial checkpoint, balanced
        &["--inner-dim", "3", "--max-steps", "0", "--init", "balanced"],
        // another optimiser, a rate that has decayed to 0 at the end
        &[
            "--inner-dim",
            "6",
            "--max-steps",
            "60",
            "--optimizer",
            "adagrad",
            "--learning-rate",
            "0.02",
            "--decay-steps",
            "50",
        ],
    ];
    for (a, arm) in arms.into_iter().enumerate() {
        let run = train(directory.path(), &format!("run{a}"), arm);
        let before = std::fs::read(run.join("checkpoint.safetensors")).unwrap();
        let report: serde_json::Value =
            serde_json::from_str(&succeed(&["verify", "--checkpoint", text(&run), "--json"])).unwrap();
        assert_eq!(report["holds"], true);
        assert!(report["learning_rate"].as_f64().unwrap() > 0.0);
        let features = report["features"].as_array().unwrap();
        assert_eq!(features.len(), 11);
        for feature in features {
            let lines = feature["statements"].as_array().unwrap();
            let ids: Vec<&str> = lines.iter().map(|line| line["statement"].as_str().unwrap()).collect();
            assert_eq!(ids, ["E1", "E1", "E2", "E2", "E3", "E3", "E5", "E5"]);
            assert!(feature["balance_gap"].as_f64().unwrap() <= 1.0);
        }
        // The large tables have rows outside the batch, and singular values apart from each other.
        let tailnum = features.iter().find(|feature| feature["feature"] == "tailnum").unwrap();
        assert_eq!(tailnum["rows_sampled"].as_u64().unwrap().min(60), 60);
        for line in tailnum["statements"].as_array().unwrap() {
            assert!(line["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{line}");
        }
        let gap = tailnum["balance_gap"].as_f64().unwrap();
        let off = tailnum["equation_6_error"].as_f64().unwrap();
        // f32 factors of norm 1 that are balanced but for their rounding, 2⁻²⁴ an entry: 2·√(2·72)·2⁻²⁴ of ‖W₁‖² + ‖W₂‖².
        let balanced = 24.0 * 2f64.powi(-24);
        match a {
            1 => assert!(
                gap <= balanced && off <= 16.0 * balanced,
                "balanced: gap {gap}, Eq. 6 off by {off}"
            ),
            _ => assert!(gap > 0.01 && off > 0.01, "not balanced: gap {gap}, Eq. 6 off by {off}"),
        }
        let table = succeed(&["verify", "--checkpoint", text(&run)]);
        assert!(table.contains("tailnum") && table.contains("Eq. 6"));
        assert_eq!(before, std::fs::read(run.join("checkpoint.safetensors")).unwrap());
    }
}

#[test]
fn a_finished_run_is_checked_on_one_epoch_more() {
    let directory = tempfile::tempdir().unwrap();
    super::common::prepared(directory.path(), 300);
    let out = super::common::train(directory.path(), "run", &["--inner-dim", "4", "--epochs", "2"]);
    let report = succeed(&["verify", "--checkpoint", text(&out), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["step"], super::common::summary(&out)["steps"]);
    assert_eq!(report["examples"], 32);
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = flights(directory.path());
    let single = train(directory.path(), "single", &["--max-steps", "2"]);
    let error = fail(&["verify", "--checkpoint", text(&single)]);
    assert!(error.contains("1 factor") && error.contains("--inner-dim"), "{error}");
    let run = train(directory.path(), "run", &["--inner-dim", "8", "--max-steps", "2"]);
    let collapsed = directory.path().join("collapsed.safetensors");
    succeed(&["collapse", text(&run), "--out", text(&collapsed)]);
    assert!(fail(&["verify", "--checkpoint", text(&collapsed)]).contains("collapsed"));
    let file = run.join("checkpoint.safetensors");
    assert!(fail(&["verify", "--checkpoint", text(&file)]).contains("folder"));
    let nowhere = directory.path().join("nowhere");
    assert!(fail(&["verify", "--checkpoint", text(&nowhere)]).contains("nowhere"));
    plant(&run, "embedding.tailnum.factor.2", 6 * 3 + 4, f32::NAN);
    let error = fail(&["verify", "--checkpoint", text(&run)]);
    assert!(
        error.contains("embedding.tailnum.factor.2") && error.contains("row 3, column 4"),
        "{error}"
    );
    plant(&run, "embedding.tailnum.factor.2", 6 * 3 + 4, 0.0);
    plant(&run, "top_mlp.0.bias", 1, f32::INFINITY);
    let error = fail(&["verify", "--checkpoint", text(&run)]);
    assert!(error.contains("top_mlp.0.bias") && error.contains("inf"), "{error}");
    std::fs::rename(&data, directory.path().join("moved")).unwrap();
    plant(&run, "top_mlp.0.bias", 1, 0.0);
    let error = fail(&["verify", "--checkpoint", text(&run)]);
    assert!(error.contains("flights") && error.contains("dataset.toml"), "{error}");
}
