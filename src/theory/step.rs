//! One plain SGD step of a table W = W₁·W₂⋯W_N, as the statements about dynamics see it.

use super::error::{TheoryError, not_empty};
use super::number::{Matrix, Number, inline};
use std::fmt;

/// The factors before a step, the gradient G = ∂L/∂W of the end-to-end table, and the learning rate η.
///
/// The step is `Wⱼ⁺ = Wⱼ − η·Aⱼᵀ·G·Bⱼᵀ` with `Aⱼ = W₁⋯W_{j−1}` and `Bⱼ = W_{j+1}⋯W_N`: every factor moves by its own gradient,
/// all at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<T> {
    /// W₁ (n×k), W₂ (k×k), …, W_N (k×d); at least one.
    pub factors: Vec<Matrix<T>>,
    /// G (n×d).
    pub gradient: Matrix<T>,
    /// η.
    pub learning_rate: T,
}

impl<T: Number> Step<T> {
    /// A step of factors that fit.
    ///
    /// # Errors
    /// [`TheoryError::Empty`], [`TheoryError::Shapes`].
    pub fn new(factors: Vec<Matrix<T>>, gradient: Matrix<T>, learning_rate: T) -> Result<Self, TheoryError> {
        for (index, factor) in factors.iter().enumerate() {
            not_empty(&format!("W{}", index + 1), factor)?;
        }
        not_empty("G", &gradient)?;
        for (index, pair) in factors.windows(2).enumerate() {
            if pair[0].ncols() != pair[1].nrows() {
                return Err(shapes(
                    &format!("W{}", index + 1),
                    &pair[0],
                    &format!("W{}", index + 2),
                    &pair[1],
                ));
            }
        }
        let step = Self {
            factors,
            gradient,
            learning_rate,
        };
        let ends = step.factors.first().zip(step.factors.last());
        match ends {
            Some((first, last)) if (first.nrows(), last.ncols()) == step.gradient.shape() => Ok(step),
            Some((first, _)) => Err(shapes("W1", first, "G", &step.gradient)),
            None => Err(TheoryError::Empty {
                matrix: "W".into(),
                rows: 0,
                cols: 0,
            }),
        }
    }

    /// N.
    pub fn depth(&self) -> usize {
        self.factors.len()
    }

    /// W (n×d).
    pub fn end_to_end(&self) -> Matrix<T> {
        product(&self.factors)
    }

    /// Aⱼᵀ·G·Bⱼᵀ for every factor, in order.
    pub fn factor_gradients(&self) -> Vec<Matrix<T>> {
        (0..self.depth())
            .map(|j| {
                let mut gradient = self.gradient.clone();
                // From the outside in, one factor at a time: no n×n matrix is ever formed.
                for left in &self.factors[..j] {
                    gradient = left.transpose() * gradient;
                }
                for right in self.factors[j + 1..].iter().rev() {
                    gradient *= right.transpose();
                }
                gradient
            })
            .collect()
    }

    /// The factors after the step.
    pub fn after(&self) -> Vec<Matrix<T>> {
        let moved = self.factors.iter().zip(self.factor_gradients());
        moved
            .map(|(factor, gradient)| factor - gradient * self.learning_rate.clone())
            .collect()
    }

    /// The same step of absolute values, and with a negative η, so that every difference becomes a sum: what the magnitudes of
    /// [`super::check::Check::equal`] are computed from.
    pub fn magnitudes(&self) -> Step<T> {
        let absolute = |matrix: &Matrix<T>| matrix.map(|x| x.abs());
        Step {
            factors: self.factors.iter().map(absolute).collect(),
            gradient: absolute(&self.gradient),
            learning_rate: -self.learning_rate.abs(),
        }
    }
}

/// The product of factors that fit, at least one.
pub fn product<T: Number>(factors: &[Matrix<T>]) -> Matrix<T> {
    let mut factors = factors.iter();
    let first = factors.next().cloned().unwrap_or_else(|| Matrix::zeros(0, 0));
    factors.fold(first, |left, right| left * right)
}

/// The product of factors that may not fit.
///
/// # Errors
/// [`TheoryError::Shapes`].
pub fn try_product<T: Number>(factors: &[Matrix<T>]) -> Result<Matrix<T>, TheoryError> {
    for (index, pair) in factors.windows(2).enumerate() {
        if pair[0].ncols() != pair[1].nrows() {
            let name = |j: usize| format!("W{j}");
            return Err(shapes(&name(index + 1), &pair[0], &name(index + 2), &pair[1]));
        }
    }
    Ok(product(factors))
}

fn shapes<T>(left: &str, a: &Matrix<T>, right: &str, b: &Matrix<T>) -> TheoryError {
    TheoryError::Shapes {
        left: left.into(),
        left_rows: a.nrows(),
        left_cols: a.ncols(),
        right: right.into(),
        right_rows: b.nrows(),
        right_cols: b.ncols(),
    }
}

impl<T: Number> fmt::Display for Step<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, factor) in self.factors.iter().enumerate() {
            write!(f, "W{} = {}, ", index + 1, inline(factor))?;
        }
        write!(f, "G = {}, η = {}", inline(&self.gradient), self.learning_rate)
    }
}
