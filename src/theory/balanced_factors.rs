//! **E8. Balanced factors of any table.** For W = UΣVᵀ (n×d) of rank at most k and any depth N there are factors that are
//! balanced, `WⱼᵀWⱼ = Wⱼ₊₁Wⱼ₊₁ᵀ` for all j < N, and whose product is W. With r = min(n, k, d), matrices A₁ … A_{N−1} (k×r) with
//! orthonormal columns, A₀ = U and A_N = V (their first r columns):
//!
//! ```text
//! Wⱼ = Aⱼ₋₁·Σ^{1/N}·Aⱼᵀ           N = 2:  W₁ = U·Σ^½·Aᵀ,  W₂ = A·Σ^½·Vᵀ
//! ```
//!
//! Hypotheses: rank W ≤ k, which every W has for k ≥ min(n, d); `AⱼᵀAⱼ = I`.
//!
//! Proof: neighbouring A's meet as `AⱼᵀAⱼ = I`, so the product is `UΣVᵀ`, and `WⱼᵀWⱼ = Aⱼ·Σ^{2/N}·Aⱼᵀ = Wⱼ₊₁Wⱼ₊₁ᵀ`.
//!
//! Source: Arora et al., ICLR 2019, procedure 1 (balanced initialisation).

use super::balance_drift::balance_gaps;
use super::check::Check;
use super::exact::{rectangular_diagonal, strategies};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Rational};
use super::step::try_product;
use super::{balanced_floating, search};
use num_traits::pow;
use strategies::Product;

/// E8 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("balanced_factors.rs"),
    rows: &[
        Row {
            id: "E8",
            claim: "Wⱼ = Aⱼ₋₁·Σ^{1/N}·Aⱼᵀ with AⱼᵀAⱼ = I are balanced and have the product W = UΣVᵀ, for depth 2, 3 and 4",
            arithmetic: Arithmetic::Exact,
            unit: "exact: |left − right|",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::balanced_products(2..=4), |case| Ok(check(case))),
        },
        balanced_floating::F32,
        balanced_floating::F64,
    ],
};

/// E8 on the factors that the case was made of (by exactly this construction): their product and their balance.
pub fn check(case: &Product) -> Check {
    check_against(case, |case| case.factors.clone())
}

/// E8 for factors made in another way, such as a wrong one.
pub fn check_against(case: &Product, factors: impl Fn(&Product) -> Vec<Matrix<Rational>>) -> Check {
    let factors = factors(case);
    let depth = case.factors.len();
    let sigma: Vec<Rational> = case.scales[0].iter().map(|root| pow(root.clone(), depth)).collect();
    let w = &case.u * rectangular_diagonal(sigma.len(), sigma.len(), &sigma) * case.v.transpose();
    let mut worst = match try_product(&factors) {
        Ok(product) => Check::equal("W₁⋯W_N = UΣVᵀ", &product, &w, &w, 0),
        Err(error) => return Check::failed(0.0, error.to_string()),
    };
    for (j, gap) in balance_gaps(&factors).iter().enumerate() {
        let zero = gap * Rational::from_integer(0.into());
        worst = worst.worse(Check::equal(&format!("D{} = 0", j + 1), gap, &zero, &zero, 0));
    }
    worst
}
