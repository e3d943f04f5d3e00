//! `docs/theorems.md`, made of the statements and of what a run of the ledger found.

use super::ledger::{Arithmetic, Entry, Expected, Row, THEOREMS, Theorem};
use std::fmt::Write;

const OPENING: &str = "\
# Theorems

What this project takes from theory, what of it is true, and how that is known. This file is made by

```
mlet verify --cases 10000 --markdown > docs/theorems.md
```

and a test compares its words with the ledger's. The statements are the comments that the files of `src/theory/` open with.

*Proved* means: decided exactly over the rationals, without a tolerance, in every case looked at; the proof for all cases stands
with the statement. *Bounded* means: computed in f32 or f64, and never farther off than the bound. *Refuted* means: not a
theorem as written; the case is the smallest that the search shrank it to. A ratio is in its row's own unit (last column);
the statement holds where the ratio is at most the bound. For inequalities the ratio is right side over left side: 1 is equality.

";

/// The document for entries of a run of all rows.
pub fn document(entries: &[Entry]) -> String {
    let mut text = OPENING.to_string();
    text.push_str("| statement | status | cases | worst ratio | bound | unit |\n|---|---|---:|---:|---:|---|\n");
    let rows = || THEOREMS.iter().flat_map(|theorem| theorem.rows);
    for (row, entry) in rows().filter_map(|row| Some((row, of(row, entries)?))) {
        let (worst, bound) = (number(entry.worst_ratio), number(Some(entry.bound)));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {worst} | {bound} | {} |",
            row.id,
            entry.status,
            entry.cases,
            row.unit.replace('|', "\\|") // a cell ends at a bare one
        );
    }
    for theorem in THEOREMS {
        section(&mut text, theorem, entries);
    }
    text
}

fn section(text: &mut String, theorem: &Theorem, entries: &[Entry]) {
    let statement = theorem.statement();
    let title = statement.split("**").nth(1).unwrap_or_default().trim_end_matches('.');
    let _ = write!(text, "\n## {title}\n\n{statement}\n\n");
    for row in theorem.rows {
        let arithmetic = match row.arithmetic {
            Arithmetic::Exact => "exactly",
            Arithmetic::Floating => "in floating point",
        };
        let _ = writeln!(text, "* `{}`, {arithmetic}: {}.", row.id, row.claim);
        if let Some(entry) = of(row, entries) {
            let kind = match row.expected {
                Expected::Holds => "worst case",
                Expected::Fails => "smallest counterexample",
            };
            let _ = writeln!(text, "  * {kind}: {}", entry.witness);
        }
    }
}

fn of<'a>(row: &Row, entries: &'a [Entry]) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.id == row.id)
}

/// A ratio in three digits; nothing where it could not be had.
pub fn number(x: Option<f64>) -> String {
    match x {
        None => "–".into(),
        Some(x) if x == x.trunc() && x.abs() < 1e6 => format!("{x}"),
        Some(x) if (0.001..1e4).contains(&x.abs()) => {
            let decimals = (2 - x.abs().log10().floor() as i32).max(0) as usize;
            format!("{x:.decimals$}")
        }
        Some(x) => format!("{x:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn three_digits() {
        let cases = [
            (0.0, "0"),
            (30.0, "30"),
            (0.98765, "0.988"),
            (12.345, "12.3"),
            (4.9e-324, "4.94e-324"),
            (123.4, "123"),
        ];
        for (x, text) in cases {
            assert_eq!(number(Some(x)), text);
        }
        assert_eq!(number(None), "–");
    }
}
