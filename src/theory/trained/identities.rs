//! E1–E3 on a cut of a trained table.

use super::{Cut, Line};
use crate::theory::check::Check;
use crate::theory::number::{Matrix, Number};
use crate::theory::step::Step;
use crate::theory::{balance_drift, cross_category, one_step};

/// Each of the three in f64 and in the trainer's f32.
pub(super) fn lines(cut: &Cut) -> Vec<Line> {
    let (step, [w1, w2], [e1, e2]) = (&cut.whole, pair(&cut.rounded), pair(&cut.allowed));
    let (old1, old2) = (&step.factors[0], &step.factors[1]);
    let absolute = step.magnitudes();
    let after = absolute.after();
    let (m1, m2) = (&after[0], &after[1]); // Σ|terms| of both factors after the step
    let slack = f64_slack(step);
    let unseen = cross_category::unseen_rows(&step.gradient);

    let allowed = e1 * (w2.abs() + e2) + w1.abs() * e2 + m1 * m2 * slack;
    let whole = within("W⁺", &(w1 * w2), &one_step::end_to_end_after(step), &allowed);

    let of = |matrix: &Matrix<f64>| matrix.select_rows(&unseen);
    let allowed = of(e1) * (w2.abs() + e2) + of(w1).abs() * e2 + of(m1) * m2 * slack;
    let change = of(w1) * w2 - of(old1) * old2;
    let name = "ΔW of the rows with G_p = 0 (counted among the rows checked)";
    let others = || within(name, &change, &cross_category::unseen_change(step, &unseen), &allowed);
    let others = (!unseen.is_empty()).then(others);
    let none = "every row of the table is in the batch";

    let gap = |w1: &Matrix<f64>, w2: &Matrix<f64>| w1.tr_mul(w1) - w2 * w2.transpose();
    let cross1 = e1.tr_mul(&w1.abs());
    let cross2 = e2 * w2.abs().transpose();
    let squares = e1.tr_mul(e1) + e2 * e2.transpose();
    let magnitude = m1.tr_mul(m1) + m2 * m2.transpose();
    let allowed = &cross1 + cross1.transpose() + &cross2 + cross2.transpose() + squares + magnitude * slack;
    let left = gap(w1, w2) - gap(old1, old2);
    let drift = balance_drift::drift(step).swap_remove(0);
    let balance = within("D⁺ − D", &left, &drift, &allowed);

    vec![
        Line::new("E1", "f64", one_step::check(step)),
        Line::new("E1", "f32", whole),
        Line::of("E2", "f64", others.is_some().then(|| cross_category::check(step)), none),
        Line::of("E2", "f32", others, none),
        Line::new("E3", "f64", balance_drift::check(step)),
        Line::new("E3", "f32", balance),
    ]
}

/// How far rounding can have moved each entry of W₁⁺ and W₂⁺ as the trainer has them, `rounded`, from the step's own.
///
/// Row p of W₁⁺ is `fl(W₁_p − fl(η·ĝ_p))`, ĝ_p = G_p·W₂ᵀ a sum of d products: at most `u·|W₁⁺| + (d + 2)·u·η·(|G||W₂ᵀ|)`, and rows
/// outside the batch are not touched at all. W₂⁺ likewise with the sum over the m rows of the batch. u = 2⁻²⁴; the d + 2 covers
/// the sum (d, Higham section 3.1), the product with η and second order terms; results that underflow lose at most 2⁻¹⁴⁹ each.
pub(super) fn rounding(step: &Step<f64>, rounded: &[Matrix<f64>], rows_in_batch: usize) -> Vec<Matrix<f64>> {
    let unit = <f32 as Number>::UNIT_ROUNDOFF;
    let absolute = step.magnitudes();
    let eta = step.learning_rate.abs();
    let lengths = [step.gradient.ncols(), rows_in_batch];
    let mut allowed: Vec<Matrix<f64>> = absolute
        .factor_gradients()
        .into_iter()
        .zip(rounded)
        .zip(lengths)
        .map(|((gradient, after), length)| {
            let lost = (length + 2) as f64;
            let floor = lost * <f32 as Number>::SMALLEST * (1.0 + eta);
            (after.abs() * unit + gradient * (eta * lost * unit)).add_scalar(floor)
        })
        .collect();
    if let Some(first) = allowed.first_mut() {
        let untouched = first.nrows() - rows_in_batch;
        first.rows_mut(rows_in_batch, untouched).fill(0.0);
    }
    allowed
}

/// Roundings of f64 on the way to one entry of either side, as a share of Σ|terms|: sums of at most m, k, d products, one behind
/// the other, on both sides.
pub(super) fn f64_slack(step: &Step<f64>) -> f64 {
    let (rows, d) = step.gradient.shape();
    let k = step.factors[1].nrows();
    (4 * (rows + k + d + 8)) as f64 * <f64 as Number>::UNIT_ROUNDOFF
}

/// `left = right` within `allowed`, entry by entry; the ratio is the worst share of it.
fn within(name: &str, left: &Matrix<f64>, right: &Matrix<f64>, allowed: &Matrix<f64>) -> Check {
    let mut worst = Check::ratio(&format!("{name}: equal"), 0.0, 1.0);
    for column in 0..left.ncols() {
        for row in 0..left.nrows() {
            let at = (row, column);
            let apart = (left[at] - right[at]).abs();
            let ratio = if apart == 0.0 { 0.0 } else { apart / allowed[at] };
            if !worst.ratio.is_nan() && (ratio.is_nan() || ratio > worst.ratio) {
                worst = Check {
                    left: left[at],
                    right: right[at],
                    ratio,
                    bound: 1.0,
                    witness: format!(
                        "{name}, entry ({row}, {column}): {:e} against {:e}, allowed {:e}",
                        left[at], right[at], allowed[at]
                    ),
                };
            }
        }
    }
    worst
}

fn pair(matrices: &[Matrix<f64>]) -> [&Matrix<f64>; 2] {
    [&matrices[0], &matrices[1]]
}
