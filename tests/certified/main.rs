//! Certified intervals: every exact singular value of the stored numbers lies in its own.

use mlet::spectrum::gram::certify::Interval;
use mlet::spectrum::table::Factor;
use mlet::spectrum::{Accuracy, Route, certified_values};
use mlet::theory::exact::{count_above, count_at_least, from_float};
use mlet::theory::{Matrix, Rational};
use ndarray::Array2;
use proptest::prelude::*;

fn exact(x: f64) -> Rational {
    Rational::from_float(x).unwrap()
}

/// Every interval against counts over the rationals: at most i values lie above the upper end of σ[i], and at least i + 1 at or
/// above its lower end.
fn hold(factors: &[Array2<f32>], intervals: &[Interval]) {
    let rational = |a: &Array2<f32>| from_float("W", &Matrix::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)])).unwrap();
    let matrices: Vec<Matrix<Rational>> = factors.iter().map(rational).collect();
    let w = mlet::theory::step::product(&matrices);
    for (i, interval) in intervals.iter().enumerate() {
        let squared = |x: f64| exact(x) * exact(x);
        let above = count_above(&w, &squared(interval.hi));
        assert!(above <= i, "{above} values above the upper end of σ[{i}] {interval:?}");
        let at_least = count_at_least(&w, &squared(interval.lo));
        assert!(
            at_least > i,
            "{at_least} values from the lower end of σ[{i}] {interval:?} on"
        );
    }
}

fn certify(factors: &[Array2<f32>], accuracy: Accuracy) -> mlet::spectrum::CertifiedSpectrum {
    let factors: Vec<Factor> = factors.iter().map(|a| Factor::f32("w", a.clone())).collect();
    certified_values(&factors, accuracy).unwrap()
}

/// Entries over many orders of magnitude, some of them zero.
fn entry() -> impl Strategy<Value = f32> {
    (-1.0f32..1.0, -30i32..1).prop_map(|(x, e)| if x.abs() < 0.1 { 0.0 } else { x * 2f32.powi(e) })
}

fn table(rows: usize, cols: usize) -> impl Strategy<Value = Array2<f32>> {
    proptest::collection::vec(entry(), rows * cols)
        .prop_map(move |entries| Array2::from_shape_vec((rows, cols), entries).unwrap())
}

/// Widths that the Gram route cannot meet take the others.
const NARROW: Accuracy = Accuracy {
    floor: 1e-15,
    relative_width: 1e-16,
};

proptest! {
    #[test]
    fn a_tables_intervals_hold(w in (1usize..9, 1usize..5).prop_flat_map(|(n, d)| table(n, d))) {
        for accuracy in [Accuracy::default(), NARROW] {
            hold(std::slice::from_ref(&w), &certify(std::slice::from_ref(&w), accuracy).intervals);
        }
    }

    #[test]
    fn a_products_intervals_hold(
        factors in (1usize..7, 1usize..5, 1usize..5).prop_flat_map(|(n, k, d)| (table(n, k), table(k, d)))
    ) {
        let factors = [factors.0, factors.1];
        for accuracy in [Accuracy::default(), NARROW] {
            hold(&factors, &certify(&factors, accuracy).intervals);
        }
    }
}

/// The rule takes the first route that is narrow enough, and another one where it is asked for more.
#[test]
fn the_route_is_the_rules() {
    let graded = Array2::from_shape_fn((500, 6), |(i, j)| {
        ((i * 37 + j * 11 + i * j) % 101) as f32 / 101.0 - 0.5
    });
    assert_eq!(
        certify(std::slice::from_ref(&graded), Accuracy::default()).route,
        Route::Gram
    );
    assert_eq!(certify(&[graded], NARROW).route, Route::Qr);
}

/// What the intervals claim is worth something: wrong by 1e-6 is noticed.
#[test]
fn a_shifted_interval_is_caught() {
    let w = Array2::from_shape_fn((5, 2), |(i, j)| (i as f32 + 1.0) / (j as f32 + 2.0) + (i * j) as f32);
    let certified = certify(std::slice::from_ref(&w), Accuracy::default());
    hold(std::slice::from_ref(&w), &certified.intervals);
    for factor in [1.0 - 1e-6, 1.0 + 1e-6] {
        let shifted: Vec<Interval> = certified
            .intervals
            .iter()
            .map(|interval| Interval {
                lo: interval.lo * factor,
                hi: interval.hi * factor,
            })
            .collect();
        let w = w.clone();
        assert!(std::panic::catch_unwind(move || hold(&[w], &shifted)).is_err());
    }
}
