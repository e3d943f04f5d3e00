//! `docs/theorems.md` says what the ledger says.

use mlet::theory::document::document;
use mlet::theory::ledger::{self, THEOREMS};
use mlet::theory::search::Budget;

fn committed() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/theorems.md")).unwrap()
}

/// The text without what a run measures: cases, worst ratios, witnesses.
fn words(text: &str) -> Vec<String> {
    let keep = |line: &str| !line.starts_with("  * ");
    let mask = |line: &str| match line.strip_prefix("| ") {
        Some(row) => {
            let cells: Vec<&str> = row.split(" | ").collect();
            let kept = cells.iter().enumerate().filter(|(index, _)| ![2, 3].contains(index));
            kept.map(|(_, cell)| *cell).collect::<Vec<_>>().join(" | ")
        }
        None => line.to_owned(),
    };
    text.lines().filter(|line| keep(line)).map(mask).collect()
}

#[test]
fn the_document_is_the_ledgers() {
    let budget = Budget { cases: 8, seed: 0 };
    let entries = ledger::run(&ledger::select(&[]), budget, |_| ());
    let (now, then) = (document(&entries), committed());
    for (index, (now, then)) in words(&now).iter().zip(words(&then)).enumerate() {
        assert_eq!(
            *now, then,
            "line {index}: run `mlet verify --cases 10000 --markdown > docs/theorems.md`"
        );
    }
    assert_eq!(words(&now).len(), words(&then).len());
}

#[test]
fn the_recorded_ratios_keep_their_bounds() {
    let text = committed();
    for row in THEOREMS.iter().flat_map(|theorem| theorem.rows) {
        let start = format!("| {} | ", row.id);
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells[1], row.expected_status().to_string(), "{line}");
        let cases: u64 = cells[2].parse().unwrap();
        if row.expected == ledger::Expected::Holds {
            assert!(cases >= 10_000, "{line}");
            let (worst, bound): (f64, f64) = (cells[3].parse().unwrap(), cells[4].parse().unwrap());
            assert!(worst <= bound, "{line}");
        }
    }
}

#[test]
fn every_statement_is_stated_in_full() {
    for theorem in THEOREMS {
        let statement = theorem.statement();
        for part in ["**", "```text", "Hypotheses", "Source"] {
            assert!(statement.contains(part), "{part} is missing in:\n{statement}");
        }
    }
    let mut ids: Vec<&str> = ledger::select(&[]).iter().map(|row| row.id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
