//! **E7. The end-to-end rule.** Let W = W₁⋯W_N with balanced factors, `WⱼᵀWⱼ = Wⱼ₊₁Wⱼ₊₁ᵀ` for all j < N. Under gradient flow with
//! ∂L/∂W = G the product moves as if the factors were not there,
//!
//! ```text
//! Ẇ = −Σ_{j=1..N} [W·Wᵀ]^{(j−1)/N} · G · [Wᵀ·W]^{(N−j)/N}
//! ```
//!
//! where a power 0 is the identity.
//!
//! Hypotheses: balanced factors. (E3: gradient flow keeps them so.)
//!
//! Proof: with Aⱼ = W₁⋯Wⱼ₋₁ and Bⱼ = Wⱼ₊₁⋯W_N, `Ẇ = −Σⱼ AⱼAⱼᵀ·G·BⱼᵀBⱼ` by the product rule. For balanced factors
//! `Wⱼ = Cⱼ₋₁·Σ^{1/N}·Cⱼᵀ` with orthonormal columns, C₀ = U and C_N = V, so `AⱼAⱼᵀ = U·Σ^{2(j−1)/N}·Uᵀ = [WWᵀ]^{(j−1)/N}`, and
//! the like on the right.
//!
//! Source: Arora et al., ICML 2018, theorem 1.

use super::check::Check;
use super::exact::{rectangular_diagonal, strategies};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Number, Rational};
use super::step::{Step, product};
use super::{flow_floating, search};
use num_traits::pow;
use strategies::Product;

/// E7 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("end_to_end_rule.rs"),
    rows: &[
        Row {
            id: "E7",
            claim: "Ẇ = −Σⱼ [WWᵀ]^{(j−1)/N}·G·[WᵀW]^{(N−j)/N} for balanced factors of depth 2, 3 and 4",
            arithmetic: Arithmetic::Exact,
            unit: "exact: |left − right|",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::balanced_products(2..=4), |case| Ok(check(case))),
        },
        flow_floating::E7,
    ],
};

/// Ẇ = −Σⱼ AⱼAⱼᵀ·G·BⱼᵀBⱼ (n×d), for any factors: every factor moves by minus its own gradient.
pub fn velocity<T: Number>(step: &Step<T>) -> Matrix<T> {
    let mut sum = Matrix::zeros(step.gradient.nrows(), step.gradient.ncols());
    for (j, gradient) in step.factor_gradients().into_iter().enumerate() {
        let mut factors = step.factors.clone();
        factors[j] = gradient;
        sum -= product(&factors);
    }
    sum
}

/// The right side of E7. The powers are those of the singular values that the case was made from:
/// `[WWᵀ]^{m/N} = U·diag(s^{2m})·Uᵀ`, s being σ^{1/N}, and the identity for m = 0.
pub fn rule(case: &Product) -> Matrix<Rational> {
    let depth = case.factors.len();
    let mut sum = case.gradient.map(|x| x * Rational::from_integer(0.into()));
    for j in 1..=depth {
        let left = gram_power(&case.u, &case.scales[0], j - 1, &case.gradient);
        sum -= gram_power(&case.v, &case.scales[0], depth - j, &left.transpose()).transpose();
    }
    sum
}

/// `U·diag(s^{2m})·Uᵀ·X`, X itself for m = 0.
fn gram_power(u: &Matrix<Rational>, roots: &[Rational], m: usize, x: &Matrix<Rational>) -> Matrix<Rational> {
    if m == 0 {
        return x.clone();
    }
    let powers: Vec<Rational> = roots.iter().map(|s| pow(s.clone(), 2 * m)).collect();
    u * (rectangular_diagonal(roots.len(), roots.len(), &powers) * (u.transpose() * x))
}

/// E7 on one balanced product.
pub fn check(case: &Product) -> Check {
    check_against(case, rule)
}

/// The velocity against another right side, such as a wrong one.
pub fn check_against(case: &Product, right: impl Fn(&Product) -> Matrix<Rational>) -> Check {
    let left = velocity(&case.step());
    Check::equal("Ẇ", &left, &right(case), &left, 0)
}
