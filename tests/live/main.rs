//! Singular values while a run trains (`mlet train --spectrum-every`), and their way into the report.

#[path = "../common/mod.rs"]
mod common;
#[path = "../drivers/mod.rs"]
mod drivers;
mod report;
mod values;

use common::{succeed, text};
use mlet::train::run::Line;
use mlet::train::spectra::Snapshot;
use std::path::{Path, PathBuf};

/// The flights data set, prepared.
fn flights(directory: &Path) -> PathBuf {
    let data = directory.join("flights");
    succeed(&["prepare", "flights", "--out", text(&data)]);
    data
}

/// Trains a small network on flights with the binary, on the CPU, into `directory/name`.
fn train(directory: &Path, name: &str, more: &str) -> PathBuf {
    let (data, out) = (directory.join("flights"), directory.join(name));
    let small = "--bottom-mlp 16 --top-mlp 16 --embedding-dim 6 --device cpu";
    let args = ["train", "--data", text(&data), "--out", text(&out)];
    let more = small.split(' ').chain(more.split_whitespace());
    succeed(&args.into_iter().chain(more).collect::<Vec<_>>());
    out
}

/// What a run wrote down of its tables.
fn looks(run: &Path) -> Vec<Snapshot> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    let looks = lines.filter_map(|line| match line {
        Line::Spectrum(look) => Some(look),
        Line::Metric(_) | Line::Dynamics(_) => None,
    });
    looks.collect()
}
