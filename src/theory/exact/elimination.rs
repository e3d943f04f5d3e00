//! Fraction-free elimination over big integers (Bareiss, Math. Comp. 22, 1968), and what it decides.

use super::integer;
use crate::theory::number::{Matrix, Rational};
use num_bigint::BigInt;
use num_traits::{One, Zero};

/// A matrix brought into reduced row echelon form.
#[derive(Debug, Clone, PartialEq)]
pub struct Echelon {
    /// The columns of the leading ones, ascending; as many as the rank.
    pub pivots: Vec<usize>,
    /// The rows that are not zero (rank×d), reduced: 1 at each pivot, 0 above and below it.
    pub rows: Matrix<Rational>,
}

/// The rank of a matrix: the number of pivots of its elimination over the integers. An empty matrix has rank 0.
pub fn rank(matrix: &Matrix<Rational>) -> usize {
    eliminate(&mut integer_rows(matrix), false).len()
}

/// The reduced row echelon form, fraction-free until the last step.
pub fn row_echelon(matrix: &Matrix<Rational>) -> Echelon {
    let mut rows = integer_rows(matrix);
    let pivots = eliminate(&mut rows, true);
    let reduced = Matrix::from_fn(pivots.len(), matrix.ncols(), |i, j| {
        Rational::new(rows[i][j].clone(), rows[i][pivots[i]].clone())
    });
    Echelon { pivots, rows: reduced }
}

/// The inverse of a square matrix, `None` where it is singular.
pub fn inverse(matrix: &Matrix<Rational>) -> Option<Matrix<Rational>> {
    let n = matrix.nrows();
    let mut both = matrix.clone().resize_horizontally(2 * n, integer(0));
    for i in 0..n {
        both[(i, n + i)] = integer(1);
    }
    let echelon = row_echelon(&both);
    let invertible = echelon.pivots.iter().copied().eq(0..n);
    invertible.then(|| echelon.rows.columns(n, n).into_owned())
}

/// Every row times the least common multiple of its denominators: the same row space.
fn integer_rows(matrix: &Matrix<Rational>) -> Vec<Vec<BigInt>> {
    let row = |i: usize| {
        let multiple = common_denominator(matrix.row(i).iter());
        let entries = matrix.row(i);
        entries.iter().map(|x| x.numer() * (&multiple / x.denom())).collect()
    };
    (0..matrix.nrows()).map(row).collect()
}

/// The least common multiple of the denominators.
pub(super) fn common_denominator<'a>(entries: impl Iterator<Item = &'a Rational>) -> BigInt {
    // lcm(a, b) = a · b/gcd(a, b), and b/gcd(a, b) is the denominator of a/b.
    let lcm = |a: BigInt, b: &BigInt| Rational::new(a.clone(), b.clone()).denom() * a;
    entries.fold(BigInt::one(), |multiple, x| lcm(multiple, x.denom()))
}

/// Eliminates in place, below every pivot or (`both_ways`) also above; returns the pivots' columns. Row i then leads at pivot i.
///
/// After step i every entry is a minor of order i + 1 of the matrix, which is why the division by the pivot before leaves no
/// remainder.
fn eliminate(rows: &mut [Vec<BigInt>], both_ways: bool) -> Vec<usize> {
    let width = rows.first().map_or(0, Vec::len);
    let mut pivots: Vec<usize> = Vec::new();
    let mut previous = BigInt::one();
    for column in 0..width {
        let top = pivots.len();
        let Some(found) = (top..rows.len()).find(|i| !rows[*i][column].is_zero()) else {
            continue;
        };
        rows.swap(top, found);
        let pivot_row = rows[top].clone();
        let pivot = &pivot_row[column];
        for (i, row) in rows.iter_mut().enumerate() {
            if i == top || (i < top && !both_ways) {
                continue;
            }
            let lead = row[column].clone();
            for (x, from) in row.iter_mut().zip(&pivot_row) {
                *x = (pivot * &*x - &lead * from) / &previous;
            }
        }
        previous = pivot.clone();
        pivots.push(column);
    }
    pivots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: usize, cols: usize, entries: &[i64]) -> Matrix<Rational> {
        Matrix::from_row_iterator(rows, cols, entries.iter().map(|x| integer(*x)))
    }

    #[test]
    fn ranks() {
        assert_eq!(rank(&of(1, 1, &[0])), 0);
        assert_eq!(rank(&of(2, 3, &[0; 6])), 0);
        assert_eq!(rank(&of(2, 3, &[0, 2, 4, 0, 3, 6])), 1);
        assert_eq!(rank(&of(3, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9])), 2);
        assert_eq!(rank(&of(3, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 10])), 3);
        assert_eq!(rank(&of(3, 2, &[0, 0, 0, 1, 1, 0])), 2);
        assert_eq!(rank(&Matrix::from_element(0, 3, integer(1))), 0);
    }

    #[test]
    fn a_rank_that_rounding_would_lose() {
        // In f64 the two rows are the same.
        let tiny = Rational::new(1.into(), BigInt::one() << 200);
        let mut w = of(2, 2, &[1, 1, 1, 1]);
        w[(1, 1)] += tiny;
        assert_eq!(rank(&w), 2);
    }

    #[test]
    fn echelon_and_inverse() {
        let echelon = row_echelon(&of(3, 4, &[0, 2, 4, 2, 0, 1, 2, 2, 0, 3, 6, 4]));
        assert_eq!(echelon.pivots, [1, 3]);
        assert_eq!(echelon.rows, of(2, 4, &[0, 1, 2, 0, 0, 0, 0, 1]));
        let a = of(3, 3, &[0, 1, 2, 1, 0, 3, 4, -3, 8]);
        assert_eq!(&a * inverse(&a).unwrap(), super::super::rectangular_identity(3, 3));
        assert_eq!(inverse(&of(2, 2, &[1, 2, 2, 4])), None);
    }
}
