//! The ledger: every statement, how it is checked, and what it is expected to be.

use super::search::{Budget, Found};
use super::{
    balance_drift, balanced_factors, balanced_velocity, closest_product, cross_category, decomposition,
    end_to_end_rule, one_step, qr_construction, rank_bound, rank_of_product, rotated_step, search_space, velocity,
    weyl,
};
use rayon::prelude::*;
use serde::Serialize;
use std::fmt;

/// One file of this layer: what it states in its own words, and the rows of the ledger that check it.
#[derive(Debug, Clone, Copy)]
pub struct Theorem {
    /// The file's text; its `//!` comment is the statement.
    pub source: &'static str,
    /// What is checked.
    pub rows: &'static [Row],
}

/// One claim and how it is checked.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Such as `E1` or `T2.1-f32`.
    pub id: &'static str,
    /// The claim with its hypotheses, in a line.
    pub claim: &'static str,
    /// Exact or floating.
    pub arithmetic: Arithmetic,
    /// What `ratio` means and where its bound comes from, in a few words.
    pub unit: &'static str,
    /// Whether the claim is a theorem as written.
    pub expected: Expected,
    /// Looks at the special cases, if any, and at random ones.
    pub run: fn(Budget) -> Found,
}

/// What the cases are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Rationals: every case is decided, nothing rounds.
    Exact,
    /// f32 or f64, against a derived bound.
    Floating,
}

/// Whether a claim is a theorem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It holds in every case.
    Holds,
    /// As written it does not; the search must find a case.
    Fails,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Held exactly in every case, without a tolerance.
    Proved,
    /// Held within its bound in every case.
    Bounded,
    /// A case was found in which it does not hold.
    Refuted,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Proved => "proved",
            Status::Bounded => "bounded",
            Status::Refuted => "refuted",
        })
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The row's id.
    pub id: &'static str,
    /// What became of it.
    pub status: Status,
    /// Cases looked at.
    pub cases: u64,
    /// The worst ratio seen; null where the two sides could not be compared at all.
    pub worst_ratio: Option<f64>,
    /// The greatest ratio with which the claim holds.
    pub bound: f64,
    /// The case nearest to its bound, or the smallest found in which the claim fails.
    pub witness: String,
}

/// Every statement, in the order of theory and paper.
pub const THEOREMS: &[Theorem] = &[
    qr_construction::THEOREM,
    search_space::THEOREM,
    rank_bound::THEOREM,
    rank_of_product::THEOREM,
    closest_product::THEOREM,
    one_step::THEOREM,
    cross_category::THEOREM,
    balance_drift::THEOREM,
    rotated_step::THEOREM,
    velocity::THEOREM,
    balanced_velocity::THEOREM,
    end_to_end_rule::THEOREM,
    balanced_factors::THEOREM,
    weyl::THEOREM,
    decomposition::THEOREM,
];

/// The rows named: all for an empty list, else those whose id is, or begins with, one of the names (`T2.2` also means
/// `T2.2-corrected`).
pub fn select(only: &[String]) -> Vec<&'static Row> {
    let meant = |row: &&Row| {
        let is = |name: &String| {
            row.id == name
                || row
                    .id
                    .strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('-'))
        };
        only.is_empty() || only.iter().any(is)
    };
    THEOREMS.iter().flat_map(|theorem| theorem.rows).filter(meant).collect()
}

/// Runs rows side by side, `done` being called after each; the entries come in the order of the rows.
pub fn run(rows: &[&'static Row], budget: Budget, done: impl Fn(&Entry) + Sync) -> Vec<Entry> {
    let entry = |row: &&'static Row| {
        let entry = row.entry(budget);
        done(&entry);
        entry
    };
    rows.par_iter().with_max_len(1).map(entry).collect()
}

impl Row {
    /// Runs the row.
    pub fn entry(&self, budget: Budget) -> Entry {
        let found = (self.run)(budget);
        let status = match (found.holds(), self.arithmetic) {
            (false, _) => Status::Refuted,
            (true, Arithmetic::Exact) => Status::Proved,
            (true, Arithmetic::Floating) => Status::Bounded,
        };
        let (ratio, bound, witness) = match found.worst {
            None => (f64::NAN, 0.0, "no case was looked at".into()),
            Some(worst) => (
                worst.check.ratio,
                worst.check.bound,
                format!("{}; {}", worst.case, worst.check.witness),
            ),
        };
        Entry {
            id: self.id,
            status,
            cases: found.cases,
            worst_ratio: Some(ratio).filter(|ratio| ratio.is_finite()),
            bound,
            witness,
        }
    }

    /// The status this row must have.
    pub fn expected_status(&self) -> Status {
        match (self.expected, self.arithmetic) {
            (Expected::Fails, _) => Status::Refuted,
            (Expected::Holds, Arithmetic::Exact) => Status::Proved,
            (Expected::Holds, Arithmetic::Floating) => Status::Bounded,
        }
    }
}

impl Theorem {
    /// The statement: the `//!` comment that the file opens with.
    pub fn statement(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }
}
