//! Counts decided over the integers: tables built so that f64 cannot tell, and random ones against counts by inertia.

mod command;
mod random;

use mlet::report::record::Spectrum;
use mlet::spectrum::exact::{ExactSpectrum, decimal};
use mlet::spectrum::table::Factor;
use ndarray::{Array2, arr2};

/// The count, what the intervals say of it, and the exact rank.
fn count(factors: &[Factor], tau: f64) -> (usize, Option<usize>, usize) {
    let measured = Spectrum::of(factors, 1e-7, &[tau]).unwrap();
    let exact = ExactSpectrum::of(factors).unwrap();
    let number = measured.measures.ranks_at[0].1.number();
    (exact.count_above(&decimal(tau)), number, exact.rank())
}

/// The orthogonal basis (1, 1, 1, 1)/2, (1, −1, 1, −1)/2, …, doubled.
const HADAMARD: [[f64; 4]; 4] = [
    [1.0, 1.0, 1.0, 1.0],
    [1.0, -1.0, 1.0, -1.0],
    [1.0, 1.0, -1.0, -1.0],
    [1.0, -1.0, -1.0, 1.0],
];

/// Rows `x·vⱼ`, vⱼ the rows of HADAMARD: σⱼ² is 4·Σx² of the rows along vⱼ, exactly, and no row is along an axis.
fn rows_along(rows: &[(usize, f64)]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), 4), |(i, j)| rows[i].1 * HADAMARD[rows[i].0][j])
}

/// x as a sum of four squares.
fn four_squares(x: u64) -> [f64; 4] {
    let root = |x: u64| (x as f64).sqrt() as u64;
    for (a, b) in (0..=root(x)).rev().flat_map(|a| (0..=a).map(move |b| (a, b))) {
        let Some(rest) = x.checked_sub(a * a + b * b) else {
            break;
        };
        for c in 0..=root(rest) {
            let d = root(rest - c * c);
            if c * c + d * d == rest {
                return [a, b, c, d].map(|x| x as f64);
            }
        }
    }
    unreachable!("Lagrange")
}

/// σ₁² = 10⁴·S and σ₂² = S + `off` with S = N·p²: τ = 0.01 to within off/2S. σ₃ lies between, σ₄ is 0.
fn near_one_hundredth(n: usize, p: u64, off: i32) -> Array2<f64> {
    let greater: Vec<(usize, f64)> = vec![(0, 100.0 * p as f64); n];
    let mut smaller = vec![(1, p as f64); n - 1];
    match off {
        -1 => {
            smaller.push((1, (p - 1) as f64));
            smaller.extend(four_squares(2 * p - 2).map(|x| (1, x)));
        }
        _ => smaller.extend([(1, p as f64), (1, f64::from(off))]),
    }
    rows_along(&[greater, smaller, vec![(2, 7.0 * p as f64); n]].concat())
}

#[test]
fn single_precision_on_either_side_and_exactly_at_it() {
    // Apart by 1/(2·20,000·167,000²) = 9e-16, relative: below an ulp of f64's 0.01.
    for (off, truth) in [(-1, 2), (0, 2), (1, 3)] {
        let w = near_one_hundredth(20_000, 167_000, off).mapv(|x| x as f32);
        let (exact, by_intervals, rank) = count(&[Factor::f32("w", w)], 0.01);
        assert_eq!((exact, rank), (truth, 3), "off by {off}");
        assert_eq!(
            by_intervals, None,
            "the intervals of this table were to leave the count open"
        );
    }
}

#[test]
fn double_precision_on_either_side_and_exactly_at_it() {
    // Columns of lengths 500·m and 5·(m + off), at right angles: apart by 1e-13/m … and exactly.
    let m = 9e12f64;
    for (off, truth) in [(-1.0, 1), (0.0, 1), (1.0, 2)] {
        let w = arr2(&[[300.0 * m, -4.0 * (m + off)], [400.0 * m, 3.0 * (m + off)]]);
        assert!(w.iter().all(|x: &f64| x.abs() < 2f64.powi(53)), "not exact");
        let (exact, _, rank) = count(&[Factor::f64("w", w)], 0.01);
        assert_eq!((exact, rank), (truth, 2), "off by {off}");
    }
}

/// Diagonal factors between orthogonal ones multiply to a ratio that differs from τ by less than any f64 shows.
#[test]
fn products_on_either_side_and_exactly_at_it() {
    let p = 16_000_001.0; // p² is close to 2^48, p⁴ beyond f64
    for (off, truth) in [(-1.0, 2), (0.0, 2), (1.0, 3)] {
        // σ: 2·100·q², 2·(q² + off) with q² + off = (p − 1)(p + 1), p² or p² + 1.
        let (left, right) = match off {
            -1.0 => (p - 1.0, p + 1.0),
            0.0 => (p, p),
            _ => (p * p + 1.0, 1.0), // f64 holds it: 2.56e14
        };
        let along = |x: [f64; 3]| Array2::from_shape_fn((3, 3), |(i, j)| if i == j { x[i] } else { 0.0 });
        let turn = Array2::from_shape_fn((4, 3), |(i, j)| HADAMARD[i][j]);
        let w1 = turn.dot(&along([100.0 * p, left, 7.0 * p]));
        let w2 = along([p, right, p]);
        let w3 = Array2::from_shape_fn((3, 4), |(i, j)| HADAMARD[i][j]);
        let factors = [w1, w2, w3].map(|w| Factor::f64("w", w));
        let (exact, by_intervals, rank) = count(&factors, 0.01);
        assert_eq!((exact, rank), (truth, 3), "off by {off}");
        assert_eq!(
            by_intervals, None,
            "the intervals of this product were to leave the count open"
        );
    }
}

/// One f64 number more or less in τ is one value less or more.
#[test]
fn tau_itself_on_either_side() {
    let w = near_one_hundredth(3, 100, 0);
    let factors = [Factor::f64("w", w)];
    let exact = ExactSpectrum::of(&factors).unwrap();
    for (tau, truth) in [
        (0.01, 2),
        (0.01f64.next_down(), 3),
        (0.01f64.next_up(), 2),
        (0.07, 1),
        (0.07f64.next_down(), 2),
    ] {
        assert_eq!(exact.count_above(&decimal(tau)), truth, "{tau}");
    }
}
