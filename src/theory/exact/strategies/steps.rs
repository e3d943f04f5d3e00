//! Plain SGD steps of small integer factors.

use super::{SIZES, integers};
use crate::theory::number::Rational;
use crate::theory::step::Step;
use num_traits::Zero;
use proptest::arbitrary::any;
use proptest::collection::vec;
use proptest::strategy::Strategy;
use std::ops::RangeInclusive;

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
