//! The sums themselves: exact, of one form for any cut and order, and what they prove.

use std::path::{Path, PathBuf};

use mlet::spectrum::gram::certify::Interval;
use mlet::spectrum::partial::Partial;
use mlet::spectrum::sources::Source;
use mlet::spectrum::table::{Float, Table};
use mlet::spectrum::{Accuracy, Route, certified_values, singular_values};
use mlet::theory::Rational;
use mlet::theory::exact::{count_above, count_at_least};
use num_bigint::BigInt;
use tempfile::TempDir;

use crate::{FLOATS, cut, factor, numbers};

fn source(name: &str, tables: Vec<Table>) -> Source {
    Source {
        name: name.into(),
        path: name.into(),
        tables,
        left_out: Vec::new(),
    }
}

/// A file for each part, and their paths.
fn written(folder: &Path, parts: Vec<Table>) -> Vec<PathBuf> {
    let write = |(i, table): (usize, Table)| {
        let path = folder.join(format!("{i}.partial"));
        Partial::of(&source(&format!("part{i}"), vec![table]))
            .unwrap()
            .write(&path)
            .unwrap();
        path
    };
    parts.into_iter().enumerate().map(write).collect()
}

/// n×d tables of every type, and products of two and three factors.
fn tables(n: usize, d: usize) -> Vec<Table> {
    let plain = FLOATS.iter().map(|&float| vec![factor(&numbers(n, d, 1), float)]);
    let products = [2, 3].map(|depth| {
        let inner = |j| {
            factor(
                &numbers(d + 2, if j + 1 == depth { d } else { d + 2 }, 7 + j as u64),
                Float::F32,
            )
        };
        let first = factor(&numbers(n, d + 2, 5), Float::F32);
        std::iter::once(first).chain((1..depth).map(inner)).collect()
    });
    plain.chain(products).map(|factors| Table::new("t", factors)).collect()
}

const CUTS: [&[usize]; 6] = [&[], &[1], &[0, 0, 300], &[299], &[7, 8, 9, 150], &[128, 256]];

#[test]
fn parts_in_any_order_are_the_whole_to_the_bit() {
    for table in tables(300, 5) {
        let whole = Partial::of(&source("whole", vec![table.clone()])).unwrap();
        for cuts in CUTS {
            let folder = TempDir::new().unwrap();
            let mut paths = written(folder.path(), cut(&table, cuts));
            let sum = Partial::merge(&paths).unwrap();
            assert_eq!(sum.tables, whole.tables, "{cuts:?}");
            paths.reverse();
            let other = Partial::merge(&paths).unwrap();
            assert_eq!(sum, other, "{cuts:?}");
            // In two steps, and to the byte.
            let (a, b) = paths.split_at(paths.len() / 2);
            let step = folder.path().join("step");
            let rest = match a.is_empty() {
                true => Partial::merge(b).unwrap(),
                false => {
                    Partial::merge(a).unwrap().write(&step).unwrap();
                    Partial::merge(&[std::slice::from_ref(&step), b].concat()).unwrap()
                }
            };
            let bytes = |partial: &Partial| {
                partial.write(&step).unwrap();
                std::fs::read(&step).unwrap()
            };
            assert_eq!(bytes(&sum), bytes(&rest), "{cuts:?}");
        }
    }
}

#[test]
fn more_parts_than_rows() {
    let table = Table::new("t", vec![factor(&numbers(9, 4, 3), Float::F32)]);
    let cuts: Vec<usize> = (0..9).flat_map(|i| [i, i]).collect();
    let folder = TempDir::new().unwrap();
    let paths = written(folder.path(), cut(&table, &cuts));
    assert!(paths.len() > 9);
    let whole = Partial::of(&source("whole", vec![table])).unwrap();
    assert_eq!(Partial::merge(&paths).unwrap().tables, whole.tables);
}

/// The values are those of the whole table by every other way.
#[test]
fn values_and_intervals_are_those_of_the_whole_table() {
    for table in tables(3000, 8) {
        let (n, d) = (3000.0, 8.0);
        let exact = Partial::of(&source("whole", vec![table.clone()])).unwrap().tables[0]
            .values()
            .unwrap();
        assert_eq!(exact.route, Route::Exact);
        let whole = certified_values(&table.factors, Accuracy::default()).unwrap();
        let by_qr = singular_values(&table.factors).unwrap();
        let norms: f64 = (table.factors.iter())
            .map(|f| singular_values(std::slice::from_ref(f)).unwrap()[0])
            .product();
        let atol = 50.0 * f64::max(n, d + 2.0) * f64::EPSILON * norms;
        for (i, value) in by_qr.iter().enumerate() {
            let (sigma, interval, other) = (exact.sigma[i], exact.intervals[i], whole.intervals[i]);
            assert!(interval.lo <= sigma && sigma <= interval.hi);
            assert!(
                interval.lo <= other.hi && other.lo <= interval.hi,
                "{i}: {interval:?} {other:?}"
            );
            assert!(other.lo <= sigma && sigma <= other.hi, "{i}: {sigma} {other:?}");
            assert!((sigma - value).abs() <= atol, "{i}: {sigma} {value}");
            assert!(narrow(interval, exact.sigma[0], 10.0), "{i}: {interval:?}");
        }
    }
}

/// As narrow as vectors in f64 allow: the rest of the off-diagonal entries moves σ by a few d·ε·σ₁, or a zero by the root of that.
fn narrow(interval: Interval, first: f64, d: f64) -> bool {
    let unit = 64.0 * d * f64::EPSILON;
    match interval.lo > 0.0 {
        true => interval.hi - interval.lo <= unit * first,
        false => interval.hi <= unit.sqrt() * first,
    }
}

fn rational(x: f64) -> Rational {
    Rational::from_float(x).unwrap()
}

/// Every interval against exact counts: the inertia of WᵀW − x²·I over the rationals.
#[test]
fn intervals_hold_exactly_also_where_f64_sees_nothing() {
    for (seed, float) in (0u64..).zip(FLOATS) {
        for small in [1.0, 1e-3, 1e-6] {
            let mut values = numbers(12, 3, seed);
            // The third column is the first, but for a little.
            for i in 0..12 {
                values[(i, 2)] = values[(i, 0)] + small * values[(i, 2)];
            }
            let w = factor(&values, float);
            let mut exact = mlet::theory::Matrix::from_element(12, 3, Rational::from_integer(BigInt::from(0)));
            w.with_rows(0..12, |entries| {
                entries.each(|at, x| exact[(at / 3, at % 3)] = rational(x))
            });
            let part = Partial::of(&source("p", vec![Table::new("t", vec![w])])).unwrap();
            let spectrum = part.tables[0].values().unwrap();
            for (i, interval) in spectrum.intervals.iter().enumerate() {
                let squared = |x: f64| rational(x) * rational(x);
                assert!(
                    count_at_least(&exact, &squared(interval.lo)) > i,
                    "σ[{i}] below {interval:?}"
                );
                assert!(
                    count_above(&exact, &squared(interval.hi)) <= i,
                    "σ[{i}] above {interval:?}"
                );
                assert!(
                    narrow(*interval, spectrum.sigma[0], 3.0),
                    "{float:?} {small} {interval:?}"
                );
            }
        }
    }
}

/// Entries whose squares leave the range of f64 at either end, and both beside each other.
#[test]
fn the_ends_of_the_range() {
    for (large, little) in [(1e300, 1e290), (1e-300, 1e-310), (1e300, 1e-300), (5e-324, 0.0)] {
        let values = ndarray::array![[large, 0.0], [0.0, little], [0.0, 0.0]];
        let table = Table::new("t", vec![factor(&values, Float::F64)]);
        let spectrum = Partial::of(&source("p", vec![table])).unwrap().tables[0]
            .values()
            .unwrap();
        for (interval, truth) in spectrum.intervals.iter().zip([large, little]) {
            assert!(interval.lo <= truth && truth <= interval.hi, "{truth:e} {interval:?}");
        }
        assert!(
            (spectrum.sigma[0] / large - 1.0).abs() <= 1e-15,
            "{:e}",
            spectrum.sigma[0]
        );
    }
}
