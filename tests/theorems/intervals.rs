//! E10 in floating point: intervals for singular values hold, against exact counts and known values, and are no wider than
//! they must be.

use crate::common::assert_holds;
use mlet::theory::exact::{count_above, count_at_least, from_float};
use mlet::theory::floating::Floating;
use mlet::theory::matrices::{Case, Kind, random, with_singular_values};
use mlet::theory::weyl_floating::{self, Certified};
use mlet::theory::{Matrix, Rational};
use proptest::prelude::*;

proptest! {
    #[test]
    fn e10_two_decompositions_agree(case in random()) {
        assert_holds(weyl_floating::check::<f32>(&case.matrix()).unwrap());
        assert_holds(weyl_floating::check::<f64>(&case.matrix()).unwrap());
    }

    /// Any matrix, exactly: σᵢ ≥ low is a count by the inertia of WᵀW − low²·I over the rationals, and so is σᵢ ≤ high.
    #[test]
    fn e10_intervals_hold_exactly(case in random().prop_filter("small", |case| case.n.min(case.d) <= 5)) {
        for certified in [certified_of::<f32>(&case), certified_of::<f64>(&case)] {
            let (exact, certified) = certified;
            let squared = |x: f64| {
                let x = from_float("x", &Matrix::from_element(1, 1, x)).unwrap()[(0, 0)].clone();
                &x * &x
            };
            for (i, interval) in certified.intervals().iter().enumerate() {
                prop_assert!(count_at_least(&exact, &squared(interval.low)) > i, "σ[{i}] below {interval:?}");
                prop_assert!(count_above(&exact, &squared(interval.high)) <= i, "σ[{i}] above {interval:?}");
            }
        }
    }

    /// σ known exactly: a diagonal matrix with its rows and columns in another order.
    #[test]
    fn e10_intervals_hold_known_values(mut sigma in proptest::collection::vec(0.0f64..2.0, 1..12), past in 0usize..5) {
        let (d, n) = (sigma.len(), sigma.len() + past);
        let a = Matrix::from_fn(n, d, |i, j| if i == (j + 1) % d { sigma[j] } else { 0.0 });
        let (scaled, certified) = weyl_floating::certified("A", &a).unwrap();
        sigma.sort_by(|a, b| b.total_cmp(a));
        for (interval, &x) in certified.intervals().iter().zip(&sigma) {
            let x = libm::ldexp(x, -scaled.exponent);
            prop_assert!(interval.low <= x && x <= interval.high, "{x} not in {interval:?}");
        }
        for tau in [0.01, 0.5] {
            let truth = sigma.iter().filter(|&&x| x > tau * sigma[0]).count();
            prop_assert!(certified.rank_at(tau).contains(&truth));
        }
    }
}

/// The same counts see an interval that leaves out the residual.
#[test]
fn an_interval_without_the_residual_misses_the_truth() {
    let missed = |seed| {
        let (exact, certified) = certified_of::<f32>(&Case {
            kind: Kind::Random,
            n: 6,
            d: 4,
            k: 1,
            seed,
        });
        let interval = weyl_floating::interval(certified.sigma[0], 0.0);
        let low = from_float("x", &Matrix::from_element(1, 1, interval.low)).unwrap()[(0, 0)].clone();
        let high = from_float("x", &Matrix::from_element(1, 1, interval.high)).unwrap()[(0, 0)].clone();
        count_at_least(&exact, &(&low * &low)) == 0 || count_above(&exact, &(&high * &high)) > 0
    };
    assert!((0..8).all(missed));
}

/// The case's normalised matrix as rationals, with fewer columns than rows, and its measured decomposition.
fn certified_of<T: Floating>(case: &Case) -> (Matrix<Rational>, Certified) {
    let w: Matrix<T> = case.matrix();
    let w = if w.ncols() > w.nrows() { w.transpose() } else { w };
    let (scaled, certified) = weyl_floating::certified("W", &w).unwrap();
    (from_float("W", &scaled.matrix).unwrap(), certified)
}

/// E10 measures what is wrong and says so: a σ off by δ with the vectors left alone has a residual of δ, and its interval grows
/// by that; an interval without the residual, or a residual 1.3 times too small, misses the truth.
#[test]
fn weyl_intervals_are_as_wide_as_they_must_be() {
    let a = Matrix::from_diagonal(&nalgebra::DVector::from_vec(vec![1.0, 0.5]));
    let basis = Matrix::identity(2, 2);
    for delta in [1e-3, 1e-9] {
        let certified = Certified::measure(&a, &basis, &[1.0, 0.5 + delta], &basis);
        let interval = certified.intervals()[1];
        assert!(
            interval.low <= 0.5 && interval.high >= 0.5 + 2.0 * delta,
            "{interval:?}"
        );
        // Attained: no wider than the residual and a few roundings of numbers of order 1.
        assert!(interval.low >= 0.5 - 100.0 * f64::EPSILON, "{interval:?}");
        let narrow = weyl_floating::interval(0.5 + delta, certified.residual / 1.3);
        assert!(narrow.low > 0.5, "{narrow:?}");
    }
    let skewed = Matrix::from_row_slice(2, 2, &[1.0, 0.1, 0.0, 1.0]);
    assert!(Certified::measure(&a, &skewed, &[1.0, 0.5], &basis).radius(0) > 0.1);
    let useless = Certified::measure(&a, &(basis.clone() * 3.0), &[1.0, 0.5], &basis);
    assert_eq!(useless.rank_at(0.01), 0..=2);
    assert_eq!(
        Certified::measure(&(a * f64::NAN), &basis, &[1.0, 0.5], &basis).count_above(0.1),
        0..=2
    );
}

#[test]
fn a_count_is_certain_only_where_it_is() {
    let a = with_singular_values(&[1.0, 0.5, 0.1, 1e-18], 6, 4, 3);
    let (_, certified) = weyl_floating::certified("A", &a).unwrap();
    assert_eq!(certified.rank_at(0.01), 3..=3);
    assert_eq!(certified.rank_at(0.3), 2..=2);
    // On the threshold, and below what f64 can tell.
    let on = certified.rank_at(0.5);
    assert!(on.contains(&1) && on.contains(&2), "{on:?}");
    assert!(certified.rank_at(1e-19).contains(&4));
}

#[test]
fn disagreement_is_seen() {
    let case = Case {
        kind: Kind::Random,
        n: 6,
        d: 5,
        k: 1,
        seed: 8,
    };
    let a: Matrix<f64> = case.matrix();
    let (_, ours) = weyl_floating::certified("A", &a).unwrap();
    let mut other = weyl_floating::second_opinion(&a).unwrap();
    assert_holds(weyl_floating::agree(&ours, &other));
    other.sigma[4] *= 1.0 + 1e-9;
    assert!(!weyl_floating::agree(&ours, &other).holds());
    other.sigma[4] = f64::NAN;
    assert!(!weyl_floating::agree(&ours, &other).holds());
}
