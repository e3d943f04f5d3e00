//! **T2.2-proof. The rank of a product.** The paper's proof of Theorem 2.2 takes the rank of W₁·W₂ (inner width k) to be k. It is
//! at most k:
//!
//! ```text
//! rank(W₁·W₂) ≤ min(rank W₁, rank W₂) ≤ k,      and   rank(W₁·W₂) = k   ⟺   rank W₁ = rank W₂ = k
//! ```
//!
//! Hypotheses: none. The second line is the case of equality throughout.
//!
//! Proof: columns of W₁W₂ are combinations of columns of W₁, its rows of rows of W₂; W₁ has k columns and W₂ k rows. If both
//! ranks are k, W₂ maps onto all of R^k and W₁ is one to one on it, so nothing is lost. The smallest case in which the rank is
//! not k is 0·0 with n = k = d = 1; with k > min(n, d) it never is.
//!
//! Source: Ghaemmaghami et al. 2020, proof of Theorem 2.2; the bound is in every text on linear algebra.

use super::check::Check;
use super::exact::{integer, rank, strategies};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::search;
use strategies::Factors;

/// T2.2-proof in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("rank_of_product.rs"),
    rows: &[
        Row {
            id: "T2.2-proof",
            claim: "rank(W₁·W₂) = k (as the paper's proof writes it)",
            arithmetic: Arithmetic::Exact,
            unit: "exact: |rank(W₁W₂) − k|",
            expected: Expected::Fails,
            run: |budget| search::random(budget, strategies::factors(), |case| Ok(check_as_written(case))),
        },
        Row {
            id: "T2.2-proof-corrected",
            claim: "rank(W₁·W₂) ≤ min(rank W₁, rank W₂) ≤ k, and it is k exactly when both ranks are",
            arithmetic: Arithmetic::Exact,
            unit: "exact: smaller rank over greater one; 1 is equality",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::factors(), |case| Ok(check(case))),
        },
    ],
};

/// The three ranks a product has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// rank(W₁·W₂).
    pub product: usize,
    /// rank W₁.
    pub first: usize,
    /// rank W₂.
    pub second: usize,
    /// k.
    pub inner_dim: usize,
}

/// The ranks of two factors that fit.
pub fn ranks(case: &Factors) -> Ranks {
    Ranks {
        product: rank(&(&case.w1 * &case.w2)),
        first: rank(&case.w1),
        second: rank(&case.w2),
        inner_dim: case.w1.ncols(),
    }
}

/// The paper's `rank(W₁·W₂) = k`.
pub fn check_as_written(case: &Factors) -> Check {
    let ranks = ranks(case);
    Check {
        left: ranks.product as f64,
        right: ranks.inner_dim as f64,
        ratio: ranks.product.abs_diff(ranks.inner_dim) as f64,
        bound: 0.0,
        witness: format!(
            "rank(W₁W₂) = {}, k = {}; true is rank(W₁W₂) ≤ min(rank W₁, rank W₂) ≤ k",
            ranks.product, ranks.inner_dim
        ),
    }
}

/// `rank(W₁·W₂) ≤ min(rank W₁, rank W₂) ≤ k`, with its case of equality.
pub fn check(case: &Factors) -> Check {
    check_against(case, |ranks| ranks.first.min(ranks.second))
}

/// The same with another bound in the middle, such as a wrong one.
pub fn check_against(case: &Factors, middle: impl Fn(Ranks) -> usize) -> Check {
    let ranks = ranks(case);
    let Ranks {
        product,
        first,
        second,
        inner_dim,
    } = ranks;
    let full = first == inner_dim && second == inner_dim;
    if full != (product == inner_dim) {
        return Check::failed(
            1.0,
            format!("rank(W₁W₂) = k and both ranks = k are not the same: {ranks:?}"),
        );
    }
    let middle = middle(ranks);
    let lower = Check::at_least(
        "min(rank W₁, rank W₂) ≥ rank(W₁W₂)",
        &integer(middle),
        &integer(product),
        0.0,
    );
    lower.worse(Check::at_least(
        "k ≥ min(rank W₁, rank W₂)",
        &integer(inner_dim),
        &integer(middle),
        0.0,
    ))
}
