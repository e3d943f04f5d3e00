//! **T2.1. A product through k ≥ d reaches every table.** For every W (n×d) and every k ≥ d there are W₁ (n×k) and W₂ (k×d) with
//! W = W₁·W₂. They are made from a QR factorisation of the transpose and `I_dk = [I_d 0]` (d×k):
//!
//! ```text
//! Wᵀ = Q·R,   W₁ = Rᵀ·I_dk,   W₂ = I_dkᵀ·Qᵀ
//! ```
//!
//! Hypotheses: k ≥ d. n may be anything: where n < d, Q is still d×d and R is d×n, upper trapezoidal. (The hypothesis is
//! sufficient, not necessary: see T2.1-sharp.)
//!
//! Proof: `I_dk·I_dkᵀ = I_d`, exactly because k ≥ d; so `W₁·W₂ = Rᵀ·I_dk·I_dkᵀ·Qᵀ = (QR)ᵀ = W`. Every matrix has a QR
//! factorisation.
//!
//! Exactly it is checked with a QR without roots: Q has orthogonal columns that need not be of length 1, so that `QᵀQ` is a
//! positive diagonal D, and R has ones on its diagonal (zeros where a row of W depends on those before). `Q·D^{−½}` and `D^½·R`
//! are the orthonormal factorisation, and the product is the same. In floating point `Wᵀ − QR` and `W − W₁W₂` may be
//! max(n, d)·‖W‖₁·u and `I − QᵀQ` d·u times LAPACK's threshold.
//!
//! Source: Ghaemmaghami et al. 2020, Theorem 2.1; ratios and threshold: LAPACK's DQRT01.

use super::check::Check;
use super::error::{TheoryError, not_empty};
use super::exact::{OrthogonalQr, integer, orthogonal_qr, rectangular_identity, strategies};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Rational};
use super::step::try_product;
use super::{qr_floating, search};
use strategies::Table;

/// T2.1 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("qr_construction.rs"),
    rows: &[
        Row {
            id: "T2.1",
            claim: "for k ≥ d every W is W₁·W₂ with W₁ = Rᵀ·I_dk (n×k), W₂ = I_dkᵀ·Qᵀ (k×d), Wᵀ = QR",
            arithmetic: Arithmetic::Exact,
            unit: "exact: |left − right|",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::tables_with_inner_dim(|_, d| d), check),
        },
        qr_floating::F32,
        qr_floating::F64,
    ],
};

/// The factors of Theorem 2.1 over the rationals: W₁ (n×k), W₂ (k×d).
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`], [`TheoryError::TooNarrow`].
pub fn factorize_exactly(
    w: &Matrix<Rational>,
    inner_dim: usize,
) -> Result<(Matrix<Rational>, Matrix<Rational>), TheoryError> {
    not_empty("W", w)?;
    let d = w.ncols();
    if inner_dim == 0 {
        return Err(TheoryError::NoInnerDim { matrix: "W".into() });
    }
    if inner_dim < d {
        return Err(TheoryError::TooNarrow {
            matrix: "W".into(),
            inner_dim,
            embedding_dim: d,
        });
    }
    let OrthogonalQr { q, r } = orthogonal_qr(&w.transpose());
    let i_dk = rectangular_identity(d, inner_dim);
    Ok((r.transpose() * &i_dk, i_dk.transpose() * q.transpose()))
}

/// Theorem 2.1 on one table and k ≥ d.
///
/// # Errors
/// Those of [`factorize_exactly`].
pub fn check(case: &Table) -> Result<Check, TheoryError> {
    let product = check_against(case, factorize_exactly)?;
    Ok(product.worse(is_qr(&case.w.transpose(), &orthogonal_qr(&case.w.transpose()))))
}

/// W = W₁·W₂ with W₁ n×k and W₂ k×d, for factors made in another way, such as a wrong one.
///
/// # Errors
/// Those of `factorize`; [`TheoryError::Shapes`] where the factors do not fit.
pub fn check_against(
    case: &Table,
    factorize: impl Fn(&Matrix<Rational>, usize) -> Result<(Matrix<Rational>, Matrix<Rational>), TheoryError>,
) -> Result<Check, TheoryError> {
    let ((n, d), k) = (case.w.shape(), case.inner_dim);
    let (w1, w2) = factorize(&case.w, k)?;
    if w1.shape() != (n, k) || w2.shape() != (k, d) {
        let shapes = format!("W₁ is {:?} and W₂ {:?}, not n×k and k×d", w1.shape(), w2.shape());
        return Ok(Check::failed(0.0, shapes));
    }
    Ok(Check::equal("W₁·W₂ = W", &try_product(&[w1, w2])?, &case.w, &case.w, 0))
}

/// Whether A = QR is a factorisation of the kind meant: A reproduced, QᵀQ diagonal and positive, R upper triangular.
fn is_qr(a: &Matrix<Rational>, qr: &OrthogonalQr) -> Check {
    let gram = qr.q.transpose() * &qr.q;
    let diagonal = Matrix::from_diagonal(&gram.diagonal());
    let upper = qr.r.upper_triangle();
    let reproduced = Check::equal("QR = Wᵀ", &(&qr.q * &qr.r), a, a, 0);
    let orthogonal = Check::equal("QᵀQ is diagonal", &gram, &diagonal, &diagonal, 0);
    let triangular = Check::equal("R is upper triangular", &qr.r, &upper, &upper, 0);
    if gram.diagonal().iter().any(|x| *x <= integer(0)) {
        return Check::failed(0.0, "Q has a column of zeros".into());
    }
    reproduced.worse(orthogonal).worse(triangular)
}
