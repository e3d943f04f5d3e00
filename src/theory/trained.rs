//! The statements about dynamics on a table of a trained model: one plain SGD step of its two factors, with the gradient of a
//! real batch, as the trainer's f32 arithmetic took it and as f64 takes it.
//!
//! E1–E3 are checked on the rows of the batch and a sample of the others. That is a step of a smaller table by itself: the
//! other rows enter none of the three (G is zero there, and their part of W₁ᵀW₁ does not change). E5 is about the whole table.

mod identities;
mod movement;

use super::check::Check;
use super::error::TheoryError;
use super::number::Matrix;
use super::step::Step;
use super::velocity::{Gradient, VelocityError, blocks, read};
use crate::spectrum::table::Factor;
use serde::Serialize;

pub use movement::{Moved, SMALL};

/// Rows outside the batch that E1–E3 are checked on, at most.
const SAMPLE: usize = 64;

/// One step of one table of two factors, as a trainer took it.
#[derive(Debug, Clone)]
pub struct TrainedStep {
    /// W₁ (n×k) and W₂ (k×d) before the step.
    pub before: Vec<Factor>,
    /// The same after it, in the trainer's own f32.
    pub after: Vec<Factor>,
    /// G: the rows of the batch.
    pub gradient: Gradient,
    /// η, exactly as the trainer used it.
    pub learning_rate: f64,
}

/// A statement on one table, in one arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// `E1`, `E2`, `E3` or `E5`.
    pub statement: &'static str,
    /// `f64`: the step as f64 takes it, for E5 with the learning rate times [`SMALL`]. `f32`: as the trainer took it.
    pub arithmetic: &'static str,
    /// How far it is from the statement, as a share of what rounding (and for E5 the second order) can do; at most 1. Null where
    /// the statement says nothing here, and where that is not a number.
    pub ratio: Option<f64>,
    /// Whether the ratio is at most 1.
    pub holds: bool,
    /// Where it is farthest off.
    pub witness: String,
}

impl Line {
    /// A check, or that there is nothing to check.
    fn of(statement: &'static str, arithmetic: &'static str, check: Option<Check>, nothing: &str) -> Self {
        match check {
            Some(check) => Self::new(statement, arithmetic, check),
            None => Self {
                statement,
                arithmetic,
                ratio: None,
                holds: true,
                witness: nothing.into(),
            },
        }
    }

    fn new(statement: &'static str, arithmetic: &'static str, check: Check) -> Self {
        // An equality case of bound 0 has nothing to share.
        let share = if check.bound > 0.0 {
            check.ratio / check.bound
        } else {
            check.ratio
        };
        Self {
            statement,
            arithmetic,
            ratio: Some(share).filter(|share| share.is_finite()),
            holds: check.holds(),
            witness: check.witness,
        }
    }
}

/// What the statements say of one table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureReport {
    /// The feature.
    pub feature: String,
    /// n.
    pub num_embeddings: usize,
    /// Rows of the batch.
    pub rows_in_batch: usize,
    /// Other rows that E1–E3 were checked on.
    pub rows_sampled: usize,
    /// The statements.
    pub statements: Vec<Line>,
    /// ‖W₁ᵀW₁ − W₂W₂ᵀ‖_F / (‖W₁ᵀW₁‖_F + ‖W₂W₂ᵀ‖_F): 0 is balanced, 1 as far from it as can be.
    pub balance_gap: f64,
    /// How far Eq. 6 is from E5, the truth to first order: ‖σ̇(Eq. 6) − σ̇(E5)‖ / ‖σ̇(E5)‖ over the values that have a velocity;
    /// null where none moves.
    pub equation_6_error: Option<f64>,
    /// Every singular value.
    pub singular_values: Vec<Moved>,
}

impl FeatureReport {
    /// Whether every statement holds.
    pub fn holds(&self) -> bool {
        self.statements.iter().all(|line| line.holds)
    }
}

/// Checks E1, E2, E3 and E5 on a step of a table of two factors.
///
/// # Errors
/// [`VelocityError`]: not two factors, entries that are not finite (the tensor is named), a gradient that does not fit.
pub fn report(feature: &str, step: &TrainedStep) -> Result<FeatureReport, VelocityError> {
    let (n, cut) = (step.before.first().map_or(0, Factor::rows), Cut::of(step)?);
    let mut statements = identities::lines(&cut);
    let movement = movement::Movement::of(step, &cut)?;
    statements.extend(movement.lines());
    Ok(FeatureReport {
        feature: feature.into(),
        num_embeddings: n,
        rows_in_batch: step.gradient.rows.len(),
        rows_sampled: cut.whole.gradient.nrows() - step.gradient.rows.len(),
        statements,
        balance_gap: balance_gap(&step.before),
        equation_6_error: movement.equation_6_error(),
        singular_values: movement.moved,
    })
}

/// The step of the table's rows in the batch (first) and of the sample, in f64.
struct Cut {
    /// The step before anything is rounded.
    whole: Step<f64>,
    /// W₁⁺ and W₂⁺ on these rows, as the trainer rounded them.
    rounded: Vec<Matrix<f64>>,
    /// How far rounding can have moved each entry of them.
    allowed: Vec<Matrix<f64>>,
}

impl Cut {
    fn of(step: &TrainedStep) -> Result<Self, VelocityError> {
        for factor in step.before.iter().chain(&step.after) {
            factor
                .largest()
                .map_err(|(row, column)| crate::spectrum::SpectrumError::NotFinite {
                    tensor: factor.name.clone(),
                    row,
                    column,
                })?;
        }
        let [first, second] = &step.before[..] else {
            return Err(depth(step.before.len()));
        };
        let [first_after, second_after] = &step.after[..] else {
            return Err(depth(step.after.len()));
        };
        let rows = rows(&step.gradient.rows, first.rows());
        let all = |factor: &Factor| read(factor, 0..factor.rows());
        let mut gradient = Matrix::zeros(rows.len(), second.cols());
        gradient
            .rows_mut(0, step.gradient.rows.len())
            .copy_from(&step.gradient.values);
        let before = vec![all(&first.select_rows(&rows)), all(second)];
        let whole = Step::new(before, gradient, step.learning_rate)?;
        let rounded = vec![all(&first_after.select_rows(&rows)), all(second_after)];
        let allowed = identities::rounding(&whole, &rounded, step.gradient.rows.len());
        Ok(Self {
            whole,
            rounded,
            allowed,
        })
    }
}

/// Not a product of two: said like a pair of matrices that do not fit.
fn depth(factors: usize) -> VelocityError {
    VelocityError::Theory(TheoryError::Shapes {
        left: "the list of factors".into(),
        left_rows: 1,
        left_cols: factors,
        right: "a product of two".into(),
        right_rows: 1,
        right_cols: 2,
    })
}

/// The batch's rows and, spread evenly over the rest, the sample.
fn rows(batch: &[usize], n: usize) -> Vec<usize> {
    let mut in_batch = vec![false; n];
    batch
        .iter()
        .filter(|&&row| row < n)
        .for_each(|&row| in_batch[row] = true);
    let others: Vec<usize> = (0..n).filter(|&row| !in_batch[row]).collect();
    let stride = others.len().div_ceil(SAMPLE).max(1);
    batch
        .iter()
        .copied()
        .chain(others.into_iter().step_by(stride))
        .collect()
}

/// ‖W₁ᵀW₁ − W₂W₂ᵀ‖_F / (‖W₁ᵀW₁‖_F + ‖W₂W₂ᵀ‖_F) of the whole table; 0 of zero factors.
fn balance_gap(factors: &[Factor]) -> f64 {
    let (first, second) = (&factors[0], read(&factors[1], 0..factors[1].rows()));
    let mut left = Matrix::zeros(first.cols(), first.cols());
    for rows in blocks(first.rows()) {
        let block = read(first, rows);
        left += block.tr_mul(&block);
    }
    let right = &second * second.transpose();
    let norms = left.norm() + right.norm();
    if norms == 0.0 {
        0.0
    } else {
        (left - right).norm() / norms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Deterministic numbers in (−1, 1) that f32 holds.
    fn numbers(rows: usize, cols: usize, seed: u64) -> Matrix<f32> {
        let mut state = seed;
        Matrix::from_fn(rows, cols, |_, _| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
    }

    fn stored(name: &str, matrix: &Matrix<f32>) -> Factor {
        Factor::f32(name, Array2::from_shape_fn(matrix.shape(), |at| matrix[at]))
    }

    /// A step of a 40×6 · 6×5 table with three rows in the batch, as f32 arithmetic takes it; `tamper` may change what it does to
    /// the factors: it is given both gradients.
    fn step(tamper: impl Fn(&mut Matrix<f32>, &mut Matrix<f32>)) -> TrainedStep {
        let (w1, w2, g) = (numbers(40, 6, 1), numbers(6, 5, 2), numbers(3, 5, 3) * 0.01);
        let (rows, eta) = (vec![4, 17, 33], 0.05f32);
        let mut gradients = (&g * w2.transpose(), w1.select_rows(&rows).transpose() * &g);
        tamper(&mut gradients.0, &mut gradients.1);
        let mut after = w1.clone();
        for (i, &row) in rows.iter().enumerate() {
            for j in 0..6 {
                after[(row, j)] -= eta * gradients.0[(i, j)];
            }
        }
        let second = &w2 - &gradients.1 * eta;
        TrainedStep {
            before: vec![stored("W1", &w1), stored("W2", &w2)],
            after: vec![stored("W1", &after), stored("W2", &second)],
            gradient: Gradient {
                rows,
                values: g.map(f64::from),
            },
            learning_rate: f64::from(eta),
        }
    }

    /// The statements that do not hold for a step.
    fn broken(step: &TrainedStep) -> Vec<&'static str> {
        let report = report("C1", step).unwrap();
        let fails = report.statements.iter().filter(|line| !line.holds);
        fails.map(|line| line.statement).collect()
    }

    #[test]
    fn a_right_step_holds_and_its_bounds_are_not_loose() {
        let report = report("C1", &step(|_, _| ())).unwrap();
        assert!(report.holds(), "{report:?}");
        assert_eq!((report.rows_in_batch, report.rows_sampled), (3, 37));
        for line in &report.statements {
            let ratio = line.ratio.unwrap();
            // Worst-case bounds are seldom attained; a thousandth of one would mean that it proves nothing.
            assert!(ratio > 1e-3 || line.arithmetic == "f64", "{line:?}");
        }
    }

    #[test]
    fn wrong_steps_are_caught() {
        assert_eq!(broken(&step(|first, _| *first *= 1.3)), ["E1", "E3", "E5"]);
        assert_eq!(broken(&step(|_, second| *second *= 1.3)), ["E1", "E2", "E3", "E5"]);
        assert_eq!(broken(&step(|_, second| second.fill(0.0))), ["E1", "E2", "E3", "E5"]); // W₁W₁ᵀG is missing
        assert_eq!(broken(&step(|first, _| first.fill(0.0))), ["E1", "E3", "E5"]);
    }

    #[test]
    fn a_wrong_rate_and_a_moved_row_are_caught() {
        let mut other_rate = step(|_, _| ());
        other_rate.learning_rate *= 1.001;
        assert!(broken(&other_rate).contains(&"E1"));
        let mut moved = step(|_, _| ());
        if let crate::spectrum::table::Values::F32(first) = &mut moved.after[0].values {
            first[(0, 0)] += 1e-6; // a row outside the batch
        }
        assert!(broken(&moved).contains(&"E2"));
    }

    #[test]
    fn nan_and_other_depths_are_refused() {
        let mut bad = step(|_, _| ());
        if let crate::spectrum::table::Values::F32(second) = &mut bad.before[1].values {
            second[(2, 3)] = f32::NAN;
        }
        let error = report("C1", &bad).unwrap_err().to_string();
        assert!(error.contains("`W2`") && error.contains("row 2, column 3"), "{error}");
        let mut one = step(|_, _| ());
        one.before.truncate(1);
        assert!(report("C1", &one).is_err());
    }
}
