//! A matrix as a product through the smallest inner width there is.

use super::{integer, row_echelon};
use crate::theory::error::{TheoryError, not_empty};
use crate::theory::number::{Matrix, Rational};

/// W = C·F through its rank r: C (n×r) the pivot columns of W, F (r×d) the rows of its reduced row echelon form that are not
/// zero. For W = 0 both have no entry.
pub fn rank_factorisation(w: &Matrix<Rational>) -> (Matrix<Rational>, Matrix<Rational>) {
    let echelon = row_echelon(w);
    (w.select_columns(&echelon.pivots), echelon.rows)
}

/// W₁ (n×k) and W₂ (k×d) with W₁·W₂ = W, or `None` where no such factors exist, because the smallest inner width of W is
/// greater than k.
///
/// # Errors
/// [`TheoryError::Empty`], [`TheoryError::NoInnerDim`].
#[allow(
    clippy::type_complexity,
    reason = "a pair of factors, or none, or an error: each part says something"
)]
pub fn factorise_through(
    w: &Matrix<Rational>,
    inner_dim: usize,
) -> Result<Option<(Matrix<Rational>, Matrix<Rational>)>, TheoryError> {
    not_empty("W", w)?;
    if inner_dim == 0 {
        return Err(TheoryError::NoInnerDim { matrix: "W".into() });
    }
    let (c, f) = rank_factorisation(w);
    if c.ncols() > inner_dim {
        return Ok(None);
    }
    let w1 = c.resize_horizontally(inner_dim, integer(0));
    let w2 = f.resize_vertically(inner_dim, integer(0));
    Ok(Some((w1, w2)))
}

#[cfg(test)]
mod tests {
    use super::super::strategies::tables;
    use super::*;
    use crate::theory::exact::rank;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_width_is_the_rank_of_rows_and_of_columns(w in tables()) {
            let (c, f) = rank_factorisation(&w);
            prop_assert_eq!(c.ncols(), rank(&w));
            prop_assert_eq!(c.ncols(), rank(&w.transpose()));
            if c.ncols() > 0 {
                prop_assert_eq!(&c * &f, w.clone());
            }
            for k in 1..=6 {
                let factors = factorise_through(&w, k).unwrap();
                prop_assert_eq!(factors.is_some(), k >= rank(&w));
                if let Some((w1, w2)) = factors {
                    prop_assert_eq!(w1.shape(), (w.nrows(), k));
                    prop_assert_eq!(w1 * w2, w.clone());
                }
            }
        }
    }

    #[test]
    fn no_width_and_no_entry_are_errors() {
        let w = Matrix::from_element(1, 2, integer(1));
        assert!(matches!(factorise_through(&w, 0), Err(TheoryError::NoInnerDim { .. })));
        let empty = Matrix::from_element(1, 0, integer(1));
        assert!(matches!(factorise_through(&empty, 1), Err(TheoryError::Empty { .. })));
    }
}
