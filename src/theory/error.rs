//! What can be wrong with a matrix before anything is stated about it.

use super::number::Matrix;
use num_traits::Float;

/// Why a statement cannot be checked on what was given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TheoryError {
    /// No entry.
    #[error("`{matrix}` is empty ({rows}×{cols}): a table needs at least one row and one column")]
    Empty {
        /// The matrix.
        matrix: String,
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
    },
    /// NaN or ±∞.
    #[error("`{matrix}` holds {value} at row {row}, column {column} (both counted from 0)")]
    NotFinite {
        /// The matrix.
        matrix: String,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// What lies there.
        value: f64,
    },
    /// k = 0.
    #[error("the inner dimension k of `{matrix}`'s factors is 0: a product through nothing is zero; give k ≥ 1")]
    NoInnerDim {
        /// The matrix to be factorised.
        matrix: String,
    },
    /// k < d where the construction needs k ≥ d.
    #[error(
        "`{matrix}` has d = {embedding_dim} columns and k = {inner_dim} < d: the construction of Theorem 2.1 needs k ≥ d"
    )]
    TooNarrow {
        /// The matrix to be factorised.
        matrix: String,
        /// k.
        inner_dim: usize,
        /// d.
        embedding_dim: usize,
    },
    /// Two matrices that do not fit.
    #[error("{left} is {left_rows}×{left_cols} and {right} {right_rows}×{right_cols}: they do not fit")]
    Shapes {
        /// The matrix on the left.
        left: String,
        /// Its rows.
        left_rows: usize,
        /// Its columns.
        left_cols: usize,
        /// The matrix on the right.
        right: String,
        /// Its rows.
        right_rows: usize,
        /// Its columns.
        right_cols: usize,
    },
    /// A result above the range of its type.
    #[error("{what} of `{matrix}` is above the greatest number of its type: scale the matrix down")]
    Overflow {
        /// The matrix.
        matrix: String,
        /// The result.
        what: &'static str,
    },
    /// No method converged.
    #[error("the singular value decomposition of `{matrix}` did not converge: please report this matrix")]
    NoConvergence {
        /// The matrix.
        matrix: String,
    },
}

/// Refuses a matrix without entries.
///
/// # Errors
/// [`TheoryError::Empty`].
pub fn not_empty<T>(name: &str, matrix: &Matrix<T>) -> Result<(), TheoryError> {
    if matrix.is_empty() {
        return Err(TheoryError::Empty {
            matrix: name.into(),
            rows: matrix.nrows(),
            cols: matrix.ncols(),
        });
    }
    Ok(())
}

/// Refuses an empty matrix and one that holds NaN or ±∞; names the first such entry, row by row.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NotFinite`].
pub fn finite<T: Float>(name: &str, matrix: &Matrix<T>) -> Result<(), TheoryError> {
    not_empty(name, matrix)?;
    for row in 0..matrix.nrows() {
        for column in 0..matrix.ncols() {
            let value = matrix[(row, column)];
            if !value.is_finite() {
                return Err(TheoryError::NotFinite {
                    matrix: name.into(),
                    row,
                    column,
                    value: value.to_f64().unwrap_or(f64::NAN),
                });
            }
        }
    }
    Ok(())
}
