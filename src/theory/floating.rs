//! Floating matrices: between nalgebra's and faer's, between f32 and f64, and into the range where nothing overflows.

use super::error::TheoryError;
use super::number::{Matrix, Number};
use crate::spectrum::decompose::{DecomposeError, Real};
use faer::{Mat, MatRef};
use num_traits::Float;

/// f32 or f64: a number of this layer that [`crate::spectrum::decompose`] and nalgebra can factorise.
pub trait Floating: Number + Real + nalgebra::RealField {
    /// The nearest number of the type.
    fn round_from(x: f64) -> Self;
}

impl Floating for f32 {
    fn round_from(x: f64) -> Self {
        x as f32
    }
}

impl Floating for f64 {
    fn round_from(x: f64) -> Self {
        x
    }
}

/// The unit roundoff of `T`, 2⁻²⁴ or 2⁻⁵³.
pub fn unit_roundoff<T: Floating>() -> f64 {
    <T as Number>::UNIT_ROUNDOFF
}

/// The same entries as f64: exact.
pub fn widened<T: Floating>(matrix: &Matrix<T>) -> Matrix<f64> {
    matrix.map(Into::into)
}

/// Every entry rounded to `T`.
pub fn rounded<T: Floating>(matrix: &Matrix<f64>) -> Matrix<T> {
    matrix.map(T::round_from)
}

/// A view for faer; nalgebra's matrices are stored by columns, like faer's.
pub fn view<T>(matrix: &Matrix<T>) -> MatRef<'_, T> {
    MatRef::from_column_major_slice(matrix.as_slice(), matrix.nrows(), matrix.ncols())
}

/// faer's matrix as nalgebra's.
pub fn matrix<T: Floating>(mat: &Mat<T>) -> Matrix<T> {
    Matrix::from_fn(mat.nrows(), mat.ncols(), |i, j| mat[(i, j)])
}

/// Why `name` was not factorised, in this layer's words.
pub fn named<T: Floating>(name: &str, matrix: &Matrix<T>, error: &DecomposeError) -> TheoryError {
    let name = name.to_owned();
    match *error {
        DecomposeError::Empty { rows, cols } => TheoryError::Empty {
            matrix: name,
            rows,
            cols,
        },
        DecomposeError::NotFinite { row, column } => TheoryError::NotFinite {
            matrix: name,
            row,
            column,
            value: matrix[(row, column)].into(),
        },
        DecomposeError::Overflow { .. } => TheoryError::Overflow {
            matrix: name,
            what: "a singular value or an entry of R",
        },
        DecomposeError::NoConvergence { .. } => TheoryError::NoConvergence { matrix: name },
    }
}

/// A matrix in f64, scaled by a power of two so that its greatest |entry| lies in [1, 2).
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled {
    /// The matrix times 2^−`exponent`. Exact, but for entries 2¹⁰²² times smaller than the greatest.
    pub matrix: Matrix<f64>,
    /// What was taken out; 0 for the zero matrix.
    pub exponent: i32,
}

/// Normalises a matrix.
pub fn scaled<T: Floating>(matrix: &Matrix<T>) -> Scaled {
    let wide = widened(matrix);
    let exponent = match greatest(&wide) {
        x if x > 0.0 && x.is_finite() => libm::ilogb(x),
        _ => 0,
    };
    Scaled {
        matrix: wide.map(|x| libm::ldexp(x, -exponent)),
        exponent,
    }
}

/// The greatest |entry|, NaN if there is one.
pub fn greatest(matrix: &Matrix<f64>) -> f64 {
    let larger = |m: f64, x: f64| if x > m || x.is_nan() { x } else { m };
    matrix.iter().fold(0.0, |m, x| larger(m, Float::abs(*x)))
}

/// The 1-norm: the greatest sum of a column's |entries|; ∞ where an entry is not finite.
pub fn norm_1(matrix: &Matrix<f64>) -> f64 {
    let sums = matrix
        .column_iter()
        .map(|c| c.iter().map(|x| Float::abs(*x)).sum::<f64>());
    // f64::max would pass over a NaN.
    sums.fold(0.0, |m, s| if s.is_finite() { Float::max(m, s) } else { f64::INFINITY })
}

/// The Frobenius norm; the entries should be of the order of 1.
pub fn norm_f(matrix: &Matrix<f64>) -> f64 {
    matrix.iter().map(|x| x * x).sum::<f64>().sqrt()
}
