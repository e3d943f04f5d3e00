//! Signs of eigenvalues, and with them exact counts of singular values above a threshold.

use super::elimination::common_denominator;
use crate::theory::number::{Matrix, Rational};
use num_bigint::{BigInt, Sign};
use num_traits::{One, Zero};

/// How many eigenvalues of a symmetric matrix are negative, zero and positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inertia {
    /// Below zero.
    pub negative: usize,
    /// Zero.
    pub zero: usize,
    /// Above zero.
    pub positive: usize,
}

/// The inertia of a symmetric matrix, by Sylvester's law from the pivots of a symmetric elimination; `None` where the matrix is
/// not symmetric.
///
/// The elimination is fraction-free: pivot i of the LDLᵀ factorisation is the quotient of the i-th integer pivot and the one
/// before, so only their signs are needed. Where every diagonal entry left is zero but another is not, row and column j are
/// added to row and column i, a congruence, which gives a pivot 2·aᵢⱼ: no 2×2 pivot is needed.
pub fn inertia(matrix: &Matrix<Rational>) -> Option<Inertia> {
    if !matrix.is_square() || *matrix != matrix.transpose() {
        return None;
    }
    let multiple = common_denominator(matrix.iter());
    let mut left = matrix.map(|x| x.numer() * (&multiple / x.denom()));
    let mut found = Inertia::default();
    let mut previous = BigInt::one();
    while !left.is_empty() {
        let Some(at) = pivot(&mut left) else {
            found.zero = left.nrows();
            break;
        };
        left.swap_rows(0, at);
        left.swap_columns(0, at);
        let pivot = left[(0, 0)].clone();
        match (pivot.sign() == Sign::Minus) == (previous.sign() == Sign::Minus) {
            true => found.positive += 1,
            false => found.negative += 1,
        }
        let size = left.nrows() - 1;
        left = Matrix::from_fn(size, size, |i, j| {
            let (i, j) = (i + 1, j + 1);
            (&pivot * &left[(i, j)] - &left[(i, 0)] * &left[(0, j)]) / &previous
        });
        previous = pivot;
    }
    Some(found)
}

/// The place of a diagonal entry that is not zero, made by a congruence where there is none; `None` for the zero matrix.
fn pivot(matrix: &mut Matrix<BigInt>) -> Option<usize> {
    let size = matrix.nrows();
    if let Some(at) = (0..size).find(|i| !matrix[(*i, *i)].is_zero()) {
        return Some(at);
    }
    let pairs = (0..size).flat_map(|i| (0..i).map(move |j| (i, j)));
    let (i, j) = pairs.into_iter().find(|at| !matrix[*at].is_zero())?;
    let row = matrix.row(j).into_owned();
    matrix.row_mut(i).iter_mut().zip(row.iter()).for_each(|(x, y)| *x += y);
    let column = matrix.column(j).into_owned();
    matrix
        .column_mut(i)
        .iter_mut()
        .zip(column.iter())
        .for_each(|(x, y)| *x += y);
    Some(i)
}

/// How many singular values of W have σ² > `squared`: the positive eigenvalues of WᵀW − `squared`·I.
///
/// All min(n, d) of them are above a negative number.
pub fn count_above(w: &Matrix<Rational>, squared: &Rational) -> usize {
    shifted(w, squared).positive
}

/// How many singular values of W, of its min(n, d), have σ² ≥ `squared`.
pub fn count_at_least(w: &Matrix<Rational>, squared: &Rational) -> usize {
    let signs = shifted(w, squared);
    signs.positive + signs.zero
}

/// The inertia of the smaller Gram matrix minus `squared`·I.
fn shifted(w: &Matrix<Rational>, squared: &Rational) -> Inertia {
    let mut gram = match w.nrows() < w.ncols() {
        true => w * w.transpose(),
        false => w.transpose() * w,
    };
    for i in 0..gram.nrows() {
        gram[(i, i)] -= squared;
    }
    inertia(&gram).unwrap_or_default() // a Gram matrix is symmetric
}

#[cfg(test)]
mod tests {
    use super::super::strategies::{SIZES, integers, rational_svds, tables};
    use super::super::{integer, inverse, rank};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sylvesters_law(signs in proptest::collection::vec(-1i32..=1, 1..6), entries in proptest::collection::vec(-4i32..=4, 25)) {
            let n = signs.len();
            let x = Matrix::from_fn(n, n, |i, j| integer(entries[5 * i + j]));
            prop_assume!(inverse(&x).is_some());
            let diagonal: Vec<Rational> = signs.iter().map(|s| integer(*s * 3)).collect();
            let a = x.transpose() * super::super::rectangular_diagonal(n, n, &diagonal) * &x;
            let count = |sign| signs.iter().filter(|s| **s == sign).count();
            let expected = Inertia { negative: count(-1), zero: count(0), positive: count(1) };
            prop_assert_eq!(inertia(&a), Some(expected));
        }

        #[test]
        fn a_symmetric_matrix_and_its_negative((n, x) in SIZES.prop_flat_map(|n| (Just(n), integers(n, n)))) {
            // Zero diagonals are common here: the congruence is exercised.
            let mut a = &x + x.transpose();
            a.fill_diagonal(integer(0));
            let (plus, minus) = (inertia(&a).unwrap(), inertia(&-&a).unwrap());
            prop_assert_eq!((plus.negative, plus.zero, plus.positive), (minus.positive, minus.zero, minus.negative));
            prop_assert_eq!(n - plus.zero, rank(&a));
            prop_assert!(plus.zero == n || (plus.negative > 0 && plus.positive > 0), "trace 0: {:?}", plus);
        }

        #[test]
        fn counts_of_planted_singular_values(planted in rational_svds(1)) {
            for t in &planted.sigma {
                let squared = t * t;
                let above = planted.sigma.iter().filter(|s| *s > t).count();
                let at_least = planted.sigma.iter().filter(|s| *s >= t).count();
                prop_assert_eq!(count_above(&planted.w, &squared), above);
                prop_assert_eq!(count_at_least(&planted.w, &squared), at_least);
            }
        }

        #[test]
        fn the_count_above_zero_is_the_rank(w in tables()) {
            prop_assert_eq!(count_above(&w, &integer(0)), rank(&w));
            prop_assert_eq!(count_at_least(&w, &integer(0)), w.nrows().min(w.ncols()));
        }
    }

    #[test]
    fn only_symmetric_matrices_have_one() {
        let a = Matrix::from_row_slice(2, 2, &[integer(0), integer(1), integer(2), integer(0)]);
        assert_eq!(inertia(&a), None);
        assert_eq!(inertia(&Matrix::from_element(1, 2, integer(0))), None);
    }
}
