//! **SVD. What the rest is computed with.** Every A (m×n) has a decomposition
//!
//! ```text
//! A = U·Σ·Vᵀ,  UᵀU = I,  VᵀV = I,  Σ = diag(σ₁ ≥ σ₂ ≥ … ≥ σ_r ≥ 0),  r = min(m, n)
//! ```
//!
//! and the one that this project computes, in f32 and in f64, is one to rounding: with u the unit roundoff,
//!
//! ```text
//! ‖A − UΣVᵀ‖₁ ≤ 50·max(m, n)·u·‖A‖₁,  ‖I − UᵀU‖₁ ≤ 50·m·u,  ‖I − VᵀV‖₁ ≤ 50·n·u
//! ```
//!
//! its singular values are descending and not negative, and those computed without vectors are the same to 50·r·u·σ₁.
//!
//! Hypotheses: A is finite and not empty, and σ₁ is a number of its type.
//!
//! Proof: of the existence, any textbook. That a computed one is right is no theorem: it is measured, on every matrix looked at.
//!
//! Source: LAPACK's DDRVBD, whose matrix types, ratios and threshold these are; it divides by 2u, so that the bounds here are
//! twice as strict.

use super::check::Check;
use super::error::{TheoryError, finite};
use super::floating::{Floating, matrix, named, view};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::matrices::{self, Case};
use super::number::Matrix;
use super::residuals::{self, SVD_THRESHOLD};
use super::search::{self, Budget, Found};
use crate::spectrum::decompose::{self, Svd};

/// The decomposition in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("decomposition.rs"),
    rows: &[F32, F64],
};

const F32: Row = Row {
    id: "SVD-f32",
    claim: "A = UΣVᵀ with orthonormal U and V and σ descending from above zero, to rounding in f32; the same σ without vectors",
    arithmetic: Arithmetic::Floating,
    unit: "LAPACK's DDRVBD, its largest ratio",
    expected: Expected::Holds,
    run: run::<f32>,
};

const F64: Row = Row {
    id: "SVD-f64",
    claim: "A = UΣVᵀ with orthonormal U and V and σ descending from above zero, to rounding in f64; the same σ without vectors",
    run: run::<f64>,
    ..F32
};

fn run<T: Floating>(budget: Budget) -> Found {
    let check = |case: &Case| check::<T>(&case.matrix());
    search::each(matrices::special(|_, d| vec![d]), check).and(search::random(budget, matrices::random(), check))
}

/// The decomposition of `a` as the project computes it, checked.
///
/// # Errors
/// [`TheoryError`]: `a` empty or not finite, σ₁ above the range.
pub fn check<T: Floating>(a: &Matrix<T>) -> Result<Check, TheoryError> {
    finite("A", a)?;
    let svd = decompose::svd(view(a)).map_err(|error| named("A", a, &error))?;
    let alone = decompose::singular_values(view(a)).map_err(|error| named("A", a, &error))?;
    Ok(check_svd(a, &svd, &alone))
}

/// Any decomposition of `a`, and singular values computed without vectors.
pub fn check_svd<T: Floating>(a: &Matrix<T>, svd: &Svd<T>, alone: &[T]) -> Check {
    let zero = T::round_from(0.0);
    let ordered = |sigma: &[T]| sigma.windows(2).all(|pair| pair[0] >= pair[1]) && sigma.iter().all(|&x| x >= zero);
    if !ordered(&svd.sigma) || !ordered(alone) {
        return Check::failed(SVD_THRESHOLD, "σ is not descending from above zero".into());
    }
    let (u, v) = (matrix(&svd.u), matrix(&svd.v));
    let ratios = [
        ("‖A − UΣVᵀ‖₁/(max(m, n)·u·‖A‖₁)", residuals::svd(a, svd)),
        ("‖I − UᵀU‖₁/(m·u)", residuals::orthogonality(&u)),
        ("‖I − VᵀV‖₁/(n·u)", residuals::orthogonality(&v)),
        (
            "σ with and without vectors/(r·u·σ₁)",
            residuals::values(&svd.sigma, alone),
        ),
    ];
    let checks = ratios.map(|(name, ratio)| Check::ratio(name, ratio, SVD_THRESHOLD));
    let none = Check::ratio("no ratio", 0.0, SVD_THRESHOLD);
    checks.into_iter().fold(none, Check::worse)
}
