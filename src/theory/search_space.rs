//! **T2.1-sharp. When two layers reach what one does.** Let `P_k` be the set of all products W₁·W₂ with W₁ n×k and W₂ k×d. It is
//! the set of all n×d tables exactly when k is no smaller than the smaller side:
//!
//! ```text
//! P_k = R^{n×d}   ⟺   k ≥ min(n, d),         and for each W:   W ∈ P_k   ⟺   rank W ≤ k
//! ```
//!
//! Hypotheses: none (n, d, k ≥ 1).
//!
//! Proof: W ∈ P_k gives rank W ≤ k (T2.2-proof). If rank W = r ≤ k, take as C (n×r) the pivot columns of W and as F (r×d) the
//! rows of its reduced row echelon form: W = C·F, and k − r zero columns and rows make the widths fit. Since
//! rank W ≤ min(n, d), with k ≥ min(n, d) every table is reached; and `[I 0]` (n×d) has rank min(n, d), so with a smaller k it is
//! not. Real tables have 3 or 4 rows: there k = n does what Theorem 2.1 asks k = d for.
//!
//! Source: the rank factorisation (folklore); sharpens Ghaemmaghami et al. 2020, Theorems 2.1 and 2.2.

use super::check::Check;
use super::error::TheoryError;
use super::exact::{factorise_through, rank, rectangular_identity, strategies};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Rational};
use super::search;
use strategies::Table;

/// T2.1-sharp in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("search_space.rs"),
    rows: &[Row {
        id: "T2.1-sharp",
        claim: "every n×d table is a product of inner width k if and only if k ≥ min(n, d); a table W is one iff rank W ≤ k",
        arithmetic: Arithmetic::Exact,
        unit: "exact: 1 where one side of an equivalence is true and the other false",
        expected: Expected::Holds,
        run: |budget| search::random(budget, strategies::tables_with_inner_dim(|_, _| 1), check),
    }],
};

/// Whether W is a product of inner width k: the factors are made, multiplied and compared.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
pub fn is_reached(w: &Matrix<Rational>, inner_dim: usize) -> Result<bool, TheoryError> {
    let factors = factorise_through(w, inner_dim)?;
    Ok(factors.is_some_and(|(w1, w2)| w1.ncols() == inner_dim && w1 * w2 == *w))
}

/// The hypothesis of the theorem: k ≥ min(n, d).
pub fn spaces_are_equal(n: usize, d: usize, inner_dim: usize) -> bool {
    inner_dim >= n.min(d)
}

/// T2.1-sharp for the case's shape, and for its table.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
pub fn check(case: &Table) -> Result<Check, TheoryError> {
    check_against(case, spaces_are_equal)
}

/// T2.1-sharp with another hypothesis (of n, d and k), such as a wrong one.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
pub fn check_against(case: &Table, equal: impl Fn(usize, usize, usize) -> bool) -> Result<Check, TheoryError> {
    let ((n, d), k) = (case.w.shape(), case.inner_dim);
    // The rank of the transpose: not the elimination that made the factors.
    let table = equivalence("W is reached", is_reached(&case.w, k)?, rank(&case.w.transpose()) <= k);
    let richest = is_reached(&rectangular_identity(n, d), k)?;
    let space = equivalence("[I 0] (n×d) is reached", richest, equal(n, d, k));
    // The hypothesis is enough for this table too, whatever it is.
    let enough = equal(n, d, k) && !is_reached(&case.w, k)?;
    let implied = equivalence("a table is missed that the hypothesis promises", enough, false);
    Ok(space.worse(table).worse(implied))
}

fn equivalence(name: &str, left: bool, right: bool) -> Check {
    let number = |b: bool| if b { 1.0 } else { 0.0 };
    Check {
        left: number(left),
        right: number(right),
        ratio: number(left != right),
        bound: 0.0,
        witness: format!("{name}: {left}; by the theorem: {right}"),
    }
}
