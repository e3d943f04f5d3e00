//! A small click log made here, prepared by the binary.
#![allow(dead_code)]

use assert_cmd::Command;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The binary.
pub fn mlet() -> Command {
    Command::cargo_bin("mlet").expect("the binary is built")
}

/// Runs the binary and returns its standard output; fails with its standard error.
pub fn succeed(args: &[&str]) -> String {
    let output = mlet().args(args).output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mlet {args:?} failed:\n{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs the binary, which must fail, and returns its standard error.
pub fn fail(args: &[&str]) -> String {
    let output = mlet().args(args).output().expect("the binary runs");
    assert!(!output.status.success(), "mlet {args:?} succeeded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

/// `lines` lines in Criteo's format, with a label that depends on the first category.
pub fn criteo_lines(lines: usize) -> String {
    let mut state = 1u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let mut out = String::new();
    for _ in 0..lines {
        let categories: Vec<u64> = (0..26).map(|feature| next(2 + 7 * feature)).collect();
        let label = u64::from(next(10) < 2 + 5 * (categories[3] % 2));
        let _ = write!(out, "{label}");
        for _ in 0..13 {
            let _ = write!(out, "\t{}", next(50));
        }
        for (feature, category) in categories.iter().enumerate() {
            let _ = write!(out, "\t{:08x}", category * 31 + feature as u64);
        }
        out.push('\n');
    }
    out
}

/// A prepared data set of `lines` lines in `directory`.
pub fn prepared(directory: &Path, lines: usize) -> PathBuf {
    let (raw, data) = (directory.join("train.txt"), directory.join("data"));
    std::fs::write(&raw, criteo_lines(lines)).expect("the directory can be written");
    succeed(&["prepare", "criteo-kaggle", text(&raw), "--out", text(&data)]);
    data
}

/// A small network's flags.
pub const SMALL: [&str; 8] = [
    "--bottom-mlp",
    "16,8",
    "--top-mlp",
    "16",
    "--embedding-dim",
    "4",
    "--batch-size",
    "32",
];

/// Trains on the CPU with a small network into `directory/name`.
pub fn train(directory: &Path, name: &str, more: &[&str]) -> PathBuf {
    let (data, out) = (directory.join("data"), directory.join(name));
    let base = ["train", "--data", text(&data), "--out", text(&out), "--device", "cpu"];
    succeed(&[&base[..], &SMALL, more].concat());
    out
}

/// The bytes of a run's checkpoint.
pub fn checkpoint(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoint.safetensors")).expect("the run has a checkpoint")
}

/// A run's summary.
pub fn summary(run: &Path) -> serde_json::Value {
    let text = std::fs::read(run.join("summary.json")).expect("the run has a summary");
    serde_json::from_slice(&text).expect("the summary is JSON")
}
