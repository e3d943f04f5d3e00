//! The floating-point halves: LAPACK's ratios over LAPACK's matrices, intervals for singular values, the closest product.

use crate::common::assert_holds;
use mlet::theory::matrices::{random, random_wide};
use mlet::theory::search::Budget;
use mlet::theory::{closest_floating, qr_floating, weyl_floating};
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
    fn e10_two_decompositions_agree(case in random()) {
        assert_holds(weyl_floating::check::<f32>(&case.matrix()).unwrap());
        assert_holds(weyl_floating::check::<f64>(&case.matrix()).unwrap());
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
    ];
    for row in rows {
        let entry = row.entry(Budget { cases: 64, seed: 1 });
        assert_eq!(entry.status, row.expected_status(), "{entry:?}");
    }
}
