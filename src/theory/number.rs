//! The numbers that statements are checked in.

use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive};
use std::fmt::Display;

/// A matrix of any of the number types: exact or floating, the formulas are written once.
pub type Matrix<T> = nalgebra::DMatrix<T>;

/// A ratio of big integers: every f32 and f64 is one, exactly.
pub type Rational = BigRational;

/// What the formulas of this layer need of a number: f32, f64 or [`Rational`].
pub trait Number:
    nalgebra::Scalar
    + PartialOrd
    + Signed
    + ToPrimitive
    + Display
    + nalgebra::ClosedAddAssign
    + nalgebra::ClosedSubAssign
    + nalgebra::ClosedMulAssign
{
    /// The greatest relative error of one operation: 2⁻²⁴ for f32, 2⁻⁵³ for f64, and 0 where arithmetic is exact.
    const UNIT_ROUNDOFF: f64;
    /// The smallest positive number, lost where a result underflows; 0 where arithmetic is exact.
    const SMALLEST: f64;

    /// The nearest f64; for people and for ratios, never for a decision about exact numbers.
    fn nearest(&self) -> f64 {
        self.to_f64().unwrap_or(f64::NAN)
    }
}

impl Number for f32 {
    const UNIT_ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const SMALLEST: f64 = 1.401298464324817e-45; // 2⁻¹⁴⁹
}

impl Number for f64 {
    const UNIT_ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const SMALLEST: f64 = 5e-324;
}

impl Number for Rational {
    const UNIT_ROUNDOFF: f64 = 0.0;
    const SMALLEST: f64 = 0.0;
}

/// A matrix in one line, `[1 2; 3 4]`: rows behind semicolons, at most eight of each written out.
pub fn inline<T: Display>(matrix: &Matrix<T>) -> String {
    const MOST: usize = 8;
    let row = |i: usize| {
        let mut cells: Vec<String> = (0..matrix.ncols().min(MOST))
            .map(|j| matrix[(i, j)].to_string())
            .collect();
        if matrix.ncols() > MOST {
            cells.push("…".into());
        }
        cells.join(" ")
    };
    let mut rows: Vec<String> = (0..matrix.nrows().min(MOST)).map(row).collect();
    if matrix.nrows() > MOST {
        rows.push("…".into());
    }
    format!("[{}]", rows.join("; "))
}
