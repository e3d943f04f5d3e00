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
    unit: "exact: 0 where a table is missed, 1 where none is",
    expected: Expected::Fails,
    run: |budget| search::random(budget, strategies::shapes_with_k_below_d(), check_as_written),
};

/// `[I_n 0]·[W; 0]`: W₁ (n×k) with ones on its diagonal, W₂ (k×d) with the rows of W, as many as there is room for. Their product
/// is W wherever there is room for all.
pub fn construction(w: &Matrix<Rational>, inner_dim: usize) -> (Matrix<Rational>, Matrix<Rational>) {
    let (n, d) = w.shape();
    let w2 = w.clone().resize(inner_dim, d, integer(0));
    (rectangular_identity(n, inner_dim), w2)
}

/// What is known of a shape (n, k, d), and it is known for certain.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// This table (n×d) is no product of inner width k.
    Missed(Matrix<Rational>),
    /// Every n×d table is one: the construction gives each of the unit matrices, and so, being linear in W, every W.
    AllReached,
    /// Neither was shown. It does not happen, and where it did it would speak for no statement.
    Undecided,
}

/// Looks for a table that is no product of the case's inner width: first `[I 0]`, whose rank no other table exceeds, then the
/// case's own. Where none is found, multiplies the construction out.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
pub fn decide(
    case: &Shape,
    construction: impl Fn(&Matrix<Rational>, usize) -> (Matrix<Rational>, Matrix<Rational>),
) -> Result<Decision, TheoryError> {
    let (n, d, k) = (case.num_embeddings, case.embedding_dim, case.inner_dim);
    let richest = rectangular_identity(n, d);
    for w in std::iter::once(&richest).chain(&case.tables) {
        if !is_reached(w, k)? {
            return Ok(Decision::Missed(w.clone()));
        }
    }
    let gives = |w: &Matrix<Rational>| {
        let (w1, w2) = construction(w, k);
        w1.shape() == (n, k) && w2.shape() == (k, d) && w1 * w2 == *w
    };
    let unit = |at: usize| Matrix::from_fn(n, d, |i, j| integer(u8::from(at == i + j * n)));
    match (0..n * d).all(|at| gives(&unit(at))) && case.tables.iter().all(gives) {
        true => Ok(Decision::AllReached),
        false => Ok(Decision::Undecided),
    }
}

/// The claim that some table of the case's shape is missed, as a statement to be refuted: it fails only where every table is
/// shown to be reached.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
pub fn check_as_written(case: &Shape) -> Result<Check, TheoryError> {
    let decision = decide(case, construction)?;
    Ok(said(case, &decision, decision == Decision::AllReached))
}

/// The same claim as a statement to be proved: it holds only where a table is shown to be missed.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
pub fn check(case: &Shape) -> Result<Check, TheoryError> {
    let decision = decide(case, construction)?;
    Ok(said(case, &decision, !matches!(decision, Decision::Missed(_))))
}

fn said(case: &Shape, decision: &Decision, fails: bool) -> Check {
    let witness = match decision {
        Decision::Missed(w) => format!("W = {} is none: its rank is {} > k", inline(w), rank(w)),
        Decision::AllReached => format!(
            "every W is [I_n 0]·[W; 0]: exact for all {} unit matrices and linear in W; [I 0] and {} random W have factors too. \
             True is: k < min(n, d) ⇒ some W is none",
            case.num_embeddings * case.embedding_dim,
            case.tables.len()
        ),
        Decision::Undecided => "undecided".into(),
    };
    Check::ratio(&witness, if fails { 1.0 } else { 0.0 }, 0.0)
}
