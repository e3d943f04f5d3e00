//! Compressed models of mlet's own: what they still predict, and what they take.

use crate::common::{prepared, succeed, text, train};
use mlet::model::checkpoint::Checkpoint;
use safetensors::SafeTensors;
use std::path::Path;

fn log_loss(model: &Path, data: &Path) -> f64 {
    let json = succeed(&[
        "evaluate",
        text(model),
        "--data",
        text(data),
        "--device",
        "cpu",
        "--splits",
        "test",
    ]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    value["test"]["log_loss"].as_f64().unwrap()
}

fn record(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(out.with_extension("compress.json")).unwrap()).unwrap()
}

/// Bytes of the tables in a file.
fn table_bytes(file: &Path) -> u64 {
    let bytes = std::fs::read(file).unwrap();
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let tables = all.iter().filter(|(name, _)| name.starts_with("embedding."));
    tables.map(|(_, view)| view.data().len() as u64).sum()
}

/// LogLoss is 1-Lipschitz in the logits. Rounding W once to f32, where before x·W₂ was rounded in f32 for every row, moves a vector by
/// at most (k + 2)·2⁻²⁴ of numbers below 1; through this small network, whose weights start with norms near 1, a logit moves by a
/// few units of that: 1e-6 is 16 of 2⁻²⁴, as for the collapse.
const AFTER_ONE_ROUNDING: f64 = 1e-6;

#[test]
fn all_of_the_energy_is_all_of_the_quality() {
    let directory = tempfile::tempdir().unwrap();
    let data = prepared(directory.path(), 1500);
    // A single layer: every table is kept, to the bit. Products: one matrix where that is smaller, rank 3 where that is all.
    for (name, flags, exact) in [
        ("single", &[][..], true),
        ("double", &["--inner-dim", "6"], false),
        (
            "narrow",
            &[
                "--inner-dim",
                "3",
                "--depth",
                "3",
                "--optimizer",
                "adagrad",
                "--learning-rate",
                "0.02",
            ],
            false,
        ),
    ] {
        let run = train(directory.path(), name, flags);
        let out = directory.path().join(format!("{name}.safetensors"));
        succeed(&["compress", text(&run), "--energy", "1", "--out", text(&out)]);
        let (before, after) = (log_loss(&run, &data), log_loss(&out, &data));
        if exact {
            assert_eq!(before, after);
        }
        assert!(
            (before - after).abs() <= AFTER_ONE_ROUNDING,
            "{name}: {before} became {after}"
        );
        let written = Checkpoint::open(&out).unwrap();
        let was = Checkpoint::open(&run.join("checkpoint.safetensors")).unwrap();
        let bytes = |of: &Checkpoint, name: &str| of.tensors().unwrap().tensor(name).unwrap().data().to_vec();
        assert_eq!(bytes(&written, "top_mlp.0.weight"), bytes(&was, "top_mlp.0.weight"));
        assert!(
            !written
                .tensors()
                .unwrap()
                .names()
                .iter()
                .any(|name| name.starts_with("optimizer."))
        );
        assert_eq!(record(&out)["bytes"], table_bytes(&out));
        // It is a model like another: measured, and compressed again.
        succeed(&["spectrum", text(&out), "--out", text(&directory.path().join("report"))]);
        let again = directory.path().join("again.safetensors");
        succeed(&["compress", text(&out), "--energy", "0.5", "--out", text(&again)]);
        assert!(table_bytes(&again) < table_bytes(&out));
        assert!(log_loss(&again, &data).is_finite());
    }
}

/// Compresses to a budget; the bytes of the tables written, which the record says too.
fn within(run: &Path, budget: u64, out: &Path) -> u64 {
    let budget_text = budget.to_string();
    succeed(&["compress", text(run), "--budget", &budget_text, "--out", text(out)]);
    let (found, record) = (table_bytes(out), record(out));
    assert!(found <= budget, "{found} of {budget}");
    assert_eq!(record["bytes"], found);
    let (loss, least) = (record["loss"].as_f64().unwrap(), record["least_loss"].as_f64().unwrap());
    assert!(least <= loss && loss < 1.0, "{least} ≤ {loss}");
    found
}

/// Budgets between two sizes do not see a byte too many: what a budget gives is asked for again, to the byte and one byte below.
#[test]
fn a_budget_is_kept_to_the_byte() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 1500);
    let run = train(directory.path(), "run", &["--inner-dim", "6"]);
    let out = directory.path().join("out.safetensors");
    let whole = table_bytes(&run.join("checkpoint.safetensors"));
    let mut sizes = Vec::new();
    for budget in [whole / 4, whole / 3, whole / 2, 2 * whole] {
        let found = within(&run, budget, &out);
        assert_eq!(within(&run, found, &out), found, "the bytes it takes are enough");
        assert!(within(&run, found - 1, &out) < found);
        sizes.push(found);
    }
    assert!(sizes.is_sorted() && sizes[0] < sizes[2], "{sizes:?}");
    // The least that it names is taken, a byte less is not.
    let error = crate::common::fail(&["compress", text(&run), "--budget", "1", "--out", text(&out)]);
    let least = error
        .split_once("they take ")
        .unwrap()
        .1
        .split_once(" bytes")
        .unwrap()
        .0;
    let least: u64 = least.parse().unwrap();
    assert_eq!(within(&run, least, &out), least);
    let below = (least - 1).to_string();
    crate::common::fail(&["compress", text(&run), "--budget", &below, "--out", text(&out)]);
}

/// The built-in flights, as a user does it.
#[test]
fn flights_from_log_to_curve() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (data, run, out) = (at("data"), at("run"), at("small.safetensors"));
    succeed(&["prepare", "flights", "--out", text(&data)]);
    succeed(&[
        "train",
        "--data",
        text(&data),
        "--out",
        text(&run),
        "--device",
        "cpu",
        "--bottom-mlp",
        "16",
        "--top-mlp",
        "16",
        "--embedding-dim",
        "8",
        "--inner-dim",
        "16",
        "--max-steps",
        "300",
    ]);
    let said = succeed(&[
        "compress",
        text(&run),
        "--budget",
        "100kB",
        "--out",
        text(&out),
        "--data",
        text(&data),
        "--device",
        "cpu",
        "--curve",
        "0.3,0.6,0.9,1",
    ]);
    assert!(said.contains("test: LogLoss"), "{said}");
    let record = record(&out);
    assert_eq!(record["bytes"], table_bytes(&out));
    assert!(table_bytes(&out) <= 100_000);
    let quality = |when: &str| record["quality"][when]["log_loss"].as_f64().unwrap();
    assert_eq!(quality("before"), log_loss(&run, &data));
    assert_eq!(quality("after"), log_loss(&out, &data));
    let curve = record["curve"].as_array().unwrap();
    assert_eq!(curve.len(), 8);
    let bytes = |at: usize| curve[at]["bytes"].as_u64().unwrap();
    for pair in 0..4 {
        assert!(
            bytes(2 * pair + 1) <= bytes(2 * pair),
            "the budget's point takes more than it may"
        );
        assert!(
            pair == 0 || bytes(2 * pair) >= bytes(2 * pair - 2),
            "more energy takes fewer bytes"
        );
    }
    for extension in ["quality.csv", "quality.svg", "quality.png"] {
        assert!(out.with_extension(extension).exists(), "{extension}");
    }
    let lines = std::fs::read_to_string(out.with_extension("quality.csv")).unwrap();
    assert_eq!(lines.lines().count(), 9);
}
