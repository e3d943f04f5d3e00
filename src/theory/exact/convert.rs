//! Floating matrices as what they are: dyadic rationals.

use super::integer;
use crate::theory::error::{TheoryError, finite};
use crate::theory::number::{Matrix, Rational};
use num_traits::Float;

/// The f32 or f64 matrix as rationals, every entry exactly `±m·2^e`.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NotFinite`] with the name of the matrix and the entry.
pub fn from_float<T: Float + nalgebra::Scalar>(
    name: &str,
    matrix: &Matrix<T>,
) -> Result<Matrix<Rational>, TheoryError> {
    finite(name, matrix)?;
    Ok(matrix.map(exactly))
}

/// A finite number as a rational.
fn exactly<T: Float>(x: T) -> Rational {
    let (mantissa, exponent, sign) = x.integer_decode();
    let magnitude = match exponent {
        0.. => integer(mantissa) * integer(num_bigint::BigInt::from(1) << exponent.unsigned_abs()),
        _ => integer(mantissa) / integer(num_bigint::BigInt::from(1) << exponent.unsigned_abs()),
    };
    magnitude * integer(sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_traits::ToPrimitive;

    #[test]
    fn every_float_comes_back() {
        for x in [
            0.0f32,
            -0.0,
            1.0,
            -1.5,
            0.1,
            f32::MIN_POSITIVE,
            1e-45,
            f32::MAX,
            f32::MIN,
        ] {
            assert_eq!(exactly(x).to_f32(), Some(x), "{x:e}");
        }
        for x in [0.1f64, 5e-324, f64::MIN_POSITIVE, f64::MAX, -1e300] {
            assert_eq!(exactly(x).to_f64(), Some(x), "{x:e}");
        }
        assert_eq!(exactly(0.375f32), Rational::new(3.into(), 8.into()));
        assert_ne!(exactly(0.1f32), exactly(0.1f64));
    }

    #[test]
    fn what_is_not_a_number_is_named() {
        let mut w = Matrix::from_element(2, 3, 1.0f32);
        w[(1, 2)] = f32::NAN;
        let error = from_float("W", &w).unwrap_err().to_string();
        assert!(error.contains("`W`") && error.contains("row 1, column 2"), "{error}");
        w[(1, 2)] = f32::INFINITY;
        assert!(from_float("W", &w).is_err());
        let empty = Matrix::<f64>::zeros(0, 3);
        assert!(matches!(from_float("W", &empty), Err(TheoryError::Empty { .. })));
    }
}
