//! LAPACK's scaled residuals over LAPACK's kinds of matrices, in f32 and f64; the fallback by itself; what is refused.

use super::*;

/// DQRT01 lets a QR pass below 30, DDRVBD an SVD below 50 (docs/tolerances.md).
const QR_THRESHOLD: f64 = 30.0;
const SVD_THRESHOLD: f64 = 50.0;

const SHAPES: [(usize, usize); 14] = [
    (1, 1),
    (1, 5),
    (5, 1),
    (2, 3),
    (3, 2),
    (8, 8),
    (10, 4),
    (4, 10),
    (33, 17),
    (17, 33),
    (64, 64),
    (200, 64),
    (64, 200),
    (150, 140), // from 128 on faer divides and conquers
];

/// A number in [−1, 1) from a counter (SplitMix64).
fn noise(seed: u64, i: usize, j: usize) -> f64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((i as u64) << 32 | j as u64);
    for multiplier in [0xBF58_476D_1CE4_E5B9u64, 0x94D0_49BB_1331_11EB] {
        z = (z ^ (z >> 30))
            .wrapping_mul(multiplier)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
    }
    (z ^ (z >> 31)) as i64 as f64 / 2f64.powi(63)
}

fn random(seed: u64, m: usize, n: usize) -> Mat<f64> {
    Mat::from_fn(m, n, |i, j| noise(seed, i, j))
}

/// `U·diag(σ)·Vᵀ` with random orthonormal U and V from nalgebra.
fn planted(m: usize, n: usize, sigma: impl Fn(usize, usize) -> f64) -> Mat<f64> {
    let r = m.min(n);
    let basis = |seed, rows| {
        let q = nalgebra::DMatrix::from_fn(rows, r, |i, j| noise(seed, i, j)).qr().q();
        Mat::from_fn(rows, r, |i, j| q[(i, j)])
    };
    let (u, v) = (basis(3, m), basis(4, n));
    Mat::from_fn(m, r, |i, j| u[(i, j)] * sigma(j, r)) * v.transpose()
}

fn graded(i: usize, r: usize) -> f64 {
    10f64.powf(-16.0 * i as f64 / (r.max(2) - 1) as f64)
}

/// Matrices of every kind, by name, entries of the order of 1.
fn gallery(m: usize, n: usize) -> Vec<(&'static str, Mat<f64>)> {
    let r = m.min(n);
    let base = random(5, m, n);
    vec![
        ("zero", Mat::zeros(m, n)),
        ("identity", Mat::identity(m, n)),
        (
            "graded diagonal",
            Mat::from_fn(m, n, |i, j| if i == j { graded(i, r) } else { 0.0 }),
        ),
        ("graded", planted(m, n, graded)),
        (
            "clustered at 1",
            planted(m, n, |i, r| if i + 1 < r { 1.0 } else { 1e-7 }),
        ),
        ("clustered below", planted(m, n, |i, _| if i == 0 { 1.0 } else { 1e-7 })),
        (
            "rank-deficient",
            planted(m, n, |i, r| if i < r.div_ceil(3) { 0.5f64.powi(i as i32) } else { 0.0 }),
        ),
        ("rank one", Mat::from_fn(m, n, |i, j| noise(6, i, 0) * noise(7, 0, j))),
        ("repeated rows", Mat::from_fn(m, n, |i, j| base[(i % 2, j)])),
        ("repeated columns", Mat::from_fn(m, n, |i, j| base[(i, j % 2)])),
        (
            "zero rows",
            Mat::from_fn(m, n, |i, j| if i % 3 == 1 { 0.0 } else { base[(i, j)] }),
        ),
        (
            "zero columns",
            Mat::from_fn(m, n, |i, j| if j % 3 == 0 { 0.0 } else { base[(i, j)] }),
        ),
        // Columns whose squares lose their digits in f32, and all but vanish in it.
        (
            "fading columns",
            Mat::from_fn(m, n, |i, j| base[(i, j)] * 10f64.powi(-10 * (j as i32 % 5))),
        ),
        (
            "fading rows",
            Mat::from_fn(m, n, |i, j| base[(i, j)] * 10f64.powi(-9 * (i as i32 % 6))),
        ),
        ("random", base),
    ]
}

fn wide<T: Real>(x: T) -> f64 {
    x.into()
}

fn cast<T: Real>(a: &Mat<f64>, exponent: i32) -> Mat<T> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| T::from_f64_impl(a[(i, j)]).ldexp(exponent))
}

/// `2^−exponent · a`, in f64.
fn unscaled<T: Real>(a: &Mat<T>, exponent: i32) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| libm::ldexp(wide(a[(i, j)]), -exponent))
}

fn norm_1(a: &Mat<f64>) -> f64 {
    let sums = a.col_iter().map(|c| c.iter().map(|x| x.abs()).sum::<f64>());
    sums.fold(0.0, |m, s| if s.is_finite() { m.max(s) } else { f64::INFINITY })
}

/// `‖got − want‖₁ / (size·u·‖want‖₁)`; of a zero matrix 0 or ∞.
fn ratio<T: Real>(want: &Mat<f64>, got: &Mat<f64>, size: usize) -> f64 {
    let error = norm_1(&(want - got));
    if error == 0.0 {
        0.0
    } else {
        error / (size as f64 * T::UNIT_ROUNDOFF * norm_1(want))
    }
}

/// `‖I − QᵀQ‖₁ / (rows·u)`.
fn skew<T: Real>(q: &Mat<T>) -> f64 {
    let q = unscaled(q, 0);
    let identity = Mat::<f64>::identity(q.ncols(), q.ncols());
    ratio::<T>(&identity, &(q.transpose() * &q), q.nrows())
}

/// The worst scaled residual of a decomposition of `a` whose entries are of the order of 2^exponent.
fn svd_ratio<T: Real>(a: &Mat<T>, svd: &Svd<T>, exponent: i32) -> f64 {
    let (m, n) = (a.nrows(), a.ncols());
    assert_eq!((svd.u.nrows(), svd.v.nrows(), svd.sigma.len()), (m, n, m.min(n)));
    assert!(svd.sigma.windows(2).all(|p| p[0] >= p[1]) && svd.sigma.iter().all(|&x| x >= T::zero()));
    let (u, v) = (unscaled(&svd.u, 0), unscaled(&svd.v, 0));
    let us = Mat::from_fn(m, m.min(n), |i, j| {
        u[(i, j)] * libm::ldexp(wide(svd.sigma[j]), -exponent)
    });
    let product = us * v.get(.., ..m.min(n)).transpose();
    ratio::<T>(&unscaled(a, exponent), &product, m.max(n))
        .max(skew(&svd.u))
        .max(skew(&svd.v))
}

fn qr_ratio<T: Real>(a: &Mat<T>, qr: &Qr<T>, exponent: i32) -> f64 {
    let below = (0..qr.r.ncols()).flat_map(|j| (j + 1..qr.r.nrows()).map(move |i| (i, j)));
    assert!(below.into_iter().all(|at| qr.r[at] == T::zero()));
    let product = unscaled(&qr.q, 0) * unscaled(&qr.r, exponent);
    ratio::<T>(&unscaled(a, exponent), &product, a.nrows().max(a.ncols())).max(skew(&qr.q))
}

/// Everything about one matrix whose entries are of the order of 2^exponent.
fn check<T: Real>(what: &str, a: &Mat<T>, exponent: i32) {
    let (m, n) = (a.nrows(), a.ncols());
    let r = m.min(n);
    let (thin, full) = (svd(a.as_ref()).unwrap(), svd_full(a.as_ref()).unwrap());
    assert_eq!((thin.u.ncols(), thin.v.ncols()), (r, r), "{what}");
    assert_eq!((full.u.ncols(), full.v.ncols()), (m, n), "{what}");
    let mut worst = svd_ratio(a, &thin, exponent).max(svd_ratio(a, &full, exponent));
    let values = singular_values(a.as_ref()).unwrap();
    assert_eq!(values.len(), r, "{what}");
    for other in [&full.sigma, &values] {
        for (&x, &y) in thin.sigma.iter().zip(other) {
            let unit = m.max(n) as f64 * T::UNIT_ROUNDOFF * wide(thin.sigma[0]);
            let difference = (wide(x) - wide(y)).abs();
            worst = worst.max(if difference == 0.0 { 0.0 } else { difference / unit });
        }
    }
    assert!(worst <= SVD_THRESHOLD, "SVD of {what}: {worst}");
    let (thin, full) = (qr(a.as_ref()).unwrap(), qr_full(a.as_ref()).unwrap());
    assert_eq!((thin.q.ncols(), thin.r.nrows(), thin.r.ncols()), (r, r, n), "{what}");
    assert_eq!((full.q.ncols(), full.r.nrows(), full.r.ncols()), (m, m, n), "{what}");
    let triangle = qr_ratio(a, &thin, exponent).max(qr_ratio(a, &full, exponent));
    assert!(triangle <= QR_THRESHOLD, "QR of {what}: {triangle}");
}

fn every_kind<T: Real>(exponents: &[i32]) {
    for (m, n) in SHAPES {
        for (name, a) in gallery(m, n) {
            for &e in exponents {
                check(&format!("{name} {m}×{n}·2^{e}"), &cast::<T>(&a, e), e);
            }
        }
    }
}

#[test]
fn every_kind_of_matrix_in_f32() {
    every_kind::<f32>(&[0]);
}

#[test]
fn every_kind_of_matrix_in_f64() {
    every_kind::<f64>(&[0]);
}

/// Entries of the order of the least normal number and of the greatest number divided by 64·max(m, n), where LAPACK's
/// testers put theirs; and where faer by itself is silently wrong or gives up.
#[test]
fn every_kind_of_matrix_near_underflow_and_overflow() {
    every_kind::<f32>(&[-100, -84, 70, 112]);
    every_kind::<f64>(&[-960, -700, 600, 1008]);
}
