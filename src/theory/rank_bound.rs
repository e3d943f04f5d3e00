//! **T2.2. Whether a narrow product misses tables.** The paper's second theorem says that with k < d two layers reach less than
//! one: there is an n×d table W that is no product W₁·W₂ of inner width k.
//!
//! ```text
//! as written:   k < d          ⇒   some W (n×d) is no W₁·W₂       false where n ≤ k < d
//! corrected:    k < min(n, d)  ⇒   some W (n×d) is no W₁·W₂       and only then
//! ```
//!
//! Hypotheses: as written k < d; the one needed is k < min(n, d).
//!
//! Why it fails as written: for n ≤ k every W (n×d) is `[I_n 0]·[W; 0]`, I_n with k − n zero columns, W with k − n zero rows,
//! whatever d is. The smallest case is n = 1, k = 1, d = 2. Tables of real data have as few as 3, 4 and 10 rows.
//!
//! Proof of the corrected form: `[I 0]` (n×d) has rank min(n, d) > k, and no product of inner width k has (T2.2-proof). For
//! k ≥ min(n, d) there is no such W (T2.1-sharp).
//!
//! How it is decided, shape by shape and without looking at the hypothesis: an n×d table is shown that has no factors, its rank
//! being above k; or the construction is multiplied out for each of the n·d unit matrices, and being linear in W it then holds
//! for every W.
//!
//! Source: Ghaemmaghami et al. 2020, Theorem 2.2.

use super::check::Check;
use super::error::TheoryError;
use super::exact::{integer, rank, rectangular_identity, strategies};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Rational, inline};
use super::search;
use super::search_space::is_reached;
use strategies::Shape;

/// T2.2 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("rank_bound.rs"),
    rows: &[
        AS_WRITTEN,
        Row {
            id: "T2.2-corrected",
            claim: "k < min(n, d) ⇒ some n×d table is no product of inner width k",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::shapes_with_k_below_both(), check),
            ..AS_WRITTEN
        },
    ],
};

const AS_WRITTEN: Row = Row {
    id: "T2.2",
    claim: "k < d ⇒ some n×d table is no product of inner width k (as the paper writes it)",
    arithmetic: Arithmetic::Exact,
    unit: "exact: the share of unit matrices that the construction reaches; 0 where a table is missed",
    expected: Expected::Fails,
    run: |budget| search::random(budget, strategies::shapes_with_k_below_d(), check),
};

/// `[I_n 0]·[W; 0]`: W₁ (n×k) with ones on its diagonal, W₂ (k×d) with the rows of W, as many as there is room for. Their product
/// is W wherever there is room for all.
pub fn construction(w: &Matrix<Rational>, inner_dim: usize) -> (Matrix<Rational>, Matrix<Rational>) {
    let (n, d) = w.shape();
    let w2 = w.clone().resize(inner_dim, d, integer(0));
    (rectangular_identity(n, inner_dim), w2)
}

/// Whether some table of the case's shape is no product of its inner width.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
pub fn check(case: &Shape) -> Result<Check, TheoryError> {
    check_against(case, construction)
}

/// The same with another construction, such as a wrong one.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
pub fn check_against(
    case: &Shape,
    construction: impl Fn(&Matrix<Rational>, usize) -> (Matrix<Rational>, Matrix<Rational>),
) -> Result<Check, TheoryError> {
    let (n, d, k) = (case.num_embeddings, case.embedding_dim, case.inner_dim);
    let richest = rectangular_identity(n, d);
    for w in std::iter::once(&richest).chain(&case.tables) {
        if !is_reached(w, k)? {
            let witness = format!("W = {} is none: its rank is {} > k", inline(w), rank(w));
            return Ok(Check::ratio(&witness, 0.0, 0.0));
        }
    }
    let gives = |w: &Matrix<Rational>| {
        let (w1, w2) = construction(w, k);
        w1.shape() == (n, k) && w2.shape() == (k, d) && w1 * w2 == *w
    };
    let units = (0..n * d).map(|at| Matrix::from_fn(n, d, |i, j| integer(u8::from(at == i + j * n))));
    let given = units.filter(gives).count();
    let all = n * d;
    // Missed by nothing tried, and yet not shown to be always reached: neither proved nor refuted, which must not pass.
    let witness = match given == all && case.tables.iter().all(gives) {
        true => format!(
            "every W is [I_n 0]·[W; 0]: exact for all {all} unit matrices and linear in W; [I 0] and {} random W have factors \
             too. Corrected: k < min(n, d)",
            case.tables.len()
        ),
        false => format!("undecided: the construction gives {given} of the {all} unit matrices"),
    };
    Ok(Check::ratio(&witness, given.max(1) as f64 / all as f64, 0.0))
}
