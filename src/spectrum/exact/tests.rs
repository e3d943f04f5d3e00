use super::*;
use ndarray::{Array2, arr2};

fn spectrum(factors: &[Array2<f64>]) -> ExactSpectrum {
    let factors: Vec<Factor> = factors.iter().map(|a| Factor::f64("w", a.clone())).collect();
    ExactSpectrum::of(&factors).unwrap()
}

#[test]
fn decimals() {
    let ratio = |p: i64, q: i64| BigRational::new(p.into(), q.into());
    assert_eq!(decimal(0.01), ratio(1, 100));
    assert_eq!(decimal(0.7), ratio(7, 10));
    assert_eq!(decimal(0.125), ratio(1, 8));
    assert_eq!(decimal(2.0), ratio(2, 1));
    assert_eq!(decimal(1500.0), ratio(1500, 1));
    assert_eq!(decimal(1e-6), ratio(1, 1_000_000));
    assert_eq!(decimal(0.0), ratio(0, 1));
    assert_ne!(decimal(0.1), BigRational::from_float(0.1).unwrap());
}

/// σ = 10 and 7: at τ = 0.7 a tie, whichever side of 7/10 the f64 lies on.
#[test]
fn a_tie_does_not_count() {
    let tie = spectrum(&[arr2(&[[10.0, 0.0], [0.0, 7.0]])]);
    assert_eq!((tie.rank(), tie.count_above(&decimal(0.7))), (2, 1));
    assert_eq!(tie.count_above(&decimal(0.7f64.next_down())), 2);
    assert_eq!(tie.count_above(&decimal(0.7f64.next_up())), 1);
    assert_eq!(tie.count_above(&decimal(1.0)), 0);
    assert_eq!(tie.count_above(&decimal(0.0)), 2);
}

/// [[1, 1], [1, 0]] ⊕ half of it: golden sections, irrational, and ties among them; the greatest twice.
#[test]
fn an_irrational_tie() {
    let mut w = Array2::<f64>::zeros((6, 6));
    for (block, scale) in [2.0, 1.0, 2.0].into_iter().enumerate() {
        for (i, j) in [(0, 0), (0, 1), (1, 0)] {
            w[(2 * block + i, 2 * block + j)] = scale;
        }
    }
    let w = spectrum(&[w]);
    // 2φ, 2φ, φ, 2/φ, 2/φ, 1/φ with φ = 1.618…
    assert_eq!(w.rank(), 6);
    assert_eq!(w.count_above(&decimal(0.5)), 2);
    assert_eq!(w.count_above(&decimal(0.5f64.next_down())), 3);
    assert_eq!(w.count_above(&decimal(0.3)), 5);
    assert_eq!(w.count_above(&decimal(0.1)), 6);
}

#[test]
fn zeros_and_empty_tables() {
    for shape in [(4, 3), (0, 3), (3, 0)] {
        let zero = spectrum(&[Array2::zeros(shape)]);
        assert_eq!((zero.rank(), zero.count_above(&decimal(0.01))), (0, 0));
    }
    let nan = Factor::f64("nan", arr2(&[[1.0], [f64::NAN]]));
    let one = Factor::f64("one", arr2(&[[1.0, 2.0]]));
    for factors in [vec![nan.clone()], vec![one, nan]] {
        let error = ExactSpectrum::of(&factors).unwrap_err().to_string();
        assert!(error.contains("nan") || error.contains("columns"), "{error}");
    }
}

/// Whichever factor is narrowest, the product has the singular values of what it multiplies out to.
#[test]
fn products() {
    let matrix = |n: usize, d: usize, seed: usize| {
        Array2::from_shape_fn((n, d), |(i, j)| {
            ((i * 31 + j * 17 + seed * i * j + seed) % 13) as f64 - 6.0
        })
    };
    for widths in [[5, 3, 4, 2], [5, 2, 4, 3], [6, 4, 2, 3], [2, 4, 4, 4], [7, 1, 3, 3]] {
        let factors: Vec<Array2<f64>> = (0..3).map(|i| matrix(widths[i], widths[i + 1], i + 2)).collect();
        let whole = spectrum(&[factors[0].dot(&factors[1]).dot(&factors[2])]);
        let product = spectrum(&factors);
        assert_eq!(product.rank(), whole.rank(), "{widths:?}");
        for tau in [0.01, 0.1, 0.2, 0.5, 0.9] {
            assert_eq!(
                product.count_above(&decimal(tau)),
                whole.count_above(&decimal(tau)),
                "{widths:?}, {tau}"
            );
        }
    }
}

#[test]
fn too_wide_is_said() {
    let wide = Factor::f32("w", Array2::from_elem((4000, 3000), 0.1f32));
    let error = ExactSpectrum::of(&[wide]).unwrap_err();
    assert!(matches!(error, ExactError::TooWide { width: 3000, .. }), "{error}");
}
