//! `mlet verify --checkpoint RUN`: the statements about dynamics on a trained model.

use crate::cli::say::{self, say};
use crate::theory::trained::FeatureReport;
use crate::train::dynamics::checkpoint::{CheckpointReport, check};
use anyhow::bail;
use std::fmt::Write;
use std::path::Path;

/// Checks the run's checkpoint and prints the report, as JSON or for people. Fails where a statement does not hold.
pub fn run(run: &Path, json: bool) -> anyhow::Result<()> {
    let report = check(run, 0)?;
    match json {
        true => say!("{}", serde_json::to_string_pretty(&report)?),
        false => say::text(&table(&report)),
    }
    let broken: Vec<String> = report.features.iter().flat_map(broken).collect();
    if !broken.is_empty() {
        bail!(
            "{}: {} statement(s) do not hold:\n  {}",
            run.display(),
            broken.len(),
            broken.join("\n  ")
        );
    }
    Ok(())
}

/// The statements that do not hold for a feature.
fn broken(feature: &FeatureReport) -> Vec<String> {
    let fails = feature.statements.iter().filter(|line| !line.holds);
    fails
        .map(|line| {
            format!(
                "{}: {} in {}: {}",
                feature.feature, line.statement, line.arithmetic, line.witness
            )
        })
        .collect()
}

const COLUMNS: [(&str, &str); 8] = [
    ("E1", "f64"),
    ("E1", "f32"),
    ("E2", "f64"),
    ("E2", "f32"),
    ("E3", "f64"),
    ("E3", "f32"),
    ("E5", "f64"),
    ("E5", "f32"),
];

fn table(report: &CheckpointReport) -> String {
    let names = report.features.iter().map(|feature| feature.feature.chars().count());
    let width = names.max().unwrap_or(0).max("feature".len());
    let mut text = format!(
        "{}: one plain SGD step after step {}, {} examples, learning rate {} of the tables\n\n",
        report.run.display(),
        report.step,
        report.examples,
        report.learning_rate as f32
    );
    text += &format!("{:width$} {:>9} {:>8}", "", "", "");
    for statement in ["E1", "E2", "E3", "E5"] {
        text += &format!("  {statement:>7}{:8}", "");
    }
    text += "\n";
    text += &format!("{:width$} {:>9} {:>8}", "feature", "rows", "in batch");
    for (_, arithmetic) in COLUMNS {
        text += &format!(" {arithmetic:>7}");
    }
    text += "  balance  Eq. 6      Δσ₁ predicted       Δσ₁ actual\n";
    for feature in &report.features {
        text += &row(feature, width);
    }
    text += "\nE1, E2, E3, E5: the worst distance from the statement as a share of what rounding can do (of E5 also of what the second order\n\
        in the learning rate can do), in f64 and in the trainer's own f32; a statement holds where it is at most 1. E5 in f64 is a step\n\
with a 1024th of the learning rate. –: nothing is stated (no row outside the batch; no singular value apart from the others).\n\
        balance: ‖W1ᵀW1 − W2W2ᵀ‖ / (‖W1ᵀW1‖ + ‖W2W2ᵀ‖), 0 where the factors are balanced. Eq. 6: how far the paper's equation 6, which\n\
        needs balanced factors, is from the velocity of the singular values (E5), relative.\n";
    text
}

fn row(feature: &FeatureReport, width: usize) -> String {
    let mut text = format!(
        "{:width$} {:>9} {:>8}",
        feature.feature, feature.num_embeddings, feature.rows_in_batch
    );
    for (statement, arithmetic) in COLUMNS {
        let line = feature
            .statements
            .iter()
            .find(|line| line.statement == statement && line.arithmetic == arithmetic);
        let ratio = line.and_then(|line| line.ratio);
        // Writing to a String cannot fail.
        let _ = match ratio {
            Some(ratio) => write!(text, " {ratio:>7.4}"),
            None => write!(text, " {:>7}", "–"),
        };
    }
    let _ = write!(text, "  {:>7.4}", feature.balance_gap);
    let _ = match feature.equation_6_error {
        Some(error) => write!(text, "  {:>5.0} %", 100.0 * error),
        None => write!(text, "  {:>7}", "–"),
    };
    let first = feature.singular_values.first();
    let _ = match first.and_then(|moved| Some((moved.predicted?, moved.actual))) {
        Some((predicted, actual)) => writeln!(text, "  {predicted:>15.6e}  {actual:>15.6e}"),
        None => writeln!(text, "  {:>15}  {:>15}", "–", "–"),
    };
    text
}
