//! **E1. One step, end to end.** Let W = W₁·W₂ (W₁ n×k, W₂ k×d) and let both factors take one plain SGD step with the same
//! learning rate η on a loss whose gradient with respect to W is G. Then, without a remainder,
//!
//! ```text
//! W⁺ = W − η·(G·W₂ᵀW₂ + W₁W₁ᵀ·G) + η²·G·Wᵀ·G
//! ```
//!
//! Hypotheses: none (any shapes, any factors, any G, any η). So a table trained as a product does not take the step −η·G of a
//! single layer: the gradient is multiplied on both sides by what the factors have become.
//!
//! Proof: `W₁⁺W₂⁺ = (W₁ − ηGW₂ᵀ)(W₂ − ηW₁ᵀG)`, multiplied out.
//!
//! Source: the update behind Ghaemmaghami et al. 2020, equation 6; Arora et al., ICML 2018, equation 8, is its first order.

use super::check::Check;
use super::exact::strategies;
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Number};
use super::search;
use super::step::{Step, product};

/// E1 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("one_step.rs"),
    rows: &[Row {
        id: "E1",
        claim: "W⁺ = W − η(G·W₂ᵀW₂ + W₁W₁ᵀ·G) + η²·G·Wᵀ·G for one plain SGD step of both factors",
        arithmetic: Arithmetic::Exact,
        unit: "exact: |left − right|",
        expected: Expected::Holds,
        run: |budget| search::random(budget, strategies::steps(2..=2), |step| Ok(check(step))),
    }],
};

/// The right side of E1: W (n×d) after the step.
pub fn end_to_end_after<T: Number>(step: &Step<T>) -> Matrix<T> {
    let (w1, w2, g) = (&step.factors[0], &step.factors[1], &step.gradient);
    let eta = &step.learning_rate;
    let first = g * w2.transpose() * w2 + w1 * (w1.transpose() * g);
    let second = (g * w2.transpose()) * (w1.transpose() * g);
    step.end_to_end() - first * eta.clone() + second * (eta.clone() * eta.clone())
}

/// E1 on one step of a product of two factors.
pub fn check<T: Number>(step: &Step<T>) -> Check {
    check_against(step, end_to_end_after)
}

/// E1 with another right side, such as a wrong one.
pub fn check_against<T: Number>(step: &Step<T>, right: impl Fn(&Step<T>) -> Matrix<T>) -> Check {
    let magnitude = end_to_end_after(&step.magnitudes());
    Check::equal("W⁺", &product(&step.after()), &right(step), &magnitude, terms(step))
}

/// Roundings on the way to one entry, both sides together. The longest chain of products of each side is an inner product of
/// length n, then one of length k, d or n; two scalings by η and three sums come on top.
fn terms<T: Number>(step: &Step<T>) -> usize {
    let (n, d) = step.gradient.shape();
    let k = step.factors[1].nrows();
    2 * (n + k + d + 8)
}
