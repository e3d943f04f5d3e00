//! `mlet study` through the binary, on small planted data: what it does, skips, makes again, refuses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mlet::train::summary::Summary;

mod again;
mod page;

const PLAN: &str = r#"
title = "Small"
question = "Does it run?"
seeds = [0, 7]

[data]
kind = "planted"
rows = 2000
tables = ["10:2", "50:3"]

[base]
model.bottom_mlp = [8]
model.top_mlp = [8]
model.embedding_dim = 4
training.batch_size = 32

[[arms]]
name = "single"

[[arms]]
name = "two layers (6, 4)"
model.inner_dim = 6
"#;

/// A study in a temporary directory.
struct Study(tempfile::TempDir);

impl Study {
    fn new(plan: &str) -> Self {
        let study = Study(tempfile::tempdir().expect("a directory"));
        study.plan(plan);
        study
    }

    fn plan(&self, plan: &str) {
        fs::write(self.0.path().join("plan.toml"), plan).expect("the plan");
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join("results").join(inside)
    }

    fn run(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlet"));
        command.args(["study", "--device", "cpu"]).arg(self.0.path());
        command.output().expect("the binary")
    }

    /// Runs it; gives what it says on standard error.
    fn succeeds(&self) -> String {
        let output = self.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    fn fails(&self) -> String {
        let output = self.run();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn summary(&self, run: &str) -> Summary {
        let bytes = fs::read(self.path("runs").join(run).join("summary.json")).expect("a summary");
        serde_json::from_slice(&bytes).expect("of this form")
    }

    /// Bytes of the checkpoint of a run.
    fn checkpoint(&self, run: &str) -> Vec<u8> {
        fs::read(self.path("runs").join(run).join("checkpoint.safetensors")).expect("a checkpoint")
    }

    /// `results.csv` as lines of (column, cell).
    fn csv(&self) -> Vec<Vec<(String, String)>> {
        let mut reader = csv::Reader::from_path(self.path("results.csv")).expect("results.csv");
        let header = reader.headers().expect("a header").clone();
        let line = |record: csv::StringRecord| {
            let cells = header.iter().zip(&record);
            cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
        };
        reader.records().map(|record| line(record.expect("a record"))).collect()
    }
}

fn cell<'a>(line: &'a [(String, String)], name: &str) -> &'a str {
    let found = line.iter().find(|(column, _)| column == name);
    &found.unwrap_or_else(|| panic!("no column {name}")).1
}

const RUNS: [&str; 4] = [
    "single/seed-0",
    "single/seed-7",
    "two-layers-6-4/seed-0",
    "two-layers-6-4/seed-7",
];

#[test]
fn results_are_those_of_the_summaries() {
    let study = Study::new(PLAN);
    let said = study.succeeds();
    assert!(said.contains("[4/4]"), "{said}");
    let lines = study.csv();
    assert_eq!(lines.len(), RUNS.len());
    let teacher: toml::Table = fs::read_to_string(study.path("data/teacher.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let bayes = teacher["test"]["bayes_log_loss"].as_float().unwrap();
    for (line, run) in lines.iter().zip(RUNS) {
        let summary = study.summary(run);
        let test = &summary.test.quality;
        let number = |name| {
            cell(line, name)
                .parse::<f64>()
                .unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        // Printed with as many digits as it takes to read the same number back.
        assert_eq!(number("test_log_loss"), test.log_loss);
        assert_eq!(Some(number("test_auc")), test.auc);
        assert_eq!(number("validation_log_loss"), summary.validation.quality.log_loss);
        assert_eq!(
            Some(number("validation_calibration")),
            summary.validation.quality.calibration
        );
        assert_eq!(number("test_log_loss_over_bayes"), test.log_loss - bayes);
        assert_eq!(number("parameters"), summary.parameters as f64);
        assert_eq!(number("table_bytes_collapsed"), summary.table_bytes.collapsed as f64);
        assert!(cell(line, "run").ends_with(run), "{}", cell(line, "run"));
    }
    assert_eq!(cell(&lines[2], "arm"), "two layers (6, 4)");
    assert_eq!(cell(&lines[3], "seed"), "7");
    // Paired by seed: the mean of the differences, as the table shows it.
    let loss = |run| study.summary(run).test.quality.log_loss;
    let difference = (loss(RUNS[2]) - loss(RUNS[0]) + loss(RUNS[3]) - loss(RUNS[1])) / 2.0;
    let json: serde_json::Value = serde_json::from_slice(&fs::read(study.path("results.json")).unwrap()).unwrap();
    let stored = &json["arms"][1]["differences_to_the_first_arm"]["test.log_loss"];
    // Four numbers below 1 added in another order: each sum is off by at most half an ulp of 2.
    assert!(
        (stored["mean"].as_f64().unwrap() - difference).abs() < 4.0 * f64::EPSILON,
        "{stored} for {difference}"
    );
    assert_eq!(stored["n"], 2);
    let markdown = fs::read_to_string(study.path("results.md")).unwrap();
    let sign = if difference < 0.0 { '−' } else { '+' };
    assert!(
        markdown.contains(&format!("{sign}{:.5} ±", difference.abs())),
        "{markdown}"
    );
    assert!(markdown.contains("2 seeds are few"), "{markdown}");
    let buckets = fs::read_to_string(study.path("results_by_frequency.csv")).unwrap();
    assert!(buckets.lines().count() > RUNS.len() * 2, "{buckets}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn a_device_that_is_not_there_is_named_before_any_work() {
    let study = Study::new(PLAN);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlet"));
    command
        .args(["study", "--device", "no such device"])
        .arg(study.0.path());
    let output = command.output().expect("the binary");
    assert_eq!(output.status.code(), Some(1));
    assert!(!study.path("data").exists());
}

#[test]
fn a_run_that_fails_keeps_no_other_from_its_result() {
    let diverging = "[[arms]]\nname = \"too fast\"\noptimizer.learning_rate = 1e30\n";
    let study = Study::new(&format!("{PLAN}\n{diverging}"));
    let said = study.fails();
    assert!(said.contains("2 of 6 runs failed"), "{said}");
    assert!(said.contains("too fast, seed 7: the loss is"), "{said}");
    assert_eq!(study.csv().len(), 4);
    let markdown = fs::read_to_string(study.path("results.md")).unwrap();
    assert!(markdown.contains("4 of 6 runs are done"), "{markdown}");
}

#[test]
fn what_is_wrong_is_named_with_its_file() {
    let empty = Study(tempfile::tempdir().unwrap());
    assert!(empty.fails().contains("plan.toml"));
    let cases = [
        ("model.bottom_mlp", "model.botom_mlp", "botom_mlp"),
        ("rows = 2000", "rowz = 2000", "rowz"),
        ("\"10:2\"", "\"10:200\"", "10:200"),
        ("seeds = [0, 7]", "seeds = [0, 7]\nseed = 3", "seed"),
        ("model.inner_dim = 6", "model.inner_dim = \"six\"", "two layers (6, 4)"),
        ("title = \"Small\"", "title = \"Small", "line 2"),
    ];
    for (from, to, named) in cases {
        assert!(PLAN.contains(from));
        let study = Study::new(&PLAN.replace(from, to));
        let said = study.fails();
        assert!(said.contains("plan.toml") && said.contains(named), "{to}: {said}");
        assert!(!study.path("runs").exists());
    }
    let missing = PLAN
        .replace("kind = \"planted\"", "path = \"nowhere\"")
        .replace("rows = 2000", "");
    let missing = Study::new(&missing.replace("tables = [\"10:2\", \"50:3\"]", ""));
    let said = missing.fails();
    assert!(said.contains("nowhere"), "{said}");
}

#[test]
fn data_that_the_study_did_not_prepare_are_left_alone() {
    let study = Study::new(PLAN);
    fs::create_dir_all(study.path("data")).unwrap();
    fs::write(study.path("data/dataset.toml"), "mine").unwrap();
    let said = study.fails();
    assert!(said.contains("not prepared by this study"), "{said}");
    assert_eq!(fs::read_to_string(study.path("data/dataset.toml")).unwrap(), "mine");
}

#[test]
fn an_existing_data_set_is_found_from_the_plans_directory() {
    let made = Study::new(PLAN);
    made.succeeds();
    let table = PLAN
        .replace("kind = \"planted\"", "path = \"mine\"")
        .replace("rows = 2000\ntables = [\"10:2\", \"50:3\"]", "");
    let study = Study::new(&table);
    copy(&made.path("data"), &study.0.path().join("mine"));
    study.succeeds();
    assert!(!study.path("data").exists());
    for run in RUNS {
        assert!(made.checkpoint(run) == study.checkpoint(run), "{run} is another");
    }
}
