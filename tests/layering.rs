//! Imports point down only (docs/architecture.md), and a kernel is two files of one stem.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each layer may name of the crate, itself apart.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("data", &[]),
    ("model", &[]),
    ("backend", &[]),
    ("kernels", &["backend"]),
    ("spectrum", &["model"]),
    ("theory", &["spectrum"]),
    ("train", &["kernels", "backend", "model", "data", "theory", "spectrum"]),
    ("study", &["train", "model", "data", "spectrum"]),
    ("report", &["study", "train", "spectrum", "model", "data"]),
    (
        "cli",
        &[
            "report", "study", "train", "theory", "spectrum", "kernels", "backend", "model", "data",
        ],
    ),
];

/// Crates that only one layer may name.
const OWNED: [(&str, &[&str]); 3] = [("wgpu", &["backend"]), ("plotters", &["report"]), ("clap", &["cli"])];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file's code: comments and the unit tests at its end left out.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn layer(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    relative
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned()
}

/// The layers that a text names as `crate::layer`, also inside braces after `crate::`.
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + 7..];
        let words = match rest.strip_prefix('{') {
            Some(list) => list
                .split('}')
                .next()
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .collect(),
            None => vec![rest],
        };
        for word in words {
            let end = word
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(word.len());
            found.insert(word[..end].to_string());
        }
    }
    found
}

fn breaches(path: &Path, layer: &str, code: &str) -> Vec<String> {
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == layer) else {
        return Vec::new();
    };
    let is_layer = |name: &str| MAY_USE.iter().any(|(layer, _)| *layer == name);
    let up = named(code)
        .into_iter()
        .filter(|name| is_layer(name) && name != layer && !allowed.contains(&name.as_str()));
    let mut breaches: Vec<String> = up
        .map(|name| format!("{} names crate::{name}", path.display()))
        .collect();
    for (owned, owners) in OWNED {
        let names = code.contains(&format!("{owned}::")) || code.contains(&format!("use {owned};"));
        if names && !owners.contains(&layer) {
            breaches.push(format!("{} names {owned}", path.display()));
        }
    }
    let prints = ["println!", "eprintln!", "print!(", "eprint!(", "dbg!("]
        .iter()
        .any(|p| code.contains(p));
    if prints && layer != "cli" {
        breaches.push(format!("{} prints", path.display()));
    }
    breaches
}

#[test]
fn imports_point_down() {
    let mut found = Vec::new();
    for path in files(&root().join("src"), "rs") {
        if path.ends_with("src/main.rs") || path.ends_with("src/lib.rs") {
            continue;
        }
        found.extend(breaches(&path, &layer(&path), &code(&path)));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_breach_is_seen() {
    let path = Path::new("x.rs");
    assert_eq!(
        breaches(path, "kernels", "use crate::{backend, model::Config};").len(),
        1
    );
    assert_eq!(
        breaches(path, "spectrum", "fn f() { wgpu::Limits::default(); }").len(),
        1
    );
    assert_eq!(breaches(path, "train", "println!(\"\")").len(), 1);
    assert_eq!(breaches(path, "report", "use plotters::prelude::*;").len(), 0);
}

/// Every shader has its operation and every operation that runs its shader.
#[test]
fn a_kernel_is_two_files_of_one_stem() {
    let stem = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let shaders: BTreeSet<String> = std::fs::read_dir(root().join("shaders"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| stem(&path))
        .collect();
    let kernels = files(&root().join("src/kernels"), "rs");
    let operations = kernels.iter().filter(|path| {
        code(path).contains("The CPU twin") || std::fs::read_to_string(path).unwrap().contains("The CPU twin")
    });
    let operations: BTreeSet<String> = operations.map(stem).collect();
    assert_eq!(shaders, operations);
}
