//! Scaling by powers of two: into the range where everything converges, and back.

use faer::{Mat, MatRef};

use super::{DecomposeError, Real};

/// The exponent of the power of two next below `largest`, the greatest |entry| of a matrix; none where that is zero.
pub(crate) fn exponent<T: Real>(largest: T) -> Option<i32> {
    (largest > T::zero()).then(|| largest.ilogb())
}

/// Scales `a` by a power of two so that its greatest |entry| lies in [1, 2); gives the exponent taken out, or none where `a`
/// is zero. Entries must be finite. Exact but for entries so much smaller than the greatest that they become subnormal.
pub(crate) fn normalise<T: Real>(a: &mut Mat<T>) -> Option<i32> {
    let mut largest = T::zero();
    for column in a.col_iter() {
        largest = column.iter().fold(largest, |m, x| m.max(x.abs()));
    }
    let e = exponent(largest)?;
    for column in a.col_iter_mut() {
        // ldexp and not a product: 2^−e itself can overflow.
        column.iter_mut().for_each(|x| *x = x.ldexp(-e));
    }
    Some(e)
}

/// A normalised copy of `a`, and the exponent taken out; none where `a` is zero.
pub(super) fn normalised<T: Real>(a: MatRef<'_, T>) -> Result<(Mat<T>, Option<i32>), DecomposeError> {
    let (rows, cols) = (a.nrows(), a.ncols());
    if rows == 0 || cols == 0 {
        return Err(DecomposeError::Empty { rows, cols });
    }
    if !a.col_iter().all(|column| column.iter().all(|x| x.is_finite())) {
        let bad = (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j)));
        if let Some((row, column)) = bad.into_iter().find(|&(i, j)| !a[(i, j)].is_finite()) {
            return Err(DecomposeError::NotFinite { row, column });
        }
    }
    // An aligned copy, whatever the strides: sums in vector registers depend on the alignment in their last bits.
    let mut scaled = Mat::from_fn(rows, cols, |i, j| a[(i, j)]);
    let exponent = normalise(&mut scaled);
    Ok((scaled, exponent))
}

/// Scales numbers back.
pub(super) fn back<'a, T: Real>(
    numbers: impl IntoIterator<Item = &'a mut T>,
    exponent: i32,
) -> Result<(), DecomposeError> {
    for x in numbers {
        *x = x.ldexp(exponent);
        if x.is_infinite() {
            return Err(DecomposeError::Overflow { greatest: T::GREATEST });
        }
    }
    Ok(())
}
