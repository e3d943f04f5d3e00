//! The command line: a table in files, on its own, and what is said when it cannot be done.

use std::path::Path;

use assert_cmd::Command;
use ndarray::s;
use ndarray_npy::write_npy;
use serde_json::Value;
use tempfile::TempDir;

use crate::numbers;

fn mlet(folder: &Path, line: &str) -> assert_cmd::assert::Assert {
    Command::cargo_bin("mlet")
        .unwrap()
        .current_dir(folder)
        .args(line.split_whitespace())
        .assert()
}

fn spectrum(folder: &Path, out: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(out).join("spectrum.json")).unwrap()).unwrap()
}

/// `whole.npy`, cut into `part0.npy` …, and a partial file of each.
fn parts(folder: &Path) -> String {
    let whole = numbers(1000, 6, 4).mapv(|x| x as f32);
    write_npy(folder.join("whole.npy"), &whole).unwrap();
    mlet(folder, "spectrum whole.npy --partial whole.partial").success();
    let cuts = [0, 1, 400, 999, 1000];
    for (i, ends) in cuts.windows(2).enumerate() {
        write_npy(
            folder.join(format!("part{i}.npy")),
            &whole.slice(s![ends[0]..ends[1], ..]),
        )
        .unwrap();
        std::fs::create_dir_all(folder.join(format!("{i}"))).unwrap();
        // The table is called by its file: the same name in every folder, as on every machine.
        std::fs::rename(
            folder.join(format!("part{i}.npy")),
            folder.join(format!("{i}/whole.npy")),
        )
        .unwrap();
        mlet(folder, &format!("spectrum {i}/whole.npy --partial {i}.partial")).success();
    }
    (0..4).map(|i| format!("{i}.partial ")).collect()
}

#[test]
fn merged_parts_are_the_whole() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let files = parts(at);
    mlet(at, &format!("spectrum --merge {files} --out merged --name m")).success();
    mlet(at, "spectrum --merge whole.partial --out one --name m").success();
    mlet(at, "spectrum --merge 3.partial 1.partial --partial some.partial").success();
    mlet(
        at,
        "spectrum --merge 2.partial some.partial 0.partial --out steps --name m",
    )
    .success();
    mlet(at, "spectrum whole.npy --out whole --name m").success();
    let (merged, one) = (spectrum(at, "merged"), spectrum(at, "one"));
    assert_eq!(merged["features"], one["features"]);
    assert_eq!(merged, spectrum(at, "steps"));
    assert!(at.join("merged/report.html").exists() && at.join("merged/spectrum.csv").exists());
    let (merged, whole) = (&merged["features"][0], &spectrum(at, "whole")["features"][0]);
    assert_eq!(merged["route"], "exact");
    for key in [
        "name",
        "n",
        "d",
        "depth",
        "parameters",
        "rank_at_0.01",
        "numerical_rank",
        "advice",
    ] {
        assert_eq!(merged[key], whole[key], "{key}");
    }
    let numbers = |of: &Value| {
        of.as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    let (ours, theirs) = (numbers(&merged["singular_values"]), numbers(&whole["singular_values"]));
    for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        assert!((a - b).abs() <= 1e-9 * b, "{i}: {a} {b}"); // what the issue asks of any route
        let interval = numbers(&whole["intervals"][i]);
        assert!(interval[0] <= *a && *a <= interval[1], "{i}: {a} {interval:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    parts(at);
    let says = |line: &str, words: &str| {
        let output = mlet(at, line).failure().get_output().stderr.clone();
        let output = String::from_utf8(output).unwrap();
        assert!(output.contains(words), "{line}: {output}");
    };
    says("spectrum whole.npy", "--out");
    says("spectrum whole.npy 0/whole.npy --partial x", "one INPUT");
    says("spectrum --merge whole.npy --out x", "whole.npy: not a file of");
    says("spectrum --merge 0.partial 0.partial --out x", "twice");
    says("spectrum --merge gone.partial --out x", "gone.partial");
    mlet(at, "spectrum 0/whole.npy --name users --partial users.partial").success();
    says("spectrum --merge users.partial 1.partial --out x", "missing");
    says("spectrum whole.npy --partial no/such/folder", "no/such/folder");
    assert!(!at.join("x").exists());
}
