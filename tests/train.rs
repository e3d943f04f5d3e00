//! `mlet train`, `evaluate` and `collapse` as a user types them.

mod common;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use common::{SMALL, checkpoint, fail, mlet, prepared, succeed, summary, text, train};
use mlet::model::checkpoint::Checkpoint;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A mean of 100 equal terms, none above 1, in f64: each sum rounds by at most half an ulp of a number below 128 (2⁻⁴⁷),
/// before the division by 100, in the LogLoss and in Σp alike; dLogLoss/dp is below 4 for p from 0.1 to 0.9.
const SUM_OF_100: f64 = 5.0 * 100.0 / 100.0 * 7.2e-15;

#[test]
fn a_run_folder_holds_what_it_promises() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 1500);
    let run = train(directory.path(), "run", &["--inner-dim", "6", "--log-every", "10"]);
    let summary = summary(&run);
    for split in ["validation", "test"] {
        for key in ["log_loss", "auc", "normalized_entropy", "calibration", "accuracy"] {
            assert!(summary[split][key].is_f64(), "{split}.{key} is missing");
        }
        let groups = summary[split]["by_frequency"].as_array().unwrap();
        let sum: u64 = groups.iter().map(|group| group["examples"].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), summary[split]["examples"].as_u64());
    }
    for key in [
        "device",
        "seconds",
        "steps",
        "examples_per_second",
        "parameters",
        "table_bytes",
    ] {
        assert!(!summary[key].is_null(), "{key} is missing");
    }
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.last().unwrap()["step"], summary["steps"]);
    assert_eq!(lines.last().unwrap()["examples"], summary["examples"]);
    let (first, last) = (
        lines[0]["loss"].as_f64().unwrap(),
        lines.last().unwrap()["loss"].as_f64().unwrap(),
    );
    assert!(last < first, "the loss rose from {first} to {last}");
    let names = Checkpoint::open(&run.join("checkpoint.safetensors")).unwrap();
    for name in [
        "bottom_mlp.0.weight",
        "bottom_mlp.2.bias",
        "embedding.C26.factor.1",
        "embedding.C1.factor.2",
    ] {
        assert!(names.contains(name), "{name} is missing");
    }
    let config = mlet::model::Config::load(&run.join("config.toml")).unwrap();
    assert_eq!(config.model.inner_dim, Some(6));
    assert_eq!(config.optimizer.learning_rate, 0.2);
}

#[test]
fn collapsing_changes_no_prediction() {
    let directory = tempfile::tempdir().unwrap();
    let data = prepared(directory.path(), 1500);
    for depth in ["2", "3"] {
        let run = train(
            directory.path(),
            &format!("run{depth}"),
            &["--inner-dim", "6", "--depth", depth],
        );
        let tables = directory.path().join(format!("tables{depth}.safetensors"));
        succeed(&["collapse", text(&run), "--out", text(&tables)]);
        let of = |model: &str, more: &[&str]| {
            let json = succeed(&[&["evaluate", model, "--device", "cpu"], more].concat());
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            value["test"]["log_loss"].as_f64().unwrap()
        };
        let (whole, collapsed) = (of(text(&run), &[]), of(text(&tables), &["--data", text(&data)]));
        assert_eq!(whole, summary(&run)["test"]["log_loss"].as_f64().unwrap());
        assert!((whole - collapsed).abs() <= 1e-6, "{whole} became {collapsed}");
        assert!(
            directory
                .path()
                .join(format!("tables{depth}.vocabulary/C1.arrow"))
                .exists()
        );
        let model = Checkpoint::open(&tables).unwrap();
        assert!(model.contains("embedding.C1.weight") && !model.contains("embedding.C1.factor.1"));
        assert!(
            fail(&["collapse", text(&tables), "--out", text(&directory.path().join("x"))])
                .contains("collapsed already")
        );
    }
}

#[test]
fn zero_steps_write_the_initial_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 300);
    let run = train(
        directory.path(),
        "start",
        &["--max-steps", "0", "--order", "sequential", "--inner-dim", "6"],
    );
    let found = Checkpoint::open(&run.join("checkpoint.safetensors")).unwrap();
    let config = mlet::model::Config::load(&run.join("config.toml")).unwrap();
    let dataset = mlet::data::dataset::Dataset::open(directory.path().join("data")).unwrap();
    let n = dataset.schema.categorical[4].num_embeddings;
    let factors = mlet::train::initialize::initial_factors(&config, "C5", n).unwrap();
    assert_eq!(
        found.read("embedding.C5.factor.1", &[n, 6]).unwrap(),
        factors[0].iter().copied().collect::<Vec<_>>()
    );
    assert_eq!(
        found.read("embedding.C5.factor.2", &[6, 4]).unwrap(),
        factors[1].iter().copied().collect::<Vec<_>>()
    );
}

#[test]
fn frozen_factors_end_as_they_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = prepared(directory.path(), 1500);
    let flags = [
        "--inner-dim",
        "6",
        "--depth",
        "3",
        "--optimizer",
        "adagrad",
        "--learning-rate",
        "0.02",
    ];
    let frozen = [&flags[..], &["--freeze-further-factors"]].concat();
    let start = train(
        directory.path(),
        "start",
        &[&frozen[..], &["--max-steps", "0"]].concat(),
    );
    let run = train(directory.path(), "run", &frozen);
    let open = |run: &std::path::Path| Checkpoint::open(&run.join("checkpoint.safetensors")).unwrap();
    let (before, after) = (open(&start), open(&run));
    let bytes = |of: &Checkpoint, name: &str| of.tensors().unwrap().tensor(name).unwrap().data().to_vec();
    for feature in ["C1", "C26"] {
        let factor = |j: usize| format!("embedding.{feature}.factor.{j}");
        assert_ne!(
            bytes(&before, &factor(1)),
            bytes(&after, &factor(1)),
            "{feature}: W1 did not step"
        );
        for j in [2, 3] {
            assert_eq!(
                bytes(&before, &factor(j)),
                bytes(&after, &factor(j)),
                "{feature}: W{j} stepped"
            );
            assert!(
                !after.contains(&format!("optimizer.{}.sum", factor(j))),
                "what never steps has no sum"
            );
        }
        assert!(after.contains(&format!("optimizer.{}.sum", factor(1))));
    }
    assert!(after.metadata().unwrap().config.optimizer.freeze_further_factors);
    // The same start with all factors trained ends elsewhere.
    let trained = train(directory.path(), "trained", &flags);
    assert_ne!(
        bytes(&open(&trained), "embedding.C1.factor.2"),
        bytes(&after, "embedding.C1.factor.2")
    );
    let tables = directory.path().join("tables.safetensors");
    succeed(&["collapse", text(&run), "--out", text(&tables)]);
    succeed(&["evaluate", text(&tables), "--data", text(&data), "--device", "cpu"]);
    assert!(
        !Checkpoint::open(&tables)
            .unwrap()
            .metadata()
            .unwrap()
            .config
            .optimizer
            .freeze_further_factors
    );
}

#[test]
fn settings_come_from_file_flags_and_set_in_that_order() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 300);
    let file = directory.path().join("config.toml");
    std::fs::write(
        &file,
        "[optimizer]\nlearning_rate = 0.5\n[training]\nbatch_size = 8\n[model]\ninner_dim = 5\n",
    )
    .unwrap();
    let more = [
        "--config",
        text(&file),
        "--set",
        "model.inner_dim=7",
        "--set",
        "training.max_steps=1",
    ];
    let run = train(directory.path(), "run", &more);
    let config = mlet::model::Config::load(&run.join("config.toml")).unwrap();
    assert_eq!((config.optimizer.learning_rate, config.training.batch_size), (0.5, 32));
    assert_eq!((config.model.inner_dim, config.training.max_steps), (Some(7), Some(1)));
}

#[test]
fn a_narrow_inner_dimension_is_allowed_with_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let data = prepared(directory.path(), 300);
    let out = directory.path().join("run");
    let base = [
        "train",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--device",
        "cpu",
        "--inner-dim",
        "2",
    ];
    let output = mlet().args([&base[..], &SMALL].concat()).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Theorem 2.2"));
}

#[test]
fn mistakes_are_named_and_nothing_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let data = prepared(directory.path(), 300);
    let (out, missing) = (directory.path().join("run"), directory.path().join("missing"));
    let with = |more: &[&str]| {
        let base = ["train", "--data", text(&data), "--out", text(&out), "--device", "cpu"];
        fail(&[&base[..], more].concat())
    };
    assert!(with(&["--depth", "3"]).contains("--inner-dim"));
    let error = with(&["--freeze-further-factors"]);
    assert!(error.contains("a single layer has no further factors"), "{error}");
    assert!(with(&["--set", "model.inerdim=3"]).contains("inerdim"));
    assert!(with(&["--init", "magic"]).contains("magic"));
    let base = [
        "train",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--device",
        "no such adapter",
    ];
    let error = fail(&base);
    assert!(
        error.contains("no such adapter") || error.contains("no GPU adapter"),
        "{error}"
    );
    assert!(!out.exists(), "a refused run left its folder");
    assert!(fail(&["train", "--data", text(&missing), "--out", text(&out)]).contains("dataset.toml"));
    let error = with(&["--learning-rate", "1e30", "--log-every", "1"]);
    assert!(error.contains("learning_rate"), "{error}");
    let run = train(directory.path(), "twice", &[]);
    let before = checkpoint(&run);
    let base = ["train", "--data", text(&data), "--out", text(&run)];
    assert!(fail(&base).contains("--resume"));
    assert_eq!(before, checkpoint(&run));
    assert!(fail(&["evaluate", text(&run), "--data", text(&missing), "--device", "cpu"]).contains("missing"));
}

#[test]
fn a_run_is_not_continued_on_other_data() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 300);
    let run = train(directory.path(), "run", &["--max-steps", "2"]);
    std::fs::remove_dir_all(directory.path().join("data")).unwrap();
    prepared(directory.path(), 301);
    assert!(fail(&["train", "--resume", text(&run), "--max-steps", "4"]).contains("source hash"));
}

/// Rows with a label, no dense feature and one categorical feature that has one value, prepared by the binary.
fn one_single_row(directory: &Path) -> PathBuf {
    let labels: Vec<bool> = (0..400).map(|row| row % 4 == 0).collect();
    let parts = (0..400).map(|row| ["train", "train", "validation", "test"][row / 100]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("y", Arc::new(BooleanArray::from(labels))),
        ("id", Arc::new(StringArray::from(vec!["only"; 400]))),
        ("part", Arc::new(StringArray::from_iter_values(parts))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let (input, description) = (directory.join("raw.parquet"), directory.join("columns.toml"));
    let file = std::fs::File::create(&input).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let split = "split = { rule = \"column\", column = \"part\" }";
    std::fs::write(
        &description,
        format!("label = \"y\"\ncategorical = [\"id\"]\n{split}\n"),
    )
    .unwrap();
    let data = directory.join("data");
    let paths = [text(&input), "--columns", text(&description), "--out", text(&data)];
    succeed(&[&["prepare", "parquet"], &paths[..]].concat());
    data
}

fn numbers(run: &Path, name: &str, shape: &[usize]) -> Vec<f32> {
    let file = Checkpoint::open(&run.join("checkpoint.safetensors")).unwrap();
    file.read(name, shape).unwrap()
}

/// Without dense features the bottom MLP has one input that is zero: its first weight has no gradient and keeps its bits,
/// while everything else learns.
#[test]
fn without_dense_features_the_zero_column_learns_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = one_single_row(directory.path());
    let schema = mlet::data::dataset::Dataset::open(&data).unwrap().schema;
    assert_eq!(schema.dense.len(), 0);
    let start = train(directory.path(), "start", &["--max-steps", "0"]);
    let run = train(directory.path(), "run", &["--epochs", "5"]);
    let both = |name: &str, shape: &[usize]| (numbers(&start, name, shape), numbers(&run, name, shape));
    let (before, after) = both("bottom_mlp.0.weight", &[16, 1]);
    assert_eq!(before, after);
    let (before, after) = both("bottom_mlp.0.bias", &[16]);
    assert_ne!(before, after);
    let (before, after) = both("bottom_mlp.2.weight", &[8, 16]);
    assert_ne!(before, after);
}

/// With one category all examples are alike: one probability p for all, so of 100 labels of which 25 are 1 the LogLoss is
/// −¼·ln p − ¾·ln(1 − p) and the calibration 4·p, and no order tells anything.
#[test]
fn a_table_of_one_row_predicts_one_number() {
    let directory = tempfile::tempdir().unwrap();
    let data = one_single_row(directory.path());
    let schema = mlet::data::dataset::Dataset::open(&data).unwrap().schema;
    assert_eq!((schema.categorical.len(), schema.categorical[0].num_embeddings), (1, 1));
    let run = train(directory.path(), "run", &["--inner-dim", "6", "--epochs", "5"]);
    let (found, other) = (summary(&run)["test"].clone(), summary(&run)["validation"].clone());
    assert_eq!((&found["auc"], &found["examples"]), (&0.5.into(), &100.into()));
    assert_eq!(found["log_loss"], other["log_loss"], "the splits have the same labels");
    let p = found["calibration"].as_f64().unwrap() / 4.0;
    let expected = -0.25 * p.ln() - 0.75 * (1.0 - p).ln();
    let gap = (found["log_loss"].as_f64().unwrap() - expected).abs();
    assert!(gap <= SUM_OF_100, "{found}: expected {expected}");
    // The table is W1·W2, products in f64, rounded once.
    let (w1, w2) = (
        numbers(&run, "embedding.id.factor.1", &[1, 6]),
        numbers(&run, "embedding.id.factor.2", &[6, 4]),
    );
    let tables = directory.path().join("tables.safetensors");
    succeed(&["collapse", text(&run), "--out", text(&tables)]);
    let table = Checkpoint::open(&tables)
        .unwrap()
        .read("embedding.id.weight", &[1, 4])
        .unwrap();
    for (j, &found) in table.iter().enumerate() {
        let terms = (0..6).map(|i| f64::from(w1[i]) * f64::from(w2[4 * i + j]));
        let size: f64 = terms.clone().map(f64::abs).sum();
        let expected: f64 = terms.sum();
        // Half an ulp of f32, and six terms added in another order.
        let allowed = 0.5 * f64::from(f32::EPSILON) * expected.abs() + 6.0 * f64::EPSILON * size;
        assert!(
            (f64::from(found) - expected).abs() <= allowed,
            "column {j}: {found}, expected {expected}"
        );
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("mlet"))
        .args(["verify", "--cases", "10"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("panicked"), "{said}");
}
