//! **E10. How far singular values can move.** For W and E of one shape, with the singular values σᵢ of W and σ̂ᵢ of W + E in
//! descending order,
//!
//! ```text
//! |σ̂ᵢ − σᵢ| ≤ ‖E‖₂      for every i
//! ```
//!
//! Hypotheses: none. So the backward error of a computed decomposition is a radius around every computed σ̂ᵢ, and the number of
//! σᵢ above τ·σ₁ is certain wherever no interval reaches across the threshold.
//!
//! Proof: `σᵢ(W + E)` is the least ‖W + E‖₂ on a subspace of codimension i − 1, and on each `‖(W + E)x‖ ≤ ‖Wx‖ + ‖E‖₂`; so
//! `σ̂ᵢ ≤ σᵢ + ‖E‖₂`. The same with W = (W + E) − E. It is attained by E = e·u₁v₁ᵀ.
//!
//! Exactly it is checked for W = UΣVᵀ and E = U'Σ'V'ᵀ, all rational, so that σᵢ and ‖E‖₂ are known; the σ̂ᵢ are not rational,
//! but how many of them lie above a rational number is the inertia of a shifted Gram matrix.
//!
//! Source: Weyl, Math. Ann. 1912; Mirsky, Quart. J. Math. 1960; Stewart & Sun, *Matrix Perturbation Theory*, 1990, section IV.4.

use super::check::Check;
use super::exact::{count_above, count_at_least, integer, strategies};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::Rational;
use super::{search, weyl_floating};
use num_traits::ToPrimitive;
use strategies::Perturbed;

/// E10 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("weyl.rs"),
    rows: &[
        Row {
            id: "E10",
            claim: "|σᵢ(W + E) − σᵢ(W)| ≤ ‖E‖₂ for every i, counted exactly by inertia",
            arithmetic: Arithmetic::Exact,
            unit: "exact, decided by counts: |σ̂ᵢ − σᵢ|/‖E‖₂; 1 is equality",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::perturbed(), |case| Ok(check(case))),
        },
        weyl_floating::F32,
        weyl_floating::F64,
    ],
};

/// E10 for every singular value of the case.
pub fn check(case: &Perturbed) -> Check {
    check_against(case, case.radius())
}

/// E10 with another radius than ‖E‖₂, such as a wrong one.
pub fn check_against(case: &Perturbed, radius: Rational) -> Check {
    let mut worst = Check::ratio("no singular value moves", 0.0, 1.0);
    let moved = case.moved();
    let computed = moved
        .map(|x| x.to_f64().unwrap_or(f64::NAN))
        .svd(false, false)
        .singular_values;
    let mut computed: Vec<f64> = computed.iter().copied().collect();
    computed.sort_by(|a, b| b.total_cmp(a));
    for (i, sigma) in case.planted.sigma.iter().enumerate() {
        let (upper, lower) = (sigma + &radius, sigma - &radius);
        // σ̂ᵢ ≤ upper: at most i (from 0) of them are above. σ̂ᵢ ≥ lower: more than i are not below.
        let below = count_above(&moved, &(&upper * &upper)) <= i;
        let above = lower <= integer(0) || count_at_least(&moved, &(&lower * &lower)) > i;
        // Attained: at most i are at or above `upper` were it not equal, and at least i + 1 above `lower`.
        let at_upper = below && count_at_least(&moved, &(&upper * &upper)) > i;
        let at_lower = above && lower >= integer(0) && count_above(&moved, &(&lower * &lower)) <= i;
        let check = ratio(i, sigma, computed[i], &radius, below && above, at_upper || at_lower);
        worst = worst.worse(check);
    }
    worst
}

fn ratio(i: usize, sigma: &Rational, computed: f64, radius: &Rational, holds: bool, attained: bool) -> Check {
    let nearest = |x: &Rational| x.to_f64().unwrap_or(f64::NAN);
    let apart = (computed - nearest(sigma)).abs();
    let quotient = if nearest(radius) == 0.0 {
        0.0
    } else {
        apart / nearest(radius)
    };
    let ratio = match (holds, attained) {
        (true, true) if *radius != integer(0) => 1.0,
        (true, _) => quotient.min(1.0),
        (false, _) => quotient.max(1.0 + f64::EPSILON),
    };
    Check {
        left: apart,
        right: nearest(radius),
        ratio,
        bound: 1.0,
        witness: format!("|σ̂_{} − {sigma}| = {apart:.6} ≤ {radius}", i + 1),
    }
}
