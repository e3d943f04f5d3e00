//! **T2.2-quantified. How far a narrow product must stay.** For every W (n×d) with singular values σ₁ ≥ σ₂ ≥ … (0 past the
//! min(n, d)-th), and all W₁ (n×k) and W₂ (k×d),
//!
//! ```text
//! ‖W − W₁W₂‖₂ ≥ σ_{k+1}(W),      ‖W − W₁W₂‖_F ≥ (Σ_{i>k} σᵢ(W)²)^½
//! ```
//!
//! with equality in both at the truncated singular value decomposition, W₁ = U_k·Σ_k and W₂ = V_kᵀ.
//!
//! Hypotheses: none (k ≥ 1). So the corrected Theorem 2.2 has a size: what a table loses by the width k is the tail of its
//! spectrum, and where k ≥ min(n, d) nothing.
//!
//! Proof: let P = W₁W₂. Its rank is at most k, so the kernel of P meets the span of v₁ … v_{k+1} in some x of length 1, and
//! `‖W − P‖₂ ≥ ‖Wx‖ ≥ σ_{k+1}`. For the other norm, Weyl's `σ_{i+k}(W) ≤ σᵢ(W − P) + σ_{k+1}(P) = σᵢ(W − P)`, squared and
//! summed over i. At the truncated decomposition `W − P = Σ_{i>k} σᵢuᵢvᵢᵀ`.
//!
//! Exactly it is checked on rational U, Σ, V: the squared Frobenius norm is a rational number, and `‖E‖₂ ≥ s` is decided by the
//! inertia of `s²I − EᵀE`, which is positive definite exactly when it is false.
//!
//! Source: Eckart & Young, Psychometrika 1936; Mirsky, Quart. J. Math. 1960; floating threshold: LAPACK's DDRVBD.

use super::check::Check;
use super::exact::{count_above, count_at_least, integer, strategies, sum_of_squares};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Rational};
use super::{closest_floating, search};
use num_traits::{ToPrimitive, Zero};
use strategies::Approximation;

/// T2.2-quantified in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("closest_product.rs"),
    rows: &[
        Row {
            id: "T2.2-quantified",
            claim: "‖W − W₁W₂‖₂ ≥ σ_{k+1} and ‖W − W₁W₂‖_F² ≥ Σ_{i>k}σᵢ², with equality at the truncated SVD",
            arithmetic: Arithmetic::Exact,
            unit: "exact: right side over left side; 1 is equality",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::approximations(), |case| Ok(check(case))),
        },
        closest_floating::F32,
        closest_floating::F64,
    ],
};

/// Both inequalities for the case's product, and both equalities for the truncated decomposition of its width.
pub fn check(case: &Approximation) -> Check {
    let (w1, w2) = case.planted.truncated(case.inner_dim);
    let residual = &case.planted.w - w1 * w2;
    let tail = tail(case);
    let frobenius = Check::equal("‖W − U_kΣ_kV_kᵀ‖_F²", &single(&residual), &one(&tail), &one(&tail), 0);
    let next = next(case);
    let reached = count_at_least(&residual, &squared(&next)) > 0 || next.is_zero();
    let spectral = match reached && !exceeds(&residual, &next) {
        true => Check::ratio("‖W − U_kΣ_kV_kᵀ‖₂ = σ_{k+1}", 0.0, 0.0),
        false => Check::failed(0.0, "‖W − U_kΣ_kV_kᵀ‖₂ is not σ_{k+1}".into()),
    };
    check_against(case, next, tail).worse(frobenius).worse(spectral)
}

/// Both inequalities with other right sides, such as wrong ones: `next` for σ_{k+1}, `tail` for Σ_{i>k} σᵢ².
pub fn check_against(case: &Approximation, next: Rational, tail: Rational) -> Check {
    let residual = &case.planted.w - &case.w1 * &case.w2;
    let frobenius = sum_of_squares(&residual);
    let frobenius = Check::at_least("‖W − W₁W₂‖_F² ≥ Σ_{i>k}σᵢ²", &frobenius, &tail, 0.0);
    frobenius.worse(spectral(&residual, &next))
}

/// σ_{k+1} of the planted table.
pub fn next(case: &Approximation) -> Rational {
    let sigma = &case.planted.sigma;
    sigma.get(case.inner_dim).cloned().unwrap_or_else(|| integer(0))
}

/// Σ_{i>k} σᵢ² of the planted table.
pub fn tail(case: &Approximation) -> Rational {
    let sigma = case.planted.sigma.iter().skip(case.inner_dim);
    sigma.fold(integer(0), |sum, s| sum + s * s)
}

/// `‖E‖₂ ≥ s`, decided by inertia; the quotient is for the reader.
fn spectral(residual: &Matrix<Rational>, s: &Rational) -> Check {
    let holds = s.is_zero() || count_at_least(residual, &squared(s)) > 0;
    let equal = holds && !exceeds(residual, s);
    let nearest = |x: &Rational| x.to_f64().unwrap_or(f64::NAN);
    let norm = residual.map(|x| nearest(&x)).singular_values().max();
    let quotient = match (holds, equal) {
        (true, false) => (nearest(s) / norm).min(1.0),
        (true, true) if s.is_zero() => 0.0,
        (true, true) => 1.0,
        (false, _) => (nearest(s) / norm).max(1.0 + f64::EPSILON),
    };
    Check {
        left: norm,
        right: nearest(s),
        ratio: quotient,
        bound: 1.0,
        witness: format!("‖W − W₁W₂‖₂ ≥ σ_{{k+1}}: {norm:.6} ≥ {s}"),
    }
}

/// Whether ‖E‖₂ > s.
fn exceeds(residual: &Matrix<Rational>, s: &Rational) -> bool {
    count_above(residual, &squared(s)) > 0
}

fn squared(x: &Rational) -> Rational {
    x * x
}

fn one(x: &Rational) -> Matrix<Rational> {
    Matrix::from_element(1, 1, x.clone())
}

fn single(residual: &Matrix<Rational>) -> Matrix<Rational> {
    one(&sum_of_squares(residual))
}
