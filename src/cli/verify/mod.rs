//! `mlet verify`: the theorem ledger, statement by statement.

mod checkpoint;

use crate::cli::say::{self, say};
use crate::theory::document::{document, number};
use crate::theory::ledger::{self, Entry, Row};
use crate::theory::search::Budget;
use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::PathBuf;

/// Arguments of `mlet verify`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: every statement has the status it must have. What is not a theorem as written must be refuted."
)]
pub struct Args {
    /// Print a list of {id, status, cases, worst_ratio, bound, witness} as JSON
    #[arg(long)]
    json: bool,
    /// Random cases a statement; the special matrices come on top
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// Seed of the random cases; the same seed gives the same cases
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only this statement and its variants, such as T2.2 or E6; may be given several times
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Print docs/theorems.md: the statements in full, with what was found
    #[arg(long, conflicts_with_all = ["json", "only"])]
    markdown: bool,
    /// Check E1, E2, E3 and E5 on this run's checkpoint instead: one plain SGD step on a batch of its data
    #[arg(long, value_name = "RUN", conflicts_with_all = ["cases", "seed", "only", "markdown"])]
    checkpoint: Option<PathBuf>,
}

/// Runs `mlet verify`.
pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(run) = &args.checkpoint {
        return checkpoint::run(run, args.json);
    }
    let rows = ledger::select(&args.only);
    if let Some(name) = args
        .only
        .iter()
        .find(|name| ledger::select(&[(*name).clone()]).is_empty())
    {
        let known: Vec<&str> = ledger::select(&[]).iter().map(|row| row.id).collect();
        bail!(
            "--only {name}: there is no such statement; there are {}",
            known.join(", ")
        );
    }
    let bar = ProgressBar::with_draw_target(Some(rows.len() as u64), ProgressDrawTarget::stderr());
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} statements  {msg}").unwrap_or(ProgressStyle::default_bar()),
    );
    let budget = Budget {
        cases: args.cases,
        seed: args.seed,
    };
    let entries = ledger::run(&rows, budget, |entry| {
        bar.set_message(entry.id);
        bar.inc(1);
    });
    bar.finish_and_clear();
    match (args.json, args.markdown) {
        (true, _) => say!("{}", serde_json::to_string_pretty(&entries)?),
        (_, true) => say::text(&document(&entries)),
        _ => say::text(&table(&rows, &entries)),
    }
    expected(&rows, &entries)
}

/// Fails where a statement does not have the status it must have.
fn expected(rows: &[&Row], entries: &[Entry]) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for (row, entry) in rows.iter().zip(entries) {
        if entry.status != row.expected_status() {
            wrong.push(format!(
                "{} is {}, not {}: {}",
                row.id,
                entry.status,
                row.expected_status(),
                entry.witness
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("the ledger is not as it must be:\n  {}", wrong.join("\n  "))
}

/// A line of numbers a statement, its claim and its witness below.
fn table(rows: &[&Row], entries: &[Entry]) -> String {
    let id_width = entries
        .iter()
        .map(|entry| entry.id.chars().count())
        .max()
        .unwrap_or(0)
        .max(9);
    let mut text = format!(
        "{:id_width$}  {:8}  {:>7}  {:>11}  {:>6}  claim\n",
        "statement", "status", "cases", "worst ratio", "bound"
    );
    let indent = " ".repeat(id_width + 2);
    for (row, entry) in rows.iter().zip(entries) {
        text += &format!(
            "{:id_width$}  {:8}  {:>7}  {:>11}  {:>6}  {}\n",
            entry.id,
            entry.status,
            entry.cases,
            number(entry.worst_ratio),
            number(Some(entry.bound)),
            row.claim
        );
        text += &format!(
            "{indent}{}\n",
            shortened(&entry.witness, entry.status == ledger::Status::Refuted)
        );
    }
    let count = |status| entries.iter().filter(|entry| entry.status == status).count();
    text += &format!(
        "\n{} proved (decided exactly in every case), {} within their bounds, {} refuted as written. Worst ratio: in the statement's own\n\
        unit, see docs/theorems.md; a statement holds where it is at most its bound. Below each: the case nearest to the bound.\n",
        count(ledger::Status::Proved),
        count(ledger::Status::Bounded),
        count(ledger::Status::Refuted)
    );
    text
}

/// A counterexample is shown whole, any other witness in a line.
fn shortened(witness: &str, whole: bool) -> String {
    const WIDTH: usize = 110;
    if whole || witness.chars().count() <= WIDTH {
        return witness.to_owned();
    }
    let start: String = witness.chars().take(WIDTH - 1).collect();
    format!("{start}…")
}
