//! Rank measures: bounds, equality cases, scale, the zero matrix.

use mlet::spectrum::gram::certify::Interval;
use mlet::spectrum::measures::*;
use proptest::prelude::*;

/// Each measure is a sum of at most 64 rounded terms, a logarithm and an exponential: 4·64 roundings at most.
const RTOL: f64 = 256.0 * f64::EPSILON;

fn spectrum() -> impl Strategy<Value = Vec<f64>> {
    let value =
        prop_oneof![4 => 0.0..1.0f64, 1 => Just(0.0), 1 => Just(1.0), 1 => (-40..0i32).prop_map(|e| 10f64.powi(e))];
    prop::collection::vec(value, 1..64).prop_map(|mut v| {
        v.sort_by(|a, b| b.total_cmp(a));
        v
    })
}

proptest! {
    #[test]
    fn scaling_a_table_changes_nothing(sigma in spectrum(), e in -300..300i32, tau in 0.0..1.0f64) {
        // By a power of two every ratio is the same to the bit, and so is every measure.
        let scaled: Vec<f64> = sigma.iter().map(|&s| libm::ldexp(s, e)).collect();
        prop_assert_eq!(
            Measures::new(&sigma, 100, 64, 1e-7, &[0.01, tau]),
            Measures::new(&scaled, 100, 64, 1e-7, &[0.01, tau])
        );
    }

    #[test]
    fn measures_keep_their_order(sigma in spectrum()) {
        prop_assume!(sigma[0] > 0.0);
        let le = |a: f64, b: f64| a <= b * (1.0 + RTOL);
        let (stable, even) = (stable_rank(&sigma), participation_ratio(&sigma));
        let (abundance, effective) = (information_abundance(&sigma), effective_rank(&sigma));
        let positive = rank_at(&sigma, 0.0) as f64;
        prop_assert!(le(1.0, stable), "{stable}");
        prop_assert!(le(stable, even), "{stable} {even}");
        prop_assert!(le(even, effective), "{even} {effective}");
        prop_assert!(le(stable, abundance), "{stable} {abundance}");
        prop_assert!(le(abundance, effective), "{abundance} {effective}");
        prop_assert!(le(effective, positive), "{effective} {positive}");
        if let Some(h) = spectral_entropy(&sigma) {
            prop_assert!((0.0..=1.0).contains(&h));
        }
        let energy = energy_dim(&sigma, 0.99);
        prop_assert!(1 <= energy && energy as f64 <= positive);
        prop_assert!(energy <= energy_dim(&sigma, 1.0));
        prop_assert!(rank_at(&sigma, 0.5) <= rank_at(&sigma, 0.01));
        if let Some(c) = condition_number(&sigma) {
            prop_assert!(c >= 1.0);
        }
    }

    #[test]
    fn equal_values_are_the_equality_case(r in 1usize..64, zeros in 0usize..8, s in 1e-3..1e3f64) {
        let sigma: Vec<f64> = std::iter::repeat_n(s, r).chain(std::iter::repeat_n(0.0, zeros)).collect();
        let near = |x: f64| (x - r as f64).abs() <= RTOL * r as f64;
        prop_assert!(near(stable_rank(&sigma)));
        prop_assert!(near(participation_ratio(&sigma)));
        prop_assert!(near(information_abundance(&sigma)));
        prop_assert!(near(effective_rank(&sigma)));
        prop_assert_eq!(rank_at(&sigma, 0.01), r);
        prop_assert_eq!(numerical_rank(&sigma, 64, 64, 1e-7), r);
        prop_assert_eq!(energy_dim(&sigma, 1.0), r);
        prop_assert_eq!(condition_number(&sigma), (zeros == 0).then_some(1.0));
        let entropy = (r + zeros > 1).then(|| (r as f64).ln() / ((r + zeros) as f64).ln());
        match (spectral_entropy(&sigma), entropy) {
            (Some(a), Some(b)) => prop_assert!((a - b).abs() <= RTOL),
            (a, b) => prop_assert_eq!(a, b),
        }
    }

    #[test]
    fn a_power_law_is_recovered(alpha in 0.0..4.0f64, n in 3usize..60) {
        let sigma: Vec<f64> = (1..=n).map(|j| (j as f64).powf(-alpha / 2.0)).collect();
        let fit = power_law_alpha(&sigma, 1, n).unwrap();
        // log σ² is at most 4·log 60 = 16.4, its spread over log j at least 0.4: 41 times the relative error of a sum.
        prop_assert!((fit.alpha - alpha).abs() <= 41.0 * RTOL, "{} {}", fit.alpha, alpha);
        prop_assert_eq!((fit.first, fit.last), (1, n));
    }
}

#[test]
fn the_zero_matrix_has_rank_zero() {
    for sigma in [vec![], vec![0.0], vec![0.0; 8]] {
        let m = Measures::new(&sigma, 100, sigma.len(), 1e-7, &[0.0, 0.01]);
        let none = Count::decided(0);
        assert_eq!(m.ranks_at, [(0.0, none), (0.01, none)]);
        assert_eq!((m.numerical_rank, m.energy_dim_99), (0, 0));
        let real = [
            m.effective_rank,
            m.stable_rank,
            m.participation_ratio,
            m.information_abundance,
        ];
        assert_eq!(real, [0.0; 4]);
        assert_eq!((m.condition_number, m.power_law), (None, None));
        assert_eq!(m.spectral_entropy.unwrap_or(0.0), 0.0);
        let json = serde_json::to_value(&m).unwrap();
        assert_eq!(json["rank_at_0.01"], 0);
        assert!(json["condition_number"].is_null() && json["power_law_alpha"].is_null());
    }
}

#[test]
fn by_hand() {
    let sigma = [4.0, 2.0, 2.0, 0.0];
    assert_eq!(stable_rank(&sigma), 1.5);
    assert_eq!(participation_ratio(&sigma), 2.0); // 24²/(256 + 16 + 16)
    assert_eq!(information_abundance(&sigma), 2.0);
    let p = [0.5f64, 0.25, 0.25];
    let entropy: f64 = -p.iter().map(|p| p * p.ln()).sum::<f64>();
    assert!((effective_rank(&sigma) - entropy.exp()).abs() < RTOL);
    assert_eq!(rank_at(&sigma, 0.5), 1); // strictly greater
    assert_eq!(rank_at(&sigma, 0.49), 3);
    assert_eq!(energy_dim(&sigma, 0.6), 1); // 16 of 24 are 0.667
    assert_eq!(energy_dim(&sigma, 0.99), 3);
    assert_eq!(condition_number(&[4.0, 2.0]), Some(2.0));
    assert_eq!(condition_number(&[1e300, 1e-300]), None);
    assert_eq!(numerical_rank(&[1.0, 1e-5], 1_000_000, 8, f32::EPSILON.into()), 1);
    assert_eq!(numerical_rank(&[1.0, 1e-5], 8, 8, f32::EPSILON.into()), 2);
    let flat = power_law_alpha(&[3.0; 5], 1, 5).unwrap();
    assert_eq!((flat.alpha, flat.r_squared), (0.0, 1.0));
    assert!(flat.alpha.is_sign_positive());
    assert_eq!(power_law_alpha(&[1.0, 0.5], 1, 2), None);
    assert_eq!(power_law_alpha(&[1.0, 0.5, 0.0], 1, 3), None);
}

/// Values are decided by what is known of them: above the threshold for every σ₁, below or at it for every σ₁, or not at all.
#[test]
fn counts_are_numbers_where_the_intervals_decide() {
    let interval = |(lo, hi): (f64, f64)| Interval { lo, hi };
    let count = |of: &[(f64, f64)], tau: f64| {
        let intervals: Vec<Interval> = of.iter().copied().map(interval).collect();
        certified_rank_at(&intervals, tau)
    };
    let range = |least: usize, most: usize| Count { least, most };
    assert_eq!(count(&[(1.0, 1.0), (0.02, 0.02), (0.005, 0.005)], 0.01), range(2, 2));
    assert_eq!(count(&[(1.0, 1.0), (0.009, 0.011)], 0.01), range(1, 2));
    // σ₁ itself may be what is not known well enough.
    assert_eq!(count(&[(1.0, 3.0), (0.02, 0.02)], 0.01), range(1, 2));
    assert_eq!(count(&[(1.0, 1.9), (0.02, 0.02)], 0.01), range(2, 2));
    // A value at the threshold does not count, and rounding may not make it seem above: half of 2 is 1, one number further is more.
    let next = 1.0f64.next_up();
    assert_eq!(count(&[(2.0, 2.0), (next.next_up(), next.next_up())], 0.5), range(2, 2));
    assert_eq!(
        count(&[(2.0, 2.0), (1.0f64.next_down(), 1.0f64.next_down())], 0.5),
        range(1, 1)
    );
    assert_eq!(count(&[], 0.5), range(0, 0));
    assert_eq!(count(&[(0.0, 0.0), (0.0, 0.0)], 0.0), range(0, 0));
    assert_eq!(count(&[(0.0, 1e-9), (0.0, 1e-9)], 0.01), range(0, 2));
    let json = |c: Count| serde_json::to_string(&c).unwrap();
    assert_eq!((json(range(3, 3)), json(range(3, 5))), ("3".into(), "[3,5]".into()));
    assert_eq!(
        (range(3, 3).to_string(), range(3, 5).to_string()),
        ("3".into(), "3–5".into())
    );
}
