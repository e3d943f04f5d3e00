//! **E6. The paper's equation 6, and what it needs.** Let W = W₁⋯W_N with *balanced* factors, `WⱼᵀWⱼ = Wⱼ₊₁Wⱼ₊₁ᵀ` for all
//! j < N. Under gradient flow with ∂L/∂W = G, every singular value of W, with singular vectors u_r and v_r, moves by
//!
//! ```text
//! σ̇_r = u_rᵀ·Ẇ·v_r = −N·σ_r^{2−2/N}·⟨G, u_r·v_rᵀ⟩
//! ```
//!
//! Hypotheses: balanced factors; and for σ̇_r to be a derivative σ_r > 0 and simple (the second equality needs neither). The paper
//! states the equation without balance, and its own Gaussian start is not balanced: so written it is false (row Eq6), and E5
//! takes its place.
//!
//! Proof: balanced factors have a common decomposition: `Wⱼ = Aⱼ₋₁·Σ^{1/N}·Aⱼᵀ` with orthonormal columns, A₀ = U and A_N = V. So
//! `W₁⋯Wⱼ₋₁·(W₁⋯Wⱼ₋₁)ᵀ·u_r = σ_r^{2(j−1)/N}·u_r` and the like on the right, and in
//! `Ẇ = −Σⱼ AⱼAⱼᵀ·G·BⱼᵀBⱼ` (E5) every one of the N terms gives `σ_r^{2(N−1)/N}·u_rᵀGv_r`.
//!
//! Why it fails without balance: for N = 2 and 1×1 factors the velocity is `−(w₁² + w₂²)·g`, the equation says `−2·w₁w₂·g`. They
//! agree only for w₁ = w₂: the equation never says more than the truth, and the further apart the factors are, the less it says.
//!
//! Source: Ghaemmaghami et al. 2020, equation 6; Arora et al., NeurIPS 2019, theorem 3.

use super::check::Check;
use super::end_to_end_rule::velocity;
use super::exact::{integer, strategies};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Rational};
use super::{flow_floating, search};
use num_traits::pow;
use strategies::Product;

/// E6 and the paper's equation 6 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("balanced_velocity.rs"),
    rows: &[
        Row {
            id: "Eq6",
            claim: "σ̇_r = −N·σ_r^{2−2/N}·⟨G, u_rv_rᵀ⟩ for any factors (as the paper writes it)",
            arithmetic: Arithmetic::Exact,
            unit: "exact: |left − right|",
            expected: Expected::Fails,
            run: |budget| search::random(budget, strategies::unbalanced_products(2..=2), |case| Ok(check(case))),
        },
        Row {
            id: "E6",
            claim: "σ̇_r = −N·σ_r^{2−2/N}·⟨G, u_rv_rᵀ⟩ for balanced factors of depth 2, 3 and 4",
            arithmetic: Arithmetic::Exact,
            unit: "exact: |left − right|",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::balanced_products(2..=4), |case| Ok(check(case))),
        },
        flow_floating::E6,
        flow_floating::EQ6_AT_THE_START,
    ],
};

/// Equation 6's right side, a 1×r row: `−N·σ_r^{2−2/N}·⟨G, u_rv_rᵀ⟩` for every pair of singular vectors of the case.
///
/// Exact for any two factors (there the power is σ itself), and for deeper products whose factors all have the same singular
/// values, which are then the N-th roots.
pub fn equation_6(case: &Product) -> Matrix<Rational> {
    let depth = case.factors.len();
    let sigma = case.sigma();
    let inner_products = along(case, &case.gradient);
    Matrix::from_fn(1, sigma.len(), |_, r| {
        let power = match depth {
            2 => sigma[r].clone(),
            _ => pow(case.scales[0][r].clone(), 2 * depth - 2),
        };
        -integer(depth) * power * &inner_products[(0, r)]
    })
}

/// Equation 6 on one product: true where it is balanced.
pub fn check(case: &Product) -> Check {
    check_against(case, equation_6)
}

/// The velocity against another right side, such as a wrong one.
pub fn check_against(case: &Product, right: impl Fn(&Product) -> Matrix<Rational>) -> Check {
    let left = along(case, &velocity(&case.step()));
    Check::equal("σ̇ = u_rᵀẆv_r against equation 6", &left, &right(case), &left, 0)
}

/// u_rᵀ·X·v_r for every r, a 1×r row.
pub fn along(case: &Product, x: &Matrix<Rational>) -> Matrix<Rational> {
    let both = case.u.transpose() * x * &case.v;
    both.diagonal()
        .transpose()
        .into_owned()
        .resize_vertically(1, integer(0))
}
