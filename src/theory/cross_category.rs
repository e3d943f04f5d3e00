//! **E2. Learning across categories.** Let row p belong to a category that the batch does not hold, so that G_p = 0. Under one
//! plain SGD step a single layer leaves the row as it was; a product of two moves it by what the other rows learn:
//!
//! ```text
//! one layer:   ΔW_p = 0
//! two layers:  ΔW_p = −η·Σ_q ⟨W₁_p, W₁_q⟩·G_q
//! ```
//!
//! Hypotheses: G_p = 0; W = W₁·W₂ for the second line. Nothing is left out in η: the equality is exact for every rate.
//!
//! Proof: one layer: `ΔW_p = −η·G_p`. Two: row p of W₁ does not move, for its gradient is `G_p·W₂ᵀ = 0`. So the row of the
//! product moves only through the factor that all rows share: `ΔW_p = W₁_p·ΔW₂ = −η·W₁_p·W₁ᵀ·G`, whose q-th term is
//! `⟨W₁_p, W₁_q⟩·G_q`.
//!
//! So a rare category is trained by every batch, along the rows whose inner vectors are not orthogonal to its own.
//!
//! Source: Deng et al., ACML 2023 (cross-category learning).

use super::check::Check;
use super::exact::strategies;
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Number};
use super::search;
use super::step::{Step, product};

/// E2 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("cross_category.rs"),
    rows: &[Row {
        id: "E2",
        claim: "a row with G_p = 0 moves by 0 in a single layer and by −η·Σ_q ⟨W₁_p, W₁_q⟩·G_q in a product of two",
        arithmetic: Arithmetic::Exact,
        unit: "exact: |left − right|",
        expected: Expected::Holds,
        run: |budget| {
            search::random(budget, strategies::steps_with_unseen_rows(1..=2), |step| {
                Ok(check(step))
            })
        },
    }],
};

/// The rows p with G_p = 0, ascending.
pub fn unseen_rows<T: Number>(gradient: &Matrix<T>) -> Vec<usize> {
    let is_zero = |p: &usize| gradient.row(*p).iter().all(T::is_zero);
    (0..gradient.nrows()).filter(is_zero).collect()
}

/// The right side of E2: how the rows named (with G_p = 0) move, a row of the result (|rows|×d) for each.
///
/// For a step of one or two factors.
pub fn unseen_change<T: Number>(step: &Step<T>, rows: &[usize]) -> Matrix<T> {
    if step.depth() == 1 {
        return Matrix::zeros(rows.len(), step.gradient.ncols());
    }
    let w1 = &step.factors[0];
    // The inner products first, as the formula says: another order of sums than the step's own W₁_p·(W₁ᵀ·G).
    let inner_products = w1.select_rows(rows) * w1.transpose();
    inner_products * &step.gradient * -step.learning_rate.clone()
}

/// E2 for every row with G_p = 0 of a step of one or two factors. A step without such a row says nothing and holds.
pub fn check<T: Number>(step: &Step<T>) -> Check {
    check_against(step, unseen_change)
}

/// E2 with another right side, such as a wrong one.
pub fn check_against<T: Number>(step: &Step<T>, right: impl Fn(&Step<T>, &[usize]) -> Matrix<T>) -> Check {
    if step.depth() > 2 {
        return Check::failed(0.0, format!("E2 is about one or two factors, not {}", step.depth()));
    }
    let rows = unseen_rows(&step.gradient);
    let absolute = step.magnitudes();
    let magnitude = unseen(&absolute.after(), &rows) + unseen(&absolute.factors, &rows);
    let left = unseen(&step.after(), &rows) - unseen(&step.factors, &rows);
    let name = format!("ΔW of the rows {rows:?} (those with G_p = 0)");
    Check::equal(&name, &left, &right(step, &rows), &magnitude, terms(step))
}

/// The rows named of the product of the factors.
fn unseen<T: Number>(factors: &[Matrix<T>], rows: &[usize]) -> Matrix<T> {
    let mut factors = factors.to_vec();
    factors[0] = factors[0].select_rows(rows);
    product(&factors)
}

/// Roundings on the way to one entry, both sides together. Left: an inner product of length n in W₁ᵀG, the scaling and the
/// difference in W₂⁺, an inner product of length k, and the difference of two tables. Right: inner products of lengths k and n,
/// and the scaling.
fn terms<T: Number>(step: &Step<T>) -> usize {
    let n = step.gradient.nrows();
    let k = step.factors[0].ncols();
    2 * (n + k + 4)
}
