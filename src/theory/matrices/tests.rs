//! The matrices are what they say.

use super::*;
use crate::spectrum::decompose::singular_values;
use crate::theory::floating::{greatest, view, widened};

#[test]
fn every_type_is_finite_deterministic_and_what_it_says() {
    for case in special(|_, d| vec![1, d]) {
        let (single, double): (Matrix<f32>, Matrix<f64>) = (case.matrix(), case.matrix());
        assert_eq!(double, case.matrix(), "{case}");
        assert_eq!(single.shape(), (case.n, case.d), "{case}");
        assert!(
            greatest(&double).is_finite() && greatest(&widened(&single)).is_finite(),
            "{case}"
        );
        assert_eq!(greatest(&double) == 0.0, case.kind == Kind::Zero, "{case}");
    }
}

#[test]
fn scales_reach_the_ends_of_the_range() {
    let case = |kind| Case {
        kind,
        n: 20,
        d: 20,
        k: 1,
        seed: 3,
    };
    assert!(case(Kind::Subnormal).matrix::<f64>().iter().any(|x| x.is_subnormal()));
    assert!(case(Kind::Subnormal).matrix::<f32>().iter().any(|x| x.is_subnormal()));
    assert!(greatest(&case(Kind::Greatest).matrix::<f64>()) > f64::MAX / 50.0);
    assert!(greatest(&case(Kind::NearOverflow).matrix::<f64>()) > 1e290);
    assert!(greatest(&case(Kind::NearUnderflow).matrix::<f64>()) < 1e-290);
}

#[test]
fn planted_singular_values_are_there() {
    let sigma = [3.0, 2.0, 1.0, 0.5];
    for (n, d) in [(4, 4), (4, 9), (30, 4)] {
        let found = singular_values(view(&with_singular_values(&sigma, n, d, 5))).unwrap();
        for (x, y) in found.iter().zip(sigma) {
            // 8 reflections and a decomposition, each within a few max(n, d)·ε of ‖σ‖.
            assert!(
                (x - y).abs() <= 10.0 * 30.0 * f64::EPSILON * 3.0,
                "{n}×{d}: {x} for {y}"
            );
        }
    }
}

#[test]
fn half_the_rank_is_gone() {
    let case = Case {
        kind: Kind::RankDeficient,
        n: 10,
        d: 12,
        k: 1,
        seed: 1,
    };
    let sigma = singular_values(view(&case.matrix::<f64>())).unwrap();
    assert!(sigma[4] > 1e-3 * sigma[0] && sigma[5] < 1e-13 * sigma[0], "{sigma:?}");
}
