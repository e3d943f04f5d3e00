//! Centred and weighted spectra against the singular values of the matrix written out.

use super::{Random, plain};
use mlet::spectrum::rows::{centred_values, count_rows, weighted_values};
use mlet::spectrum::table::{Factor, Table};
use mlet::spectrum::{CertifiedSpectrum, certified_values, singular_values};
use ndarray::{Array2, Axis};

fn random(n: usize, d: usize, seed: u64, mean: f32) -> Array2<f32> {
    let mut random = Random(seed);
    Array2::from_shape_fn((n, d), |(_, j)| {
        random.number() * 0.5f32.powi(j as i32 % 8) + mean * (1.0 + j as f32)
    })
}

/// Intervals that meet those of the matrix formed in f64, which is off by `moved` (Frobenius), and values as near as the unit of
/// docs/tolerances.md: 50·max(n, d)·ε·σ₁ of the table before the change.
fn agree(found: &CertifiedSpectrum, formed: &Array2<f64>, size: f64) {
    let (n, d) = formed.dim();
    let other = singular_values(&[Factor::f64("w", formed.clone())]).unwrap();
    assert_eq!(found.sigma.len(), other.len());
    let tolerance = 50.0 * n.max(d) as f64 * f64::EPSILON * size;
    for (i, (sigma, interval)) in found.sigma.iter().zip(&found.intervals).enumerate() {
        assert!(
            (interval.lo..=interval.hi).contains(sigma),
            "σ[{i}] = {sigma:e} outside {interval:?}"
        );
        let within = interval.lo - tolerance <= other[i] && other[i] <= interval.hi + tolerance;
        assert!(within, "σ[{i}] = {:e} outside {interval:?}", other[i]);
        // A value of the Gram route is known to √ε of σ₁ at the small end: its interval says so.
        let near = (sigma - other[i]).abs() <= tolerance + (interval.hi - interval.lo);
        assert!(near, "σ[{i}] = {sigma:e}, formed {:e}", other[i]);
    }
}

fn table(factors: Vec<Array2<f32>>) -> Table {
    Table::new("w", factors.into_iter().map(|f| Factor::f32("w", f)).collect())
}

fn product(table: &[Array2<f32>]) -> Array2<f64> {
    let mut factors = table.iter().map(|f| f.mapv(f64::from));
    let first = factors.next().unwrap();
    factors.fold(first, |product, next| product.dot(&next))
}

#[test]
fn centred() {
    for (n, d, mean) in [
        (1, 3, 1.0),
        (2, 2, 1.0),
        (5, 8, 0.1),
        (400, 6, 0.0),
        (9000, 16, 3.0),
        (3000, 20, 1e-3),
    ] {
        for further in [None, Some(random(d, 4, 77, 0.2))] {
            let factors: Vec<Array2<f32>> = std::iter::once(random(n, d, 5, mean)).chain(further).collect();
            let w = product(&factors);
            let centred = &w - &w.mean_axis(Axis(0)).unwrap().insert_axis(Axis(0));
            let table = table(factors);
            let counts = count_rows(&table).unwrap();
            let found = centred_values(&table.factors, &counts).unwrap();
            let size: f64 = table
                .factors
                .iter()
                .map(|f| singular_values(std::slice::from_ref(f)).unwrap()[0])
                .product();
            agree(&found, &centred, size);
        }
    }
}

/// What all rows have in common is gone: a mean a million times the rest, and equal rows.
#[test]
fn a_great_mean_is_taken_away() {
    let mut w = random(5000, 4, 3, 0.0);
    let plain_values = {
        let wide = w.mapv(f64::from);
        let rest = &wide - &wide.mean_axis(Axis(0)).unwrap().insert_axis(Axis(0));
        singular_values(&[Factor::f64("w", rest)]).unwrap()
    };
    // Multiples of 2⁻²⁴ up to ½, and 2^… beside them would be rounded: f64 holds the sum.
    w.mapv_inplace(|x| (x * 1024.0).round() / 1024.0);
    let rounded = {
        let wide = w.mapv(f64::from);
        &wide - &wide.mean_axis(Axis(0)).unwrap().insert_axis(Axis(0))
    };
    let moved = Table::new("w", vec![Factor::f64("w", w.mapv(|x| f64::from(x) + 1e6))]);
    let found = centred_values(&moved.factors, &count_rows(&moved).unwrap()).unwrap();
    let size = singular_values(&moved.factors).unwrap()[0];
    agree(&found, &rounded, size);
    // Rounded to 2⁻¹⁰, the values are still those of the table to a few percent: the mean is really gone.
    assert!((found.sigma[0] / plain_values[0] - 1.0).abs() < 0.05);
    let equal = plain(Array2::from_shape_fn((1000, 3), |(_, j)| 0.1 + j as f32));
    let found = centred_values(&equal.factors, &count_rows(&equal).unwrap()).unwrap();
    assert_eq!(found.sigma, [0.0; 3]);
}

#[test]
fn weighted() {
    for (n, d) in [(1, 3), (2, 2), (5, 8), (400, 6), (9000, 16)] {
        for further in [None, Some(random(d, 4, 77, 0.2))] {
            let factors: Vec<Array2<f32>> = std::iter::once(random(n, d, 6, 0.3)).chain(further).collect();
            let mut source = Random(n as u64);
            let mut frequencies: Vec<u64> = (0..n)
                .map(|_| source.below(4) as u64 * source.below(1000) as u64)
                .collect();
            frequencies[0] = 7;
            let w = product(&factors);
            let used: Vec<usize> = (0..n).filter(|&i| frequencies[i] > 0).collect();
            let mean = frequencies.iter().sum::<u64>() as f64 / used.len() as f64;
            let mut formed = w.select(Axis(0), &used);
            for (mut row, &i) in formed.rows_mut().into_iter().zip(&used) {
                row *= (frequencies[i] as f64 / mean).sqrt();
            }
            let table = table(factors);
            let (rows, found) = weighted_values(&table.factors, &frequencies).unwrap();
            assert_eq!(rows, used.len());
            let scaled: f64 = table
                .factors
                .iter()
                .map(|f| singular_values(std::slice::from_ref(f)).unwrap()[0])
                .product();
            agree(
                &found,
                &formed,
                scaled * (frequencies.iter().max().copied().unwrap() as f64 / mean).sqrt(),
            );
        }
    }
}

/// Equal frequencies give the plain spectrum of the rows used; no use at all gives none.
#[test]
fn weights_that_say_nothing() {
    let w = random(300, 5, 8, 0.1);
    let plain_spectrum = certified_values(&plain(w.clone()).factors, Default::default()).unwrap();
    let (rows, found) = weighted_values(&plain(w.clone()).factors, &[9; 300]).unwrap();
    assert_eq!(rows, 300);
    for (a, b) in found.intervals.iter().zip(&plain_spectrum.intervals) {
        assert!(a.lo <= b.hi && b.lo <= a.hi, "{a:?} and {b:?}");
        assert!(a.relative_width() < 1e-9);
    }
    let (rows, none) = weighted_values(&plain(w).factors, &[0; 300]).unwrap();
    assert_eq!((rows, none.sigma.len()), (0, 0));
}
