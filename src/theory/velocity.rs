//! **E5. How fast a singular value moves.** Let W = W₁·W₂⋯W_N (W₁ n×k, inner factors k×k, W_N k×d; N ≥ 1) and let every factor
//! take one plain SGD step with the same learning rate η on a loss whose gradient with respect to W is G. With
//! Aⱼ = W₁⋯W_{j−1} and Bⱼ = W_{j+1}⋯W_N (A₁ = I_n, B_N = I_d), every singular value σ_r of W that is simple and not zero, with
//! singular vectors u_r and v_r, moves to first order in η with the velocity
//!
//! ```text
//! σ̇_r = −u_rᵀ·( Σⱼ AⱼAⱼᵀ·G·BⱼᵀBⱼ )·v_r            σ_r(W⁺) = σ_r(W) + η·σ̇_r + O(η²)
//! N = 2:  σ̇_r = −u_rᵀ·( G·W₂ᵀW₂ + W₁W₁ᵀ·G )·v_r
//! N = 1:  σ̇_r = −u_rᵀ·G·v_r
//! ```
//!
//! Hypotheses: σ_r > 0, σ_r different from every other singular value; any factors, balanced or not. A multiple singular value
//! has no velocity of its own (its copies part in directions that depend on G), and 0 moves like |η|: both are refused here.
//!
//! Proof: `d/dη W⁺ = −Σⱼ AⱼAⱼᵀ·G·BⱼᵀBⱼ` at η = 0 by the product rule, and a simple σ_r > 0 is differentiable with
//! `dσ_r = u_rᵀ·dW·v_r`.
//!
//! Where the factors are balanced this is the paper's equation 6 (E6), `σ̇_r = −N·σ_r^{2−2/N}·u_rᵀ·G·v_r`, which is computed
//! beside it: for factors that are not balanced the two differ, and only E5 is right.
//!
//! Source: Arora et al., ICML 2018, proof of theorem 1, for dW; Stewart & Sun, *Matrix Perturbation Theory*, 1990, theorem
//! IV.2.3, for dσ; Ghaemmaghami et al. 2020, equation 6, for the balanced form.

mod leading;

use super::check::Check;
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::Matrix;
use super::search;
use super::slopes;
use super::step::{Step, product};
use proptest::collection::vec;
use proptest::strategy::Strategy;

pub use leading::{Gradient, LEAST_GAP, Leading, Rows, Velocity, VelocityError, factors, velocities};
pub(super) use leading::{blocks, read};

/// E5 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("velocity.rs"),
    rows: &[
        Row {
            id: "E5",
            claim: "σ̇_r = −u_rᵀ(G·W₂ᵀW₂ + W₁W₁ᵀ·G)v_r to first order in η, for any two factors and every simple σ_r > 0",
            arithmetic: Arithmetic::Floating,
            unit: UNIT,
            expected: Expected::Holds,
            run: |budget| search::random(budget, steps(2), |step| Ok(check(step))),
        },
        Row {
            id: "E5-N3",
            claim: "σ̇_r = −u_rᵀ(Σⱼ AⱼAⱼᵀ·G·BⱼᵀBⱼ)v_r to first order in η, for any three factors and every simple σ_r > 0",
            arithmetic: Arithmetic::Floating,
            unit: UNIT,
            expected: Expected::Holds,
            run: |budget| search::random(budget, steps(3), |step| Ok(check(step))),
        },
        Row {
            id: "E5-N4",
            claim: "the same for any four factors",
            arithmetic: Arithmetic::Floating,
            unit: UNIT,
            expected: Expected::Holds,
            run: |budget| search::random(budget, steps(4), |step| Ok(check(step))),
        },
    ],
};

const UNIT: &str = "1.9 / observed order in η of ‖σ(W⁺) − σ(W) − η·σ̇‖ over seven step sizes";

/// Sizes n, k, d of the random cases.
const SIZES: std::ops::RangeInclusive<usize> = 1..=6;

/// Only singular values at least this far from the others, as a share of `‖W‖_F + ‖Ẇ‖_F`, are followed: then η³ stays below a
/// hundredth of η² at the largest step size (docs/tolerances.md).
const SEPARATED: f64 = 1.0 / 64.0;

/// What rounding leaves of a residual, in units of 2⁻⁵³ of `‖W₁‖_F⋯‖W_N‖_F` (docs/tolerances.md).
pub const FLOOR: f64 = 256.0;

/// A plain SGD step of `depth` factors with entries in (−1, 1); the learning rate is not used, the order is observed over many.
pub fn steps(depth: usize) -> impl Strategy<Value = Step<f64>> {
    (SIZES, SIZES, SIZES).prop_flat_map(move |(n, k, d)| {
        let width = move |j: usize| match j {
            0 => n,
            j if j == depth => d,
            _ => k,
        };
        let matrix = |rows: usize, cols: usize| {
            vec(-1.0..1.0f64, rows * cols).prop_map(move |entries| Matrix::from_vec(rows, cols, entries))
        };
        let factors: Vec<_> = (0..depth).map(|j| matrix(width(j), width(j + 1)).boxed()).collect();
        (factors, matrix(n, d)).prop_map(|(factors, gradient)| Step {
            factors,
            gradient,
            learning_rate: 1.0,
        })
    })
}

/// E5 on one step: the observed order in η of what it leaves of the change of the singular values. The step's own learning
/// rate is not used.
pub fn check(step: &Step<f64>) -> Check {
    check_against(step, |_, velocity| velocity.general)
}

/// E5 with another velocity, such as a wrong one.
pub fn check_against(step: &Step<f64>, of: impl Fn(&Step<f64>, &Velocity) -> Option<f64>) -> Check {
    let before = factors(&step.factors);
    let (n, d) = step.gradient.shape();
    let found = match velocities(&before, &Gradient::of(&step.gradient), n.min(d)) {
        Ok(found) => found,
        Err(error) => return Check::failed(1.0, error.to_string()),
    };
    let scale: f64 = step.factors.iter().map(|factor| factor.norm()).product();
    let least = SEPARATED * (step.end_to_end().norm() + speed(step));
    let followed: Vec<(usize, f64, f64)> = found
        .iter()
        .enumerate()
        .filter(|(_, velocity)| velocity.gap > least)
        .filter_map(|(r, velocity)| Some((r, velocity.sigma, of(step, velocity)?)))
        .collect();
    let residual = |eta: f64| {
        let moved = Step {
            learning_rate: eta,
            ..step.clone()
        };
        match crate::spectrum::singular_values(&factors(&moved.after())) {
            Ok(sigma) => {
                let left = followed.iter().map(|&(r, was, speed)| sigma[r] - was - eta * speed);
                left.map(|x| x * x).sum::<f64>().sqrt()
            }
            Err(_) => f64::NAN,
        }
    };
    let name = format!("{} of {} singular values", followed.len(), found.len());
    slopes::second_order(&name, residual, FLOOR * f64::EPSILON / 2.0 * scale)
}

/// ‖Ẇ‖_F = ‖Σⱼ AⱼAⱼᵀ·G·BⱼᵀBⱼ‖_F.
fn speed(step: &Step<f64>) -> f64 {
    let gradients = step.factor_gradients();
    let moved = gradients.into_iter().enumerate().map(|(j, gradient)| {
        let mut factors = step.factors.clone();
        factors[j] = gradient;
        product(&factors)
    });
    let zero = Matrix::zeros(step.gradient.nrows(), step.gradient.ncols());
    moved.fold(zero, |sum, matrix| sum + matrix).norm()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::search::Budget;

    const BUDGET: Budget = Budget { cases: 256, seed: 5 };

    fn caught(depth: usize, wrong: impl Fn(&Step<f64>, &Velocity) -> Option<f64>) {
        let found = search::random(BUDGET, steps(depth), |step| Ok(check_against(step, &wrong)));
        assert!(!found.holds(), "depth {depth}: {:?}", found.worst);
    }

    #[test]
    fn the_order_is_two_at_every_depth() {
        for depth in 1..=4 {
            let found = search::random(BUDGET, steps(depth), |step| Ok(check(step)));
            assert!(found.holds(), "depth {depth}: {:?}", found.worst);
        }
    }

    #[test]
    fn a_factor_and_a_dropped_term_are_caught() {
        for depth in 1..=4 {
            caught(depth, |_, velocity| Some(1.3 * velocity.general?));
            caught(depth, |_, velocity| Some(-velocity.general?));
        }
        // Without W₁W₁ᵀG, and without G·W₂ᵀW₂.
        for keep in [0, 1] {
            caught(2, |step, velocity| {
                let whole = step.end_to_end().svd(true, true);
                let r = whole
                    .singular_values
                    .iter()
                    .position(|s| (s - velocity.sigma).abs() <= 1e-9)?;
                let (w1, w2, g) = (&step.factors[0], &step.factors[1], &step.gradient);
                let term = match keep {
                    0 => g * w2.transpose() * w2,
                    _ => w1 * w1.transpose() * g,
                };
                let (u, v) = (whole.u?.column(r).into_owned(), whole.v_t?.row(r).transpose());
                Some(-(term * v).dot(&u))
            });
        }
    }

    /// Eq. 6 holds for balanced factors only: W₁ = W₂ᵀ is balanced, random factors are not.
    #[test]
    fn equation_6_needs_balanced_factors() {
        for depth in 2..=4 {
            caught(depth, |_, velocity| velocity.balanced);
        }
        let w1 = Matrix::from_row_slice(3, 2, &[1.0, 0.0, 0.0, 0.5, 0.0, 0.0]);
        let g = Matrix::from_row_slice(3, 3, &[0.3, -0.2, 0.1, 0.7, 0.4, -0.6, 0.2, 0.9, 0.5]);
        let found = velocities(&factors(&[w1.clone(), w1.transpose()]), &Gradient::of(&g), 2).unwrap();
        for velocity in found {
            let (general, balanced) = (velocity.general.unwrap(), velocity.balanced.unwrap());
            // σ = 1 and 1/4: every product above is of a few terms, none above 1.
            assert!(
                (general - balanced).abs() <= 32.0 * f64::EPSILON,
                "{general} {balanced}"
            );
        }
    }

    #[test]
    fn multiple_values_and_zeros_have_no_velocity() {
        let twice = Matrix::from_diagonal(&nalgebra::DVector::from_vec(vec![2.0, 1.0, 1.0 + 1e-12, 0.0]));
        let found = velocities(&factors(&[twice]), &Gradient::of(&Matrix::identity(4, 4)), 9).unwrap();
        let has: Vec<bool> = found.iter().map(|velocity| velocity.general.is_some()).collect();
        assert_eq!(has, [true, false, false, false]);
        assert_eq!(found[0].general, Some(-1.0));
        let zero = [Matrix::zeros(3, 2), Matrix::zeros(2, 3)];
        let found = velocities(&factors(&zero), &Gradient::of(&Matrix::identity(3, 3)), 3).unwrap();
        assert!(
            found
                .iter()
                .all(|velocity| velocity.general.is_none() && velocity.sigma == 0.0)
        );
    }

    #[test]
    fn a_gradient_that_does_not_fit_is_named() {
        let w = factors(&[Matrix::identity(3, 3)]);
        let gradient =
            |rows: Vec<usize>, values| velocities(&w, &Gradient { rows, values }, 1).unwrap_err().to_string();
        assert!(gradient(vec![7], Matrix::zeros(1, 3)).contains("row 7"));
        assert!(gradient(vec![0], Matrix::zeros(1, 2)).contains("G is 1×2"));
        assert!(gradient(vec![0], Matrix::from_element(1, 3, f64::NAN)).contains("row 0, column 0"));
        assert!(
            velocities(
                &w,
                &Gradient {
                    rows: vec![],
                    values: Matrix::zeros(0, 3)
                },
                1
            )
            .is_ok()
        );
    }
}
