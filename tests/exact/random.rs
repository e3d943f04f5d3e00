//! Against rational arithmetic that shares no code: eigenvalues counted by elimination.

use mlet::spectrum::exact::{ExactSpectrum, decimal};
use mlet::spectrum::table::Factor;
use mlet::theory::exact::strategies::rational_svds;
use mlet::theory::exact::{count_above, from_float, integer, rank};
use mlet::theory::step::product;
use mlet::theory::{Matrix, Rational};
use ndarray::Array2;
use num_bigint::BigInt;
use num_traits::{One, ToPrimitive, Zero};
use proptest::prelude::*;

/// #{σᵢ > τσ₁}, λ₁ being halved in until the count is the same from both ends; none for a tie, or what comes near one.
fn truth(w: &Matrix<Rational>, tau: &Rational) -> Option<usize> {
    let squared = tau * tau;
    let (mut lo, mut hi) = (integer(0), integer(1));
    while count_above(w, &hi) > 0 {
        hi *= integer(1 << 20);
    }
    for step in 0..260 {
        let middle = (&lo + &hi) / integer(2);
        if count_above(w, &middle) > 0 {
            lo = middle;
        } else {
            hi = middle;
        }
        if step % 20 == 19 {
            let counts = [&lo, &hi].map(|end| count_above(w, &(&squared * end)));
            if counts[0] == counts[1] && !lo.is_zero() {
                return Some(counts[0]);
            }
        }
    }
    None
}

fn entry() -> impl Strategy<Value = f32> {
    prop_oneof![
        (-1.0f32..1.0, -40i32..1).prop_map(|(x, e)| if x.abs() < 0.1 { 0.0 } else { x * 2f32.powi(e) }),
        (-3i8..=3).prop_map(f32::from),
    ]
}

fn table(rows: usize, cols: usize) -> impl Strategy<Value = Array2<f32>> {
    proptest::collection::vec(entry(), rows * cols)
        .prop_map(move |entries| Array2::from_shape_vec((rows, cols), entries).unwrap())
}

fn rational(w: &Array2<f32>) -> Matrix<Rational> {
    from_float("W", &Matrix::from_fn(w.nrows(), w.ncols(), |i, j| w[(i, j)])).unwrap()
}

fn agrees(factors: &[Array2<f32>], tau: f64) {
    let w = product(&factors.iter().map(rational).collect::<Vec<_>>());
    let factors: Vec<Factor> = factors.iter().map(|w| Factor::f32("w", w.clone())).collect();
    let exact = ExactSpectrum::of(&factors).unwrap();
    assert_eq!(exact.rank(), rank(&w));
    let sigma = mlet::spectrum::singular_values(&factors).unwrap();
    // Also as near to a value as f64 comes.
    let ratios = sigma
        .iter()
        .map(|x| x / sigma[0])
        .filter(|ratio| *ratio > 0.0 && *ratio < 1.0);
    for tau in ratios.chain([tau]) {
        if let Some(truth) = truth(&w, &decimal(tau)).filter(|_| exact.rank() > 0) {
            assert_eq!(exact.count_above(&decimal(tau)), truth, "τ = {tau}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn tables(w in (1usize..7, 1usize..5).prop_flat_map(|(n, d)| table(n, d)), tau in 1e-9f64..1.0) {
        agrees(&[w], tau);
    }

    #[test]
    fn products(
        factors in (1usize..6, 1usize..4, 1usize..5).prop_flat_map(|(n, k, d)| (table(n, k), table(k, d))),
        tau in 1e-9f64..1.0,
    ) {
        agrees(&[factors.0, factors.1], tau);
    }

    /// Singular values that are known ratios, ties among them: the table is a multiple of UΣVᵀ with integer entries.
    #[test]
    fn planted(svd in rational_svds(1), taus in proptest::collection::vec((1i64..6, 2i64..9), 4)) {
        let denominator = svd.w.iter().fold(BigInt::one(), |all, x| {
            let common = Rational::new(all.clone(), x.denom().clone());
            all * common.denom()
        });
        let entries: Vec<f64> = svd.w.iter().map(|x| (x * integer(denominator.clone())).to_f64().unwrap()).collect();
        prop_assume!(entries.iter().all(|x: &f64| x.abs() < 2f64.powi(53)));
        let w = Array2::from_shape_fn(svd.w.shape(), |(i, j)| entries[j * svd.w.nrows() + i]);
        let exact = ExactSpectrum::of(&[Factor::f64("w", w)]).unwrap();
        prop_assert_eq!(exact.rank(), svd.sigma.iter().filter(|x| !x.is_zero()).count());
        let first = svd.sigma.first().cloned().unwrap_or_else(|| integer(0));
        let own = svd.sigma.iter().filter(|_| !first.is_zero()).map(|x| x / &first);
        for tau in taus.iter().map(|(p, q)| Rational::new((*p).into(), (*q).into())).chain(own) {
            let truth = svd.sigma.iter().filter(|x| **x > &tau * &first).count();
            prop_assert_eq!(exact.count_above(&tau), truth, "τ = {}", tau);
        }
    }
}
