//! The floating-point halves of T2.1 and T2.2-quantified, and the decomposition that they stand on: LAPACK's ratios over
//! LAPACK's matrices, the cases in which a bound is attained, and wrong variants.

use crate::common::{assert_holds, catches};
use faer::Mat;
use mlet::spectrum::decompose::{self, Svd};
use mlet::theory::floating::{scaled, view};
use mlet::theory::matrices::{Case, Kind, generator, random, random_wide, uniform, with_singular_values};
use mlet::theory::search::Budget;
use mlet::theory::{Matrix, TheoryError, closest_floating, decomposition, qr_floating, residuals, weyl_floating};
use proptest::prelude::*;

proptest! {
    #[test]
    fn t2_1_factorises_to_rounding(case in random_wide()) {
        assert_holds(qr_floating::check::<f32>(&case.matrix(), case.k).unwrap());
        assert_holds(qr_floating::check::<f64>(&case.matrix(), case.k).unwrap());
    }

    #[test]
    fn t2_2_quantified_nothing_is_closer(case in random()) {
        assert_holds(closest_floating::check::<f32>(&case.matrix(), case.k, case.seed).unwrap());
        assert_holds(closest_floating::check::<f64>(&case.matrix(), case.k, case.seed).unwrap());
    }

    #[test]
    fn the_svd_is_one(case in random()) {
        assert_holds(decomposition::check::<f32>(&case.matrix()).unwrap());
        assert_holds(decomposition::check::<f64>(&case.matrix()).unwrap());
    }
}

#[test]
fn rows_hold_on_all_special_matrices() {
    let rows = [
        &qr_floating::F32,
        &qr_floating::F64,
        &weyl_floating::F32,
        &weyl_floating::F64,
        &closest_floating::F32,
        &closest_floating::F64,
        &decomposition::THEOREM.rows[0],
        &decomposition::THEOREM.rows[1],
    ];
    for row in rows {
        let entry = row.entry(Budget { cases: 64, seed: 1 });
        assert_eq!(entry.status, row.expected_status(), "{entry:?}");
    }
}

#[test]
fn t2_1_catches_wrong_factors() {
    type Pair = (Matrix<f64>, Matrix<f64>);
    let against = |spoil: fn(Pair) -> Pair| {
        move |case: &Case| {
            let w: Matrix<f64> = case.matrix();
            let (w1, w2) = spoil(qr_floating::factorize_qr(&w, case.k).unwrap());
            qr_floating::check_factors(&w, case.k, &w1, &w2)
        }
    };
    let dropped = against(|(w1, w2)| {
        let q = w2.rows(0, w2.ncols()).transpose();
        let mut w2 = w2;
        let d = q.nrows();
        w2.rows_mut(0, d).copy_from(&q);
        (w1, w2)
    });
    let swapped = |case: &Case| {
        // k for d: the construction for Wᵀ's shape.
        let w: Matrix<f64> = case.matrix();
        let (w1, w2) = qr_floating::factorize_qr(&w, case.k).unwrap();
        qr_floating::check_factors(&w, case.k, &w2.transpose(), &w1.transpose())
    };
    let scaled = against(|(w1, w2)| (w1 * 1.3, w2));
    let moved = against(|(w1, w2)| (w1 * 2.0, w2 * 0.5));
    let truncated = against(|(mut w1, w2)| {
        w1.column_mut(0).fill(0.0);
        (w1, w2)
    });
    catches(
        random_wide(),
        |case| qr_floating::check::<f64>(&case.matrix(), case.k).unwrap(),
        &[
            ("a transpose dropped", &dropped),
            ("k and d swapped", &swapped),
            ("a factor 1.3", &scaled),
            ("Q not orthonormal", &moved),
            ("a column lost", &truncated),
        ],
    );
}

/// faer's own R of a wide matrix is n×n: without padding the construction has the wrong shape, and is caught.
#[test]
fn factors_of_a_wide_table_have_their_shapes() {
    let case = Case {
        kind: Kind::Random,
        n: 3,
        d: 8,
        k: 9,
        seed: 2,
    };
    let (w1, w2) = qr_floating::factorize_qr(&case.matrix::<f32>(), 9).unwrap();
    assert_eq!((w1.shape(), w2.shape()), ((3, 9), (9, 8)));
    let narrow = w1.columns(0, 3).into_owned();
    assert!(!qr_floating::check_factors(&case.matrix::<f32>(), 9, &narrow, &w2).holds());
}

#[test]
fn t2_2_quantified_catches_wrong_bounds() {
    let at = |case: &Case, bend: &dyn Fn(&mut closest_floating::Bounds), k: usize| {
        let w: Matrix<f64> = case.matrix();
        let (w1, w2) = closest_floating::closest_product(&w, case.k).unwrap();
        let mut bounds = closest_floating::Bounds::of(&w, k).unwrap();
        bend(&mut bounds);
        bounds
            .below(&w, &w1, &w2)
            .unwrap()
            .worse(bounds.attained(&w, &w1, &w2).unwrap())
    };
    let scaled = |case: &Case| at(case, &|b| b.spectral *= 1.3, case.k);
    let scaled_frobenius = |case: &Case| at(case, &|b| b.frobenius *= 1.3, case.k);
    let too_low = |case: &Case| at(case, &|b| b.frobenius /= 1.3, case.k);
    let one_off = |case: &Case| at(case, &|_| (), case.k + 1);
    let one_less = |case: &Case| at(case, &|_| (), case.k - 1);
    let transposed = |case: &Case| {
        let w: Matrix<f64> = case.matrix();
        let (w1, w2) = closest_floating::closest_product(&w, case.k).unwrap();
        let w2 = if w2.is_square() { w2.transpose() } else { w2 };
        closest_floating::Bounds::of(&w, case.k)
            .unwrap()
            .attained(&w, &w1, &w2)
            .unwrap()
    };
    catches(
        random(),
        |case| closest_floating::check::<f64>(&case.matrix(), case.k, case.seed).unwrap(),
        &[
            ("1.3·σ_{k+1}", &scaled),
            ("1.3·(Σσ²)^½", &scaled_frobenius),
            ("(Σσ²)^½/1.3, not attained", &too_low),
            ("σ_{k+2} for σ_{k+1}", &one_off),
            ("σ_k for σ_{k+1}", &one_less),
            ("a transpose dropped", &transposed),
        ],
    );
}

/// The bound is attained: at the truncated decomposition the quotient of both sides is 1, not less.
#[test]
fn the_truncated_svd_attains_eckart_young() {
    let w = with_singular_values(&[5.0, 4.0, 2.0, 1.0, 0.25], 12, 5, 9);
    for (k, spectral, frobenius) in [
        (1, 4.0, 21.0625f64.sqrt()),
        (3, 1.0, 1.0625f64.sqrt()),
        (4, 0.25, 0.25),
        (5, 0.0, 0.0),
    ] {
        let (w1, w2) = closest_floating::closest_product(&w, k).unwrap();
        let at = closest_floating::distance(&scaled(&w).matrix, scaled(&w).exponent, &w1, &w2).unwrap();
        let unit = libm::ldexp(1.0, scaled(&w).exponent);
        // Planted σ, reflections and the decomposition: each within a few max(n, d)·2⁻⁵² of σ₁ = 5.
        let atol = 10.0 * 12.0 * f64::EPSILON * 5.0;
        assert!((at.spectral * unit - spectral).abs() <= atol, "k = {k}: {at:?}");
        assert!((at.frobenius * unit - frobenius).abs() <= atol, "k = {k}: {at:?}");
    }
}

#[test]
fn a_wrong_decomposition_is_caught() {
    let against = |spoil: fn(&mut Svd<f64>)| {
        move |case: &Case| {
            let a: Matrix<f64> = case.matrix();
            let alone = decompose::singular_values(view(&a)).unwrap();
            let mut svd = decompose::svd(view(&a)).unwrap();
            spoil(&mut svd);
            decomposition::check_svd(&a, &svd, &alone)
        }
    };
    let scaled = against(|s| s.sigma.iter_mut().for_each(|x| *x *= 1.3));
    let last_bits = against(|s| s.sigma[0] *= 1.0 + 1e-12);
    let order = against(|s| s.sigma.reverse());
    let sign = against(|s| s.v = &s.v * -1.0);
    let transposed = against(|s| {
        s.u = if s.u.nrows() == s.u.ncols() {
            s.u.transpose().to_owned()
        } else {
            s.u.clone()
        }
    });
    let swapped = against(|s| std::mem::swap(&mut s.u, &mut s.v));
    let nan = against(|s| s.u = Mat::from_fn(s.u.nrows(), s.u.ncols(), |_, _| f64::NAN));
    let not_orthonormal = against(|s| {
        s.u = &s.u * 2.0;
        s.v = &s.v * 0.5;
    });
    catches(
        random(),
        |case| decomposition::check::<f64>(&case.matrix()).unwrap(),
        &[
            ("a factor 1.3", &scaled),
            ("10⁻¹² of σ₁", &last_bits),
            ("ascending", &order),
            ("a sign", &sign),
            ("a transpose dropped", &transposed),
            ("U and V swapped", &swapped),
            ("NaN", &nan),
            ("a scale moved from V to U", &not_orthonormal),
        ],
    );
}

#[test]
fn what_cannot_be_factorised_is_refused() {
    let mut w = Matrix::from_element(3, 2, 1.0f64);
    let no_inner = TheoryError::NoInnerDim { matrix: "W".into() };
    assert_eq!(qr_floating::factorize_qr(&w, 0), Err(no_inner.clone()));
    assert_eq!(closest_floating::closest_product(&w, 0), Err(no_inner));
    assert!(matches!(
        qr_floating::factorize_qr(&w, 1),
        Err(TheoryError::TooNarrow {
            inner_dim: 1,
            embedding_dim: 2,
            ..
        })
    ));
    let empty = Matrix::<f32>::zeros(0, 4);
    assert!(matches!(
        qr_floating::factorize_qr(&empty, 4),
        Err(TheoryError::Empty { rows: 0, cols: 4, .. })
    ));
    assert!(matches!(
        closest_floating::closest_product(&empty, 4),
        Err(TheoryError::Empty { .. })
    ));
    assert!(matches!(decomposition::check(&empty), Err(TheoryError::Empty { .. })));
    assert!(matches!(weyl_floating::check(&empty), Err(TheoryError::Empty { .. })));
    let huge = Matrix::from_element(3, 2, f64::MAX);
    assert!(matches!(
        qr_floating::factorize_qr(&huge, 2),
        Err(TheoryError::Overflow { .. })
    ));
    assert!(matches!(
        closest_floating::closest_product(&huge, 1),
        Err(TheoryError::Overflow { .. })
    ));
    w[(2, 1)] = f64::NAN;
    for error in [
        qr_floating::factorize_qr(&w, 2).unwrap_err(),
        closest_floating::closest_product(&w, 1).unwrap_err(),
        decomposition::check(&w).unwrap_err(),
    ] {
        assert!(error.to_string().contains("holds NaN at row 2, column 1"), "{error}");
    }
    assert!(matches!(
        weyl_floating::check(&w),
        Err(TheoryError::NotFinite { row: 2, column: 1, .. })
    ));
}

/// The last of each type: nothing is lost but what the type itself cannot hold.
#[test]
fn both_ends_of_the_range() {
    for entry in [5e-324, f64::MIN_POSITIVE, f64::MAX / 4.0] {
        let w = uniform(4, 3, &mut generator(1)).map(|x| if x > 0.0 { entry } else { -entry });
        assert_holds(qr_floating::check(&w, 3).unwrap());
        assert_holds(decomposition::check(&w).unwrap());
        assert_holds(weyl_floating::check(&w).unwrap());
    }
    let w = Matrix::from_row_slice(1, 2, &[3e-45f32, 4e-45]);
    let (w1, w2) = qr_floating::factorize_qr(&w, 2).unwrap();
    assert!(residuals::factorisation(&w, &[w1, w2]) <= residuals::QR_THRESHOLD);
}
