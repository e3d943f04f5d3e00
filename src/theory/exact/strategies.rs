//! Random exact cases, with the sizes and entries that proptest shrinks towards: one row, one column, zeros and ones.

use crate::theory::number::{Matrix, Rational};
use crate::theory::step::Step;
use num_bigint::BigInt;
use num_traits::Zero;
use proptest::arbitrary::any;
use proptest::collection::vec;
use proptest::strategy::Strategy;
use std::ops::RangeInclusive;

/// Sizes n, k, d of the exact cases: n < d, n = d and n > d all occur, and k on both sides of each.
pub const SIZES: RangeInclusive<usize> = 1..=5;

/// Integer entries of the exact cases.
const ENTRIES: RangeInclusive<i32> = -9..=9;

/// A matrix of small integers.
pub fn integers(rows: usize, cols: usize) -> impl Strategy<Value = Matrix<Rational>> {
    vec(ENTRIES, rows * cols).prop_map(move |entries| {
        let entries = entries.into_iter().map(|x| Rational::from_integer(BigInt::from(x)));
        Matrix::from_iterator(rows, cols, entries)
    })
}

/// A plain SGD step of factors of small integers, η a ratio of small integers.
pub fn steps(depths: RangeInclusive<usize>) -> impl Strategy<Value = Step<Rational>> {
    (depths, SIZES, SIZES, SIZES).prop_flat_map(|(depth, n, k, d)| step(depth, n, k, d))
}

/// As [`steps`], with at least one row of G zero.
pub fn steps_with_unseen_rows(depths: RangeInclusive<usize>) -> impl Strategy<Value = Step<Rational>> {
    // One flat map, not two: what proptest tries while shrinking multiplies with each that is nested.
    (depths, SIZES, SIZES, SIZES).prop_flat_map(|(depth, n, k, d)| {
        (step(depth, n, k, d), 0..n, vec(any::<bool>(), n)).prop_map(|(mut step, one, mut unseen)| {
            unseen[one] = true;
            for (row, _) in unseen.iter().enumerate().filter(|(_, unseen)| **unseen) {
                step.gradient.row_mut(row).fill(Rational::zero());
            }
            step
        })
    })
}

fn step(depth: usize, n: usize, k: usize, d: usize) -> impl Strategy<Value = Step<Rational>> {
    let width = move |j: usize| match j {
        0 => n,
        j if j == depth => d,
        _ => k,
    };
    let factors: Vec<_> = (0..depth).map(|j| integers(width(j), width(j + 1)).boxed()).collect();
    (factors, integers(n, d), learning_rates()).prop_map(|(factors, gradient, learning_rate)| Step {
        factors,
        gradient,
        learning_rate,
    })
}

fn learning_rates() -> impl Strategy<Value = Rational> {
    (1i32..=9, 1i32..=9).prop_map(|(p, q)| Rational::new(p.into(), q.into()))
}
