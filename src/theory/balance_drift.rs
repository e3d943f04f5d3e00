//! **E3. Balance drifts in the second order only.** Let `D = W₁ᵀW₁ − W₂W₂ᵀ` say how far the two factors are from balanced. One
//! plain SGD step of both changes it by exactly
//!
//! ```text
//! D⁺ − D = η²·(W₂·GᵀG·W₂ᵀ − W₁ᵀ·GGᵀ·W₁)
//! ```
//!
//! and in a product of N factors, with the gradient `gⱼ = ∂L/∂Wⱼ` of each, for each j < N the gap of two neighbours
//! `Dⱼ = WⱼᵀWⱼ − Wⱼ₊₁Wⱼ₊₁ᵀ` by
//!
//! ```text
//! Dⱼ⁺ − Dⱼ = η²·(gⱼᵀgⱼ − gⱼ₊₁gⱼ₊₁ᵀ)
//! ```
//!
//! Hypotheses: none. The drift has no term in η: under gradient flow D is conserved, so factors that start balanced stay so,
//! and factors that do not (the paper's Gaussian start) never become so.
//!
//! Proof: `Wⱼᵀgⱼ = gⱼ₊₁Wⱼ₊₁ᵀ`, both being `(W₁⋯Wⱼ)ᵀ·G·(Wⱼ₊₁⋯W_N)ᵀ`. So the terms in η of `(Wⱼ − ηgⱼ)ᵀ(Wⱼ − ηgⱼ)` and of
//! `(Wⱼ₊₁ − ηgⱼ₊₁)(Wⱼ₊₁ − ηgⱼ₊₁)ᵀ` are equal and cancel; those in η² stay. For N = 2, `g₁ = G·W₂ᵀ` and `g₂ = W₁ᵀ·G`.
//!
//! Source: the discrete form of Arora et al., ICML 2018, theorem 1's conservation law; Du et al., NeurIPS 2018, theorem 2.1.

use super::check::Check;
use super::exact::strategies;
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Number};
use super::search;
use super::step::Step;

/// E3 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("balance_drift.rs"),
    rows: &[Row {
        id: "E3",
        claim: "D = W₁ᵀW₁ − W₂W₂ᵀ changes by exactly η²(W₂·GᵀG·W₂ᵀ − W₁ᵀ·GGᵀ·W₁), and so for neighbours in depth 3 and 4",
        arithmetic: Arithmetic::Exact,
        unit: "exact: |left − right|",
        expected: Expected::Holds,
        run: |budget| search::random(budget, strategies::steps(2..=4), |step| Ok(check(step))),
    }],
};

/// Dⱼ = WⱼᵀWⱼ − Wⱼ₊₁Wⱼ₊₁ᵀ for every pair of neighbours, in order.
pub fn balance_gaps<T: Number>(factors: &[Matrix<T>]) -> Vec<Matrix<T>> {
    let gap = |pair: &[Matrix<T>]| pair[0].transpose() * &pair[0] - &pair[1] * pair[1].transpose();
    factors.windows(2).map(gap).collect()
}

/// The right side of E3 for every pair of neighbours, in order.
pub fn drift<T: Number>(step: &Step<T>) -> Vec<Matrix<T>> {
    let eta_squared = step.learning_rate.clone() * step.learning_rate.clone();
    let mut drift = balance_gaps(&step.factor_gradients());
    drift.iter_mut().for_each(|gap| *gap *= eta_squared.clone());
    drift
}

/// E3 for every pair of neighbours of one step. A single factor has no neighbour: it says nothing and holds.
pub fn check<T: Number>(step: &Step<T>) -> Check {
    check_against(step, drift)
}

/// E3 with another right side, such as a wrong one.
pub fn check_against<T: Number>(step: &Step<T>, right: impl Fn(&Step<T>) -> Vec<Matrix<T>>) -> Check {
    let (before, after, right) = (balance_gaps(&step.factors), balance_gaps(&step.after()), right(step));
    let absolute = step.magnitudes();
    let magnitudes = sums(&absolute.after()).into_iter().zip(sums(&absolute.factors));
    let mut worst = Check::ratio("no neighbours", 0.0, 0.0);
    for (j, (after_magnitude, before_magnitude)) in magnitudes.enumerate() {
        let check = Check::equal(
            &format!("D{}⁺ − D{0}", j + 1),
            &(&after[j] - &before[j]),
            &right[j],
            &(after_magnitude + before_magnitude),
            terms(step),
        );
        worst = if j == 0 { check } else { worst.worse(check) };
    }
    worst
}

/// WⱼᵀWⱼ + Wⱼ₊₁Wⱼ₊₁ᵀ: [`balance_gaps`] of absolute values, added.
fn sums<T: Number>(factors: &[Matrix<T>]) -> Vec<Matrix<T>> {
    let sum = |pair: &[Matrix<T>]| pair[0].transpose() * &pair[0] + &pair[1] * pair[1].transpose();
    factors.windows(2).map(sum).collect()
}

/// Roundings on the way to one entry, both sides together. A factor's gradient is a chain of N − 1 products whose inner products
/// have lengths n, d and k (N − 3 of these); the step adds two roundings, the Gram matrix takes the error twice and an inner
/// product of at most the widest size on top. Left and right each do that once, and there are four sums and scalings.
fn terms<T: Number>(step: &Step<T>) -> usize {
    let (n, d) = step.gradient.shape();
    let k = step.factors[0].ncols();
    let gradient = n + d + step.depth().saturating_sub(3) * k;
    2 * (2 * (gradient + 2) + n.max(d).max(k) + 4)
}
