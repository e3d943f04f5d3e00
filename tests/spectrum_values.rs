//! Singular values of tables: planted spectra, a second opinion (nalgebra), scales, products, bad input.
//!
//! Tolerances as in LAPACK's DDRVBD: an error divided by `max(n, d)·ε·‖W‖` stays below 50 (docs/tolerances.md).

use mlet::spectrum::table::{Factor, Table};
use mlet::spectrum::{SpectrumError, leading, measures, singular_values};
use nalgebra::DMatrix;
use ndarray::Array2;

const THRESHOLD: f64 = 50.0;

/// A number in [−1, 1) from a counter (SplitMix64).
fn noise(seed: u64, i: usize, j: usize) -> f64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((i as u64) << 32 | j as u64);
    z = (z ^ (z >> 30))
        .wrapping_mul(0xBF58_476D_1CE4_E5B9)
        .wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) as i64 as f64 / 2f64.powi(63)
}

fn random(seed: u64, n: usize, d: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, d), |(i, j)| noise(seed, i, j))
}

fn orthonormal(seed: u64, n: usize, r: usize) -> DMatrix<f64> {
    DMatrix::from_fn(n, r, |i, j| noise(seed, i, j))
        .qr()
        .q()
        .columns(0, r)
        .into_owned()
}

/// `U·diag(σ)·Vᵀ` with random orthonormal U, V.
fn planted(seed: u64, n: usize, d: usize, sigma: &[f64]) -> Array2<f64> {
    let mut u = orthonormal(seed, n, sigma.len());
    for (mut column, s) in u.column_iter_mut().zip(sigma) {
        column *= *s;
    }
    let w = u * orthonormal(seed + 1, d, sigma.len()).transpose();
    Array2::from_shape_fn((n, d), |(i, j)| w[(i, j)])
}

fn second_opinion(w: &Array2<f64>) -> Vec<f64> {
    let w = DMatrix::from_fn(w.nrows(), w.ncols(), |i, j| w[(i, j)]);
    let mut sigma: Vec<f64> = w.singular_values().iter().copied().collect();
    sigma.sort_by(|a, b| b.total_cmp(a));
    sigma
}

/// Compares by the worst value; `norm` is the size that rounding errors are proportional to.
fn assert_close(what: &str, got: &[f64], want: &[f64], n: usize, d: usize, norm: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let unit = n.max(d) as f64 * f64::EPSILON * norm;
    let ratio = |i: usize| (got[i] - want[i]).abs() / unit;
    let worst = (0..got.len()).max_by(|&a, &b| ratio(a).total_cmp(&ratio(b))).unwrap();
    assert!(
        ratio(worst) <= THRESHOLD,
        "{what}: σ[{worst}] is {} and not {}: ratio {}",
        got[worst],
        want[worst],
        ratio(worst)
    );
    assert!(
        got.windows(2).all(|p| p[0] >= p[1]) && got.iter().all(|&x| x >= 0.0),
        "{what}: {got:?}"
    );
}

const SHAPES: [(usize, usize); 12] = [
    (1, 1),
    (1, 5),
    (5, 1),
    (3, 8),
    (8, 3),
    (8, 8),
    (64, 64),
    (65, 63),
    (257, 16),
    (1000, 17),
    (9001, 24),
    (30, 200),
];

#[test]
fn planted_spectra_are_found() {
    type Profile = fn(usize, usize) -> f64;
    let profiles: [(&str, Profile); 5] = [
        ("flat", |_, _| 3.0),
        ("graded", |i, r| 10f64.powf(-16.0 * i as f64 / r.max(2) as f64)),
        ("clustered", |i, r| {
            if i < r.div_ceil(2) {
                1.0 + 1e-9 * (r - i) as f64
            } else {
                1e-9
            }
        }),
        ("deficient", |i, r| {
            if i < r.div_ceil(3) { 2f64.powi(-(i as i32)) } else { 0.0 }
        }),
        ("power", |i, _| 1.0 / (i + 1) as f64),
    ];
    for (n, d) in SHAPES {
        for (name, profile) in profiles {
            let r = n.min(d);
            let sigma: Vec<f64> = (0..r).map(|i| profile(i, r)).collect();
            let w = planted(7, n, d, &sigma);
            let got = singular_values(&[Factor::f64("w", w)]).unwrap();
            // Building the planted table rounds as well: twice the unit.
            assert_close(&format!("{name} {n}×{d}"), &got, &sigma, n, d, 2.0 * sigma[0]);
        }
    }
}

#[test]
fn a_small_end_survives_the_blocks() {
    // faer's own QR of a tall matrix drops a column below 16·m·ε of its norm: 10⁻¹² here.
    let sigma = [1.0, 1e-3, 1e-13, 3e-14];
    let w = planted(11, 3000, 4, &sigma);
    let got = singular_values(&[Factor::f64("w", w)]).unwrap();
    // Sums of m rounded terms err by √m·ε as a rule (Higham & Mary 2019).
    let atol = 3000f64.sqrt() * f64::EPSILON;
    for (got, want) in got.iter().zip(sigma) {
        assert!((got - want).abs() <= atol, "{got} and {want}");
    }
}

#[test]
fn agrees_with_a_second_opinion() {
    for (n, d) in SHAPES {
        let w = random(3, n, d);
        let want = second_opinion(&w);
        let got = singular_values(&[Factor::f64("w", w)]).unwrap();
        assert_close(&format!("{n}×{d}"), &got, &want, n, d, want[0]);
    }
}

#[test]
fn products_are_those_of_the_formed_table() {
    let cases: [&[usize]; 8] = [
        &[50, 8, 3],
        &[50, 3, 8],
        &[4, 9, 6],
        &[6, 2, 2, 9],
        &[5000, 40, 6],
        &[5000, 6, 40],
        &[700, 12, 12, 12, 8],
        &[3, 64, 8],
    ];
    for shape in cases {
        let factors: Vec<Array2<f64>> = shape
            .windows(2)
            .enumerate()
            .map(|(j, s)| random(20 + j as u64, s[0], s[1]))
            .collect();
        let formed = factors.iter().skip(1).fold(factors[0].clone(), |w, f| w.dot(f));
        let norm: f64 = factors.iter().map(|f| second_opinion(f)[0]).product();
        let want = second_opinion(&formed);
        let factors: Vec<Factor> = factors.into_iter().map(|f| Factor::f64("f", f)).collect();
        let got = singular_values(&factors).unwrap();
        let inner = *shape.iter().min().unwrap();
        assert!(
            got.iter()
                .skip(inner)
                .all(|&s| s <= THRESHOLD * formed.nrows() as f64 * f64::EPSILON * norm)
        );
        assert_close(
            &format!("{shape:?}"),
            &got,
            &want,
            *shape.iter().max().unwrap(),
            1,
            norm,
        );
    }
}

/// σ is that of [`singular_values`], V is orthonormal, and `‖W·vᵣ‖ = σᵣ`, `Wᵀ·W·vᵣ = σᵣ²·vᵣ`.
#[test]
fn leading_vectors_are_those_of_the_formed_table() {
    let cases: [(&[usize], usize); 10] = [
        (&[50, 8], 3),
        (&[3000, 8], 8),
        (&[3, 8], 2),
        (&[50, 8, 3], 2),
        (&[50, 3, 8], 3),
        (&[50, 3, 8], 6), // past the inner width: zeros, and vectors all the same
        (&[4, 9, 6], 99), // past min(n, d): min(n, d)
        (&[6, 2, 2, 9], 6),
        (&[5000, 6, 40], 5),
        (&[3, 64, 8], 3),
    ];
    for (shape, count) in cases {
        let factors: Vec<Array2<f64>> = shape
            .windows(2)
            .enumerate()
            .map(|(j, s)| random(40 + j as u64, s[0], s[1]))
            .collect();
        let formed = factors.iter().skip(1).fold(factors[0].clone(), |w, f| w.dot(f));
        let norm: f64 = factors.iter().map(|f| second_opinion(f)[0]).product();
        let unit = *shape.iter().max().unwrap() as f64 * f64::EPSILON;
        let factors: Vec<Factor> = factors.into_iter().map(|f| Factor::f64("f", f)).collect();
        let (all, got) = (singular_values(&factors).unwrap(), leading(&factors, count).unwrap());
        let count = count.min(formed.nrows()).min(formed.ncols());
        assert_eq!(
            (got.sigma.len(), got.v.nrows(), got.v.ncols()),
            (count, formed.ncols(), count)
        );
        assert_close(
            &format!("{shape:?}"),
            &got.sigma,
            &all[..count],
            (unit / f64::EPSILON) as usize,
            1,
            norm,
        );
        let v = Array2::from_shape_fn((formed.ncols(), count), |at| got.v[at]);
        let skew = (v.t().dot(&v) - Array2::<f64>::eye(count)).mapv(f64::abs);
        assert!(skew.iter().all(|&x| x <= THRESHOLD * unit), "{shape:?}: {skew}");
        let image = formed.dot(&v);
        let back = formed.t().dot(&image);
        for r in 0..count {
            let length = image.column(r).dot(&image.column(r)).sqrt();
            let ratio = (length - got.sigma[r]).abs() / (unit * norm);
            assert!(
                ratio <= THRESHOLD,
                "{shape:?}: ‖W·v[{r}]‖ is {length}, not {}: {ratio}",
                got.sigma[r]
            );
            let gap = &back.column(r) - &(&v.column(r) * got.sigma[r].powi(2));
            let ratio = gap.dot(&gap).sqrt() / (unit * norm * norm);
            assert!(ratio <= THRESHOLD, "{shape:?}: WᵀW·v[{r}] − σ²·v: {ratio}");
        }
    }
}

#[test]
fn leading_vectors_of_scaled_zero_and_bad_tables() {
    let w = random(5, 30, 4);
    let base = leading(&[Factor::f64("w", w.clone())], 2).unwrap();
    let got = leading(&[Factor::f64("w", w.mapv(|x| libm::ldexp(x, 900)))], 2).unwrap();
    assert_eq!(got.v, base.v);
    assert_eq!(
        got.sigma,
        base.sigma.iter().map(|&s| libm::ldexp(s, 900)).collect::<Vec<_>>()
    );
    let zero = leading(&[Factor::f64("w", w), Factor::f64("z", Array2::zeros((4, 3)))], 2).unwrap();
    assert_eq!(zero.sigma, [0.0, 0.0]);
    assert_eq!((zero.v[(0, 0)], zero.v[(1, 1)], zero.v[(1, 0)]), (1.0, 1.0, 0.0));
    assert_eq!(
        leading(&[Factor::f64("e", Array2::zeros((0, 3)))], 2)
            .unwrap()
            .v
            .ncols(),
        0
    );
    assert_eq!(leading(&[], 2), Err(SpectrumError::NoFactor));
    let nan = leading(&[Factor::f64("b", Array2::from_elem((2, 2), f64::NAN))], 1);
    assert!(matches!(nan, Err(SpectrumError::NotFinite { row: 0, column: 0, .. })));
    let big = || Factor::f64("huge", Array2::from_elem((2, 2), 1e300));
    assert_eq!(
        leading(&[big(), big()], 1),
        Err(SpectrumError::Overflow { tensor: "huge".into() })
    );
}

#[test]
fn a_power_of_two_changes_no_bit() {
    let w = random(5, 300, 7);
    let base = singular_values(&[Factor::f64("w", w.clone())]).unwrap();
    for e in [-960, -700, -300, 300, 1000] {
        let scaled = w.mapv(|x| libm::ldexp(x, e));
        let got = singular_values(&[Factor::f64("w", scaled)]).unwrap();
        let want: Vec<f64> = base.iter().map(|&s| libm::ldexp(s, e)).collect();
        assert_eq!(got, want, "2^{e}");
    }
    let single = w.mapv(|x| x as f32);
    let base = singular_values(&[Factor::f32("w", single.clone())]).unwrap();
    for e in [-90, -60, 60, 120] {
        let scaled = single.mapv(|x| libm::ldexp(x.into(), e) as f32);
        let got = singular_values(&[Factor::f32("w", scaled)]).unwrap();
        let want: Vec<f64> = base.iter().map(|&s| libm::ldexp(s, e)).collect();
        assert_eq!(got, want, "2^{e}");
    }
    // A product whose factors are far apart in size.
    let (a, b) = (random(1, 40, 6), random(2, 6, 5));
    let base = singular_values(&[Factor::f64("a", a.clone()), Factor::f64("b", b.clone())]).unwrap();
    let (a, b) = (a.mapv(|x| libm::ldexp(x, 900)), b.mapv(|x| libm::ldexp(x, -950)));
    let got = singular_values(&[Factor::f64("a", a), Factor::f64("b", b)]).unwrap();
    assert_eq!(got, base.iter().map(|&s| libm::ldexp(s, -50)).collect::<Vec<_>>());
}

#[test]
fn the_smallest_and_the_greatest_floats() {
    for x in [f64::from_bits(1), f64::MIN_POSITIVE, 1e-200, 1e200, f64::MAX / 4.0] {
        let got = singular_values(&[Factor::f64("w", Array2::from_diag(&ndarray::arr1(&[x, x, 0.0])))]).unwrap();
        assert_eq!(got, [x, x, 0.0], "{x:e}");
    }
    for x in [f32::from_bits(1), f32::MIN_POSITIVE, f32::MAX] {
        let got = singular_values(&[Factor::f32("w", Array2::from_elem((1, 1), x))]).unwrap();
        assert_eq!(got, [f64::from(x)]);
    }
    let big = || Factor::f64("huge", Array2::from_elem((2, 2), 1e300));
    assert_eq!(
        singular_values(&[big(), big()]),
        Err(SpectrumError::Overflow { tensor: "huge".into() })
    );
}

#[test]
fn zero_repeated_and_missing_rows() {
    for (n, d) in [(1, 1), (3, 7), (7, 3), (2000, 5)] {
        let got = singular_values(&[Factor::f32("w", Array2::zeros((n, d)))]).unwrap();
        assert_eq!(got, vec![0.0; n.min(d)]);
    }
    assert_eq!(singular_values(&[Factor::f32("w", Array2::zeros((0, 4)))]), Ok(vec![]));
    // Three distinct rows, each a thousand times, among zero rows.
    let rows = random(9, 3, 6);
    let w = Array2::from_shape_fn((4000, 6), |(i, j)| if i % 4 == 3 { 0.0 } else { rows[(i % 4, j)] });
    let got = singular_values(&[Factor::f64("w", w)]).unwrap();
    let want: Vec<f64> = second_opinion(&rows)
        .iter()
        .map(|s| s * 1000f64.sqrt())
        .chain([0.0; 3])
        .collect();
    assert_close("repeated rows", &got, &want, 4000, 6, want[0]);
    assert_eq!(measures::numerical_rank(&got, 4000, 6, f64::EPSILON), 3);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let factors = [
        Factor::f32("a", random(1, 20_000, 12).mapv(|x| x as f32)),
        Factor::f64("b", random(2, 12, 9)),
    ];
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| singular_values(&factors)).unwrap()
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(4));
}

#[test]
fn bad_tables_are_named() {
    assert_eq!(singular_values(&[]), Err(SpectrumError::NoFactor));
    let f = |name: &str, n, d| Factor::f64(name, random(1, n, d));
    let error = singular_values(&[f("a", 4, 3), f("b", 2, 5)]).unwrap_err().to_string();
    assert!(
        error.contains("`a` has 3 columns") && error.contains("`b`") && error.contains("2 rows"),
        "{error}"
    );
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut w = random(1, 70, 5);
        w[(66, 3)] = bad;
        let want = SpectrumError::NotFinite {
            tensor: "b".into(),
            row: 66,
            column: 3,
        };
        assert_eq!(singular_values(&[Factor::f64("b", w)]), Err(want));
    }
    // Also behind a factor of zeros.
    let mut w = random(1, 3, 5);
    w[(0, 0)] = f64::NAN;
    let got = singular_values(&[Factor::f64("z", Array2::zeros((9, 3))), Factor::f64("b", w)]);
    assert_eq!(
        got,
        Err(SpectrumError::NotFinite {
            tensor: "b".into(),
            row: 0,
            column: 0
        })
    );
}

#[test]
fn a_row_is_frequent_from_the_minimum_on() {
    let mut table = Table::new("t", vec![Factor::f64("t", random(1, 4, 2))]);
    assert_eq!(table.frequent_rows(1), None);
    table.frequencies = Some(vec![19, 20, 0, 21]);
    assert_eq!(table.frequent_rows(20), Some(vec![1, 3]));
    assert_eq!(table.frequent_rows(0), Some(vec![0, 1, 2, 3]));
    let rows = table.select_rows(&[1, 3]);
    assert_eq!(rows[0], table.factors[0].select_rows(&[1, 3]));
    assert_eq!((rows[0].rows(), rows[0].cols()), (2, 2));
}
