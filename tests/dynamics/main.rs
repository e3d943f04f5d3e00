//! How singular values move: the monitor of a run, and the statements on a trained checkpoint, as a user types them.

mod checkpoint;
#[path = "../common/mod.rs"]
mod common;
mod monitor;

use common::{succeed, text};
use std::path::{Path, PathBuf};

/// Flags of a small network.
const SMALL: [&str; 8] = [
    "--bottom-mlp",
    "16",
    "--top-mlp",
    "16",
    "--embedding-dim",
    "6",
    "--device",
    "cpu",
];

/// The flights data set, prepared.
fn flights(directory: &Path) -> PathBuf {
    let data = directory.join("flights");
    succeed(&["prepare", "flights", "--out", text(&data)]);
    data
}

/// Trains on flights into `directory/name`.
fn train(directory: &Path, name: &str, more: &[&str]) -> PathBuf {
    let (data, out) = (directory.join("flights"), directory.join(name));
    let base = ["train", "--data", text(&data), "--out", text(&out)];
    succeed(&[&base[..], &SMALL, more].concat());
    out
}
