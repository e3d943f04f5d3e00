//! E5 on a trained table: the change of every singular value against its velocity, with a bound on the second order.
//!
//! Let E = W⁺ − W. With x = (u_r; v_r)/√2, the matrix [0 W⁺; W⁺ᵀ 0] has the Rayleigh quotient σ_r + u_rᵀEv_r at x, and its
//! eigenvalue σ_r⁺ lies within ‖residual‖²/γ of that, γ the distance to the other eigenvalues (Parlett, *The Symmetric Eigenvalue
//! Problem*, theorem 11.7.1). The residual is at most ‖(Ev_r; Eᵀu_r)‖/√2, and by Weyl γ ≥ gap − 2‖E‖₂. For two factors
//! u_rᵀEv_r = η·σ̇_r + η²·u_rᵀG·WᵀG·v_r exactly (E1), so
//!
//! ```text
//! |σ_r⁺ − σ_r − η·σ̇_r| ≤ η²·|u_rᵀG·W₂ᵀ·W₁ᵀG·v_r| + ½(‖Ev_r‖² + ‖Eᵀu_r‖²)/(gap_r − 2‖E‖₂)        if gap_r > 4‖E‖₂
//! ```
//!
//! plus what rounding does: by Weyl at most the norm of the rounding of W⁺.

use super::{Cut, Line, TrainedStep};
use crate::spectrum::table::Factor;
use crate::spectrum::{self, SpectrumError};
use crate::theory::check::Check;
use crate::theory::number::Matrix;
use crate::theory::step::Step;
use crate::theory::velocity::{Leading, Rows, VelocityError, blocks, read};
use ndarray::Array2;
use serde::Serialize;

/// The share of the trainer's learning rate that the step in f64 is taken with. At the trainer's own the second order may be as
/// large as the first; a 1024th of it leaves the second order a thousandth of the first, so that a wrong first order is seen, and
/// the first still far above the rounding of f64.
pub const SMALL: f64 = 1.0 / 1024.0;

/// What became of one singular value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moved {
    /// σ_r before the step.
    pub sigma: f64,
    /// The distance to the nearest other one or to 0.
    pub gap: f64,
    /// η·σ̇_r by E5; null where σ_r is multiple or zero.
    pub predicted: Option<f64>,
    /// η·σ̇_r by Eq. 6.
    pub predicted_balanced: Option<f64>,
    /// σ_r⁺ − σ_r of the step as the trainer took it.
    pub actual: f64,
    /// How far `actual` can be from `predicted`; null where the step is not small beside the gap.
    pub allowed: Option<f64>,
    /// σ_r⁺ − σ_r of a step in f64 with a 1024th of the learning rate; to be compared with a 1024th of `predicted`.
    pub small_step_actual: f64,
    /// How far `small_step_actual` can be from that.
    pub small_step_allowed: Option<f64>,
}

/// All singular values of a table in a step.
pub(super) struct Movement {
    pub(super) moved: Vec<Moved>,
}

impl Movement {
    pub(super) fn of(step: &TrainedStep, cut: &Cut) -> Result<Self, VelocityError> {
        let leading = Leading::of(&step.before, usize::MAX)?;
        let rows = leading.rows(&step.before[0], &step.gradient)?;
        let velocities = leading.velocities(&rows);
        let (eta, small) = (step.learning_rate, step.learning_rate * SMALL);
        let in_f64 = spectrum::singular_values(&after_in_f64(step, cut, small))?;
        let in_f32 = spectrum::singular_values(&step.after)?;
        let (size, small_size) = (Size::of(step, cut, &rows, eta)?, Size::of(step, cut, &rows, small)?);
        let moved = velocities.iter().enumerate().map(|(r, velocity)| {
            let allowed = |size: &Size, rounding: f64| {
                velocity.general?; // where there is no velocity nothing is predicted
                Some(size.second_order(&leading, &rows, r)? + rounding)
            };
            Moved {
                sigma: velocity.sigma,
                gap: velocity.gap,
                predicted: velocity.general.map(|speed| eta * speed),
                predicted_balanced: velocity.balanced.map(|speed| eta * speed),
                actual: in_f32[r] - velocity.sigma,
                allowed: allowed(&size, size.rounding_f64 + size.rounding_f32),
                small_step_actual: in_f64[r] - velocity.sigma,
                small_step_allowed: allowed(&small_size, small_size.rounding_f64),
            }
        });
        Ok(Self { moved: moved.collect() })
    }

    /// E5 in both arithmetics; none of a line where no singular value is far enough from the others for its step.
    pub(super) fn lines(&self) -> Vec<Line> {
        let worst = |of: fn(&Moved) -> Option<[f64; 3]>| {
            let checks = self.moved.iter().enumerate().filter_map(|(r, moved)| {
                let [actual, predicted, allowed] = of(moved)?;
                Some(Check {
                    left: actual,
                    right: predicted,
                    ratio: (actual - predicted).abs() / allowed,
                    bound: 1.0,
                    witness: format!(
                        "Δσ of value {}: {actual:e} against η·σ̇ = {predicted:e}, allowed {allowed:e}",
                        r + 1
                    ),
                })
            });
            checks.reduce(Check::worse)
        };
        let small = worst(|m| Some([m.small_step_actual, SMALL * m.predicted?, m.small_step_allowed?]));
        let taken = worst(|m| Some([m.actual, m.predicted?, m.allowed?]));
        let none = "no singular value is far enough from the others for this step";
        vec![Line::of("E5", "f64", small, none), Line::of("E5", "f32", taken, none)]
    }

    /// ‖σ̇(Eq. 6) − σ̇(E5)‖ / ‖σ̇(E5)‖.
    pub(super) fn equation_6_error(&self) -> Option<f64> {
        let both = || {
            self.moved
                .iter()
                .filter_map(|moved| moved.predicted.zip(moved.predicted_balanced))
        };
        let truth: f64 = both().map(|(general, _)| general * general).sum();
        let apart: f64 = both().map(|(general, balanced)| (general - balanced).powi(2)).sum();
        (truth > 0.0).then(|| (apart / truth).sqrt())
    }
}

/// How large a step is.
struct Size {
    /// η.
    eta: f64,
    /// ΔW₁ on the batch's rows.
    first: Matrix<f64>,
    /// ΔW₂.
    second: Matrix<f64>,
    /// W₂⁺.
    after: Matrix<f64>,
    /// ‖W₁‖₂.
    norm: f64,
    /// A bound on ‖ΔW‖₂.
    change: f64,
    /// What rounding the trainer's step to f32 can do to any σ.
    rounding_f32: f64,
    /// What f64 can do to the difference of two σ.
    rounding_f64: f64,
}

impl Size {
    fn of(step: &TrainedStep, cut: &Cut, rows: &Rows, eta: f64) -> Result<Self, SpectrumError> {
        let norm_of = |factor: &Factor| Ok(spectrum::singular_values(std::slice::from_ref(factor))?[0]);
        let w2 = &cut.whole.factors[1];
        let first = &rows.gradient * w2.transpose() * -eta;
        let second = rows.first.tr_mul(&rows.gradient) * -eta;
        let after = w2 + &second;
        let (norm, norm2): (f64, f64) = (norm_of(&step.before[0])?, norm_of(&step.before[1])?);
        let change = (&first * &after).norm() + norm * second.norm();
        let (e1, e2) = (cut.allowed[0].norm(), cut.allowed[1].norm());
        let after_norms: (f64, f64) = (norm_of(&step.after[0])?, norm_of(&step.after[1])?);
        let widest = [
            w2.nrows() as f64,
            w2.ncols() as f64,
            (step.before[0].rows() as f64).sqrt(),
        ];
        let widest = widest.into_iter().fold(0.0, f64::max);
        Ok(Self {
            eta,
            rounding_f32: e1 * (after_norms.1 + e2) + after_norms.0 * e2,
            rounding_f64: 100.0 * widest * f64::EPSILON * (norm + first.norm()) * (norm2 + second.norm()),
            first,
            second,
            after,
            norm,
            change,
        })
    }

    /// The bound on |σ_r⁺ − σ_r − η·σ̇_r|; none where the gap is not above 4‖ΔW‖₂.
    fn second_order(&self, leading: &Leading, rows: &Rows, r: usize) -> Option<f64> {
        let gap = leading.gaps[r];
        if !leading.separated(r) || gap <= 4.0 * self.change {
            return None;
        }
        let v = leading.right.column(r);
        let u = &rows.first * leading.inner.column(r) / leading.sigma[r]; // on the batch's rows
        let from_left = &leading.further[0] * rows.gradient.tr_mul(&u); // W₂·Gᵀu_r
        let from_right = rows.first.tr_mul(&(&rows.gradient * v)); // W₁ᵀG·v_r
        let exact = self.eta * self.eta * from_left.dot(&from_right).abs();
        let right = (&self.first * (&self.after * v)).norm() + self.norm * (&self.second * v).norm();
        let left = self.after.tr_mul(&self.first.tr_mul(&u)) + self.second.tr_mul(&leading.left.column(r));
        let squares = right * right + left.norm_squared();
        Some(exact + 0.5 * squares / (gap - 2.0 * self.change))
    }
}

/// The whole table after a step with the rate `eta`, as f64 takes it.
fn after_in_f64(step: &TrainedStep, cut: &Cut, eta: f64) -> Vec<Factor> {
    let before = &step.before[0];
    let mut first = Array2::zeros((before.rows(), before.cols()));
    for rows in blocks(before.rows()) {
        let block = read(before, rows.clone());
        for (i, row) in rows.enumerate() {
            for j in 0..block.ncols() {
                first[(row, j)] = block[(i, j)];
            }
        }
    }
    let taken = Step {
        learning_rate: eta,
        ..cut.whole.clone()
    };
    let after = taken.after();
    for (i, &row) in step.gradient.rows.iter().enumerate() {
        for j in 0..after[0].ncols() {
            first[(row, j)] = after[0][(i, j)];
        }
    }
    let second = Array2::from_shape_fn(after[1].shape(), |at| after[1][at]);
    vec![
        Factor::f64(before.name.clone(), first),
        Factor::f64(step.before[1].name.clone(), second),
    ]
}
