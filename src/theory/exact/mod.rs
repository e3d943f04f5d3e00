//! Exact arithmetic over the rationals: nothing here rounds.
//!
//! Ranks, echelon forms and signs of eigenvalues go through big integers and fraction-free elimination (Bareiss): every
//! division leaves no remainder, so entries stay minors of the matrix instead of growing fractions. f32 and f64 matrices are
//! exact dyadic rationals and can be checked too ([`from_float`]).

mod convert;
mod elimination;
mod factorise;
mod inertia;
mod orthogonal;
pub mod strategies;

pub use convert::from_float;
pub use elimination::{Echelon, inverse, rank, row_echelon};
pub use factorise::{factorise_through, rank_factorisation};
pub use inertia::{Inertia, count_above, count_at_least, inertia};
pub use orthogonal::{OrthogonalQr, cayley, is_orthogonal, orthogonal_qr};

use super::number::{Matrix, Rational};
use num_bigint::BigInt;

/// An integer as a rational.
pub fn integer(x: impl Into<BigInt>) -> Rational {
    Rational::from_integer(x.into())
}

/// The rows×cols matrix with `diagonal` on its diagonal, as far as both reach, and zeros elsewhere.
pub fn rectangular_diagonal(rows: usize, cols: usize, diagonal: &[Rational]) -> Matrix<Rational> {
    let mut matrix = Matrix::from_element(rows, cols, integer(0));
    for (i, value) in diagonal.iter().enumerate().take(rows.min(cols)) {
        matrix[(i, i)] = value.clone();
    }
    matrix
}

/// [I 0]: rows×cols, 1 on the diagonal.
pub fn rectangular_identity(rows: usize, cols: usize) -> Matrix<Rational> {
    rectangular_diagonal(rows, cols, &vec![integer(1); rows.min(cols)])
}

/// ‖A‖_F², exactly.
pub fn sum_of_squares(matrix: &Matrix<Rational>) -> Rational {
    matrix.iter().fold(integer(0), |sum, x| sum + x * x)
}
