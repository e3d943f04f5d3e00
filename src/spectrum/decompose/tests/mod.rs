//! LAPACK's scaled residuals over LAPACK's kinds of matrices, in f32 and f64; the fallback by itself; what is refused.

mod gallery;

use super::*;
use gallery::{SHAPES, gallery, noise, random};

/// DQRT01 lets a QR pass below 30, DDRVBD an SVD below 50 (docs/tolerances.md).
const QR_THRESHOLD: f64 = 30.0;
const SVD_THRESHOLD: f64 = 50.0;

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

fn every_kind<T: Real>(shapes: &[(usize, usize)], exponents: &[i32]) {
    for &(m, n) in shapes {
        for (name, a) in gallery(m, n) {
            for &e in exponents {
                check(&format!("{name} {m}×{n}·2^{e}"), &cast::<T>(&a, e), e);
            }
        }
    }
}

#[test]
fn every_kind_of_matrix_in_f32() {
    every_kind::<f32>(&SHAPES, &[0]);
}

#[test]
fn every_kind_of_matrix_in_f64() {
    every_kind::<f64>(&SHAPES, &[0]);
}

/// Near the least normal number and near the greatest, as LAPACK's testers have it; and where faer by itself is silently
/// wrong or gives up.
#[test]
fn every_kind_of_matrix_near_underflow_and_overflow() {
    every_kind::<f32>(&SHAPES[..10], &[-100, -84, 70, 120]);
    every_kind::<f64>(&SHAPES[..10], &[-960, -700, 600, 1016]);
}

/// The fallback by itself, so that it is known to work before it is needed. faer 0.24 by itself would not pass: of the
/// 150×140 matrices it does not converge for the one with repeated rows in f64, and puts σ₁ behind zeros for the one with
/// repeated columns in f32.
fn the_fallback<T: Real>() {
    for (m, n) in SHAPES {
        for (name, a) in gallery(m, n) {
            let mut a = cast::<T>(&a, 0);
            if normalise(&mut a).is_none() {
                continue;
            }
            for bases in [Bases::Thin, Bases::Full] {
                let svd = jacobi::svd(&a, bases).unwrap();
                let ratio = svd_ratio(&a, &svd, 0);
                assert!(ratio <= SVD_THRESHOLD, "{name} {m}×{n}: {ratio}");
            }
        }
    }
}

#[test]
fn the_fallback_alone_in_f32() {
    the_fallback::<f32>();
}

#[test]
fn the_fallback_alone_in_f64() {
    the_fallback::<f64>();
}

/// Columns of every size beside columns of the order of 1: their squares underflow, by and by, and then they do.
fn columns_of_every_size<T: Real>(exponents: impl Iterator<Item = i32>) {
    for e in exponents {
        for (m, n, every) in [(6, 4, 2), (40, 20, 3), (5, 5, 1)] {
            let base = cast::<T>(&random(e as u64, m, n), 0);
            let small = |j: usize| j > 0 && j.is_multiple_of(every);
            let mut a = Mat::from_fn(m, n, |i, j| base[(i, j)].ldexp(if small(j) { -e } else { 0 }));
            check(&format!("{m}×{n}, columns of 2^−{e}"), &a, 0);
            normalise(&mut a);
            let ratio = svd_ratio(&a, &jacobi::svd(&a, Bases::Full).unwrap(), 0);
            assert!(ratio <= SVD_THRESHOLD, "fallback, {m}×{n}, columns of 2^−{e}: {ratio}");
        }
    }
}

#[test]
fn columns_of_every_size_beside_large_ones() {
    columns_of_every_size::<f32>(0..149);
    columns_of_every_size::<f64>((0..1074).step_by(3));
}

#[test]
fn a_wrong_answer_gives_way_to_the_next_method() {
    let wrong: Method<f64> = |a, bases| {
        let mut svd = divide::svd(a, bases)?;
        svd.v[(1, 1)] += 1e-9;
        Some(svd)
    };
    let none: Method<f64> = |_, _| None;
    let a = random(9, 7, 4);
    for bases in [Bases::Thin, Bases::Full] {
        for methods in [[wrong, jacobi::svd], [none, jacobi::svd]] {
            let got = decompose(a.as_ref(), bases, &methods).unwrap();
            assert!(svd_ratio(&a, &got, 0) <= SVD_THRESHOLD);
        }
        let error = decompose(a.as_ref(), bases, &[wrong, none]);
        assert_eq!(error, Err(DecomposeError::NoConvergence { rows: 7, cols: 4 }));
    }
}

/// Diagonal matrices at the ends of the range, whose singular values are exact.
fn ends_of_the_range<T: Real>(least: T) {
    let greatest = T::max_value();
    for x in [
        least,
        T::min_positive_value(),
        T::one(),
        greatest / T::from_f64_impl(4.0),
        greatest,
    ] {
        for (m, n) in [(1, 1), (3, 3), (4, 3), (3, 5)] {
            let a = Mat::from_fn(m, n, |i, j| if i == j && i != 1 { -x } else { T::zero() });
            let r = m.min(n);
            let want: Vec<T> = (0..r)
                .map(|i| if i + 1 < r || r == 1 { x } else { T::zero() })
                .collect();
            assert_eq!(singular_values(a.as_ref()).unwrap(), want, "{x:e} {m}×{n}");
            let svd = svd_full(a.as_ref()).unwrap();
            assert_eq!(svd.sigma, want, "{x:e} {m}×{n}");
            assert!(skew(&svd.u).max(skew(&svd.v)) <= SVD_THRESHOLD);
            let qr = qr_full(a.as_ref()).unwrap();
            let abs = Mat::from_fn(m, n, |i, j| qr.r[(i, j)].abs());
            assert_eq!(abs, Mat::from_fn(m, n, |i, j| a[(i, j)].abs()), "{x:e} {m}×{n}");
            assert!(skew(&qr.q) <= QR_THRESHOLD);
        }
    }
    // √6 times the greatest number is not a number of the type; the entries are.
    let a = Mat::from_fn(2, 3, |_, _| greatest);
    let overflow = DecomposeError::Overflow { greatest: T::GREATEST };
    assert_eq!(singular_values(a.as_ref()), Err(overflow.clone()));
    assert_eq!(svd(a.as_ref()), Err(overflow.clone()));
    assert_eq!(qr(a.as_ref()), Err(overflow));
    // The least numbers in every place: σ₁ = √6·least, rounded to a multiple of it.
    let a = Mat::from_fn(2, 3, |_, _| least);
    let two = least + least;
    assert_eq!(singular_values(a.as_ref()).unwrap(), [two, T::zero()]);
}

#[test]
fn the_ends_of_the_range() {
    ends_of_the_range(f32::from_bits(1));
    ends_of_the_range(f64::from_bits(1));
}

#[test]
fn of_zero() {
    for (m, n) in SHAPES {
        let a = Mat::<f32>::zeros(m, n);
        let got = svd_full(a.as_ref()).unwrap();
        assert!(got.sigma.iter().all(|&x| x == 0.0));
        assert_eq!((got.u, got.v), (Mat::identity(m, m), Mat::identity(n, n)));
        let got = qr_full(a.as_ref()).unwrap();
        assert_eq!((got.q, got.r), (Mat::identity(m, m), a));
    }
}

#[test]
fn bad_matrices_are_refused() {
    for (rows, cols) in [(0, 0), (0, 3), (3, 0)] {
        let a = Mat::<f64>::zeros(rows, cols);
        let error = DecomposeError::Empty { rows, cols };
        assert_eq!(svd(a.as_ref()), Err(error.clone()));
        assert_eq!(singular_values(a.as_ref()), Err(error.clone()));
        assert_eq!(qr(a.as_ref()), Err(error));
    }
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut a = cast::<f32>(&random(1, 6, 4), 0);
        a[(5, 0)] = bad;
        a[(3, 2)] = bad;
        let error = DecomposeError::NotFinite { row: 3, column: 2 };
        assert_eq!(svd_full(a.as_ref()), Err(error.clone()));
        assert_eq!(singular_values(a.as_ref()), Err(error.clone()));
        assert_eq!(qr_full(a.as_ref()), Err(error));
    }
}

/// A column that depends on those before but for 10⁻¹⁴, and one behind it. faer's own QR drops the former: its remainder is
/// below 16·m·ε of its norm.
#[test]
fn no_column_is_dropped() {
    let mut a = random(2, 400, 4);
    for i in 0..400 {
        a[(i, 2)] = a[(i, 0)] + a[(i, 1)] + 1e-14 * noise(8, i, 0);
    }
    let got = qr(a.as_ref()).unwrap();
    assert!(qr_ratio(&a, &got, 0) <= QR_THRESHOLD);
    // ‖10⁻¹⁴·noise‖ = 10⁻¹⁴·√(400/3) = 1.15·10⁻¹³; rounding moves it by √m·u·max|a| as a rule, a thirtieth of that.
    let remainder = got.r[(2, 2)].abs();
    assert!((1e-13..1.3e-13).contains(&remainder), "{remainder:e}");
    let last = got.r[(3, 3)].abs();
    assert!((10.0..13.0).contains(&last), "{last}"); // √(400/3) = 11.5
}

#[test]
fn strides_and_threads_change_no_bit() {
    let a = random(4, 90, 70);
    let all = |a: MatRef<'_, f64>| (svd(a).unwrap(), singular_values(a).unwrap(), qr_full(a).unwrap());
    let want = all(a.as_ref());
    let rows_first = a.transpose().to_owned();
    assert_eq!(all(rows_first.transpose()), want);
    let larger = Mat::from_fn(93, 75, |i, j| if i > 2 && j > 4 { a[(i - 3, j - 5)] } else { f64::NAN });
    assert_eq!(all(larger.get(3.., 5..)), want);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| all(a.as_ref())), want);
    }
}
