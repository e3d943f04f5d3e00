//! T2.1, T2.1-sharp, T2.2 and its proof: what products of a given inner width reach, exactly.

use crate::common::{assert_holds, catches};
use mlet::theory::check::Check;
use mlet::theory::exact::strategies::{
    Factors, Shape, Table, factors, integers, shapes_with_k_below_both, shapes_with_k_below_d, tables_with_inner_dim,
};
use mlet::theory::exact::{from_float, integer, orthogonal_qr, rank, rectangular_identity};
use mlet::theory::qr_construction::{self, factorize_exactly};
use mlet::theory::rank_bound::{self, Decision, construction, decide};
use mlet::theory::search::{Budget, random};
use mlet::theory::{Matrix, Rational, TheoryError, rank_of_product, search_space};
use proptest::prelude::*;

type Pair = (Matrix<Rational>, Matrix<Rational>);

fn checked(check: Result<Check, TheoryError>) -> Check {
    check.unwrap_or_else(|error| Check::failed(0.0, error.to_string()))
}

fn one_point_three() -> Rational {
    Rational::new(13.into(), 10.into())
}

proptest! {
    #[test]
    fn t2_1_every_table_is_a_product_through_k_at_least_d(case in tables_with_inner_dim(|_, d| d)) {
        assert_holds(qr_construction::check(&case).unwrap());
    }

    #[test]
    fn t2_1_an_f32_table_is_reproduced_bit_by_bit(entries in prop::collection::vec(prop::num::f32::NORMAL, 12), k in 4usize..7) {
        let floats = Matrix::from_vec(3, 4, entries);
        let case = Table { w: from_float("W", &floats).unwrap(), inner_dim: k };
        assert_holds(qr_construction::check(&case).unwrap());
    }

    #[test]
    fn t2_1_sharp_both_directions(case in tables_with_inner_dim(|_, _| 1)) {
        assert_holds(search_space::check(&case).unwrap());
    }

    #[test]
    fn t2_2_corrected(case in shapes_with_k_below_both()) {
        assert_holds(rank_bound::check(&case).unwrap());
    }

    #[test]
    fn t2_2_is_decided_for_every_shape_and_as_the_corrected_hypothesis_says(case in shapes_with_k_below_d()) {
        let decision = decide(&case, construction).unwrap();
        prop_assert_eq!(decision == Decision::AllReached, case.inner_dim >= case.num_embeddings);
        prop_assert!(decision != Decision::Undecided);
    }

    #[test]
    fn t2_2_proof_corrected(case in factors()) {
        assert_holds(rank_of_product::check(&case));
    }

    /// Equality throughout: W₁ = [I; X] and W₂ = [I Y] have rank k, and so has their product.
    #[test]
    fn t2_2_proof_is_attained(x in integers(2, 3), y in integers(3, 2)) {
        let w1 = Matrix::from_fn(5, 3, |i, j| if i < 3 { integer(u8::from(i == j)) } else { x[(i - 3, j)].clone() });
        let w2 = Matrix::from_fn(3, 5, |i, j| if j < 3 { integer(u8::from(i == j)) } else { y[(i, j - 3)].clone() });
        let case = Factors { w1, w2 };
        assert_holds(rank_of_product::check_as_written(&case));
        prop_assert_eq!(rank_of_product::check(&case).ratio, 1.0);
    }
}

#[test]
fn t2_1_catches_wrong_constructions() {
    let against = |factorize: fn(&Matrix<Rational>, usize) -> Pair| {
        move |case: &Table| checked(qr_construction::check_against(case, |w, k| Ok(factorize(w, k))))
    };
    let parts = |w: &Matrix<Rational>, k: usize| {
        let qr = orthogonal_qr(&w.transpose());
        (qr.q, qr.r, rectangular_identity(w.ncols(), k))
    };
    let q_not_transposed = move |case: &Table| {
        checked(qr_construction::check_against(case, |w, k| {
            let (q, r, i_dk) = parts(w, k);
            Ok((r.transpose() * &i_dk, i_dk.transpose() * q))
        }))
    };
    let qr_of_w = move |case: &Table| {
        // W = QR in place of Wᵀ = QR, where the shapes allow it.
        checked(qr_construction::check_against(case, |w, k| match w.is_square() {
            false => factorize_exactly(w, k),
            true => {
                let (q, r, i_dk) = parts(&w.transpose(), k);
                Ok((r.transpose() * &i_dk, i_dk.transpose() * q.transpose()))
            }
        }))
    };
    let k_and_d_swapped = move |case: &Table| {
        // I_kd: the width is d again.
        checked(qr_construction::check_against(case, |w, _| {
            factorize_exactly(w, w.ncols())
        }))
    };
    let n_for_d = against(|w, k| {
        // R kept only as far as n×n, as faer gives it for n < d: the rest of the width is lost for n > d.
        let (w1, w2) = factorize_exactly(w, k).unwrap();
        let least = w.ncols() - 1;
        let cut = Matrix::from_fn(
            w1.nrows(),
            k,
            |i, j| if j < least { w1[(i, j)].clone() } else { integer(0) },
        );
        (cut, w2)
    });
    let factor = against(|w, k| {
        let (w1, w2) = factorize_exactly(w, k).unwrap();
        (w1 * one_point_three(), w2)
    });
    catches(
        tables_with_inner_dim(|_, d| d),
        |case| checked(qr_construction::check(case)),
        &[
            ("Q for Qᵀ", &q_not_transposed),
            ("W for Wᵀ", &qr_of_w),
            ("k and d swapped", &k_and_d_swapped),
            ("the last column of R lost", &n_for_d),
            ("1.3·W₁", &factor),
        ],
    );
}

#[test]
fn t2_1_refuses_what_it_cannot_do() {
    let w = Matrix::from_element(2, 3, integer(1));
    assert!(matches!(factorize_exactly(&w, 0), Err(TheoryError::NoInnerDim { .. })));
    assert!(matches!(factorize_exactly(&w, 2), Err(TheoryError::TooNarrow { .. })));
    let empty = Matrix::from_element(2, 0, integer(1));
    assert!(matches!(factorize_exactly(&empty, 1), Err(TheoryError::Empty { .. })));
}

#[test]
fn t2_1_sharp_catches_wrong_hypotheses() {
    let against =
        |equal: fn(usize, usize, usize) -> bool| move |case: &Table| checked(search_space::check_against(case, equal));
    catches(
        tables_with_inner_dim(|_, _| 1),
        |case| checked(search_space::check(case)),
        &[
            ("k ≥ d, the paper's", &against(|_, d, k| k >= d)),
            ("k ≥ n", &against(|n, _, k| k >= n)),
            ("k ≥ max(n, d)", &against(|n, d, k| k >= n.max(d))),
            ("k > min(n, d)", &against(|n, d, k| k > n.min(d))),
            ("k and d swapped: d ≥ min(n, k)", &against(|n, d, k| d >= n.min(k))),
        ],
    );
}

#[test]
fn t2_2_the_smallest_counterexample_is_found_from_every_seed() {
    for seed in 0..6 {
        let budget = Budget { cases: 256, seed };
        let found = random(budget, shapes_with_k_below_d(), rank_bound::check_as_written);
        assert!(!found.holds());
        let worst = found.worst.unwrap();
        assert_eq!(worst.case, "n = 1, k = 1, d = 2", "seed {seed}");
        assert!(worst.check.witness.contains("k < min(n, d)"), "{}", worst.check.witness);
    }
}

#[test]
fn t2_2_catches_wrong_hypotheses_and_wrong_constructions() {
    let missed_exactly_if = |hypothesis: fn(usize, usize, usize) -> bool| {
        move |case: &Shape| {
            let (n, d, k) = (case.num_embeddings, case.embedding_dim, case.inner_dim);
            let missed = matches!(decide(case, construction).unwrap(), Decision::Missed(_));
            Check::ratio("missed", f64::from(u8::from(missed != hypothesis(n, d, k))), 0.0)
        }
    };
    catches(
        shapes_with_k_below_d(),
        missed_exactly_if(|n, d, k| k < n.min(d)),
        &[
            ("k < d, the paper's", &missed_exactly_if(|_, d, k| k < d)),
            ("k ≤ min(n, d)", &missed_exactly_if(|n, d, k| k <= n.min(d))),
            ("k < max(n, d)", &missed_exactly_if(|n, d, k| k < n.max(d))),
            ("k + 1 < min(n, d)", &missed_exactly_if(|n, d, k| k + 1 < n.min(d))),
        ],
    );
    // A wrong construction refutes nothing: the claim must not count as refuted by it.
    let twisted = |w: &Matrix<Rational>, k: usize| {
        let (w1, w2) = construction(w, k);
        (w1, w2 * one_point_three())
    };
    let other_end = |w: &Matrix<Rational>, k: usize| {
        let (w1, w2) = construction(w, k);
        (w1, Matrix::from_fn(k, w.ncols(), |i, j| w2[(k - 1 - i, j)].clone()))
    };
    let case = Shape {
        num_embeddings: 2,
        inner_dim: 3,
        embedding_dim: 4,
        tables: Vec::new(),
    };
    assert_eq!(decide(&case, construction).unwrap(), Decision::AllReached);
    assert_eq!(decide(&case, twisted).unwrap(), Decision::Undecided);
    assert_eq!(decide(&case, other_end).unwrap(), Decision::Undecided);
}

#[test]
fn t2_2_proof_fails_first_at_one_zero() {
    for seed in 0..8 {
        let check = |case: &Factors| Ok(rank_of_product::check_as_written(case));
        let found = random(Budget { cases: 256, seed }, factors(), check);
        assert_eq!(found.worst.unwrap().case, "W1 = [0], W2 = [0]", "seed {seed}");
    }
}

#[test]
fn t2_2_proof_catches_wrong_bounds() {
    use rank_of_product::{Ranks, check_against};
    let against = |middle: fn(Ranks) -> usize| move |case: &Factors| check_against(case, middle);
    let of_the_sum = |case: &Factors| {
        // d for k: the bound of a product through d.
        let swapped = rank(&(&case.w1 * &case.w2)) <= case.w2.ncols() && case.w1.ncols() <= case.w2.ncols();
        Check::ratio("k ≤ d", f64::from(u8::from(!swapped)), 0.0)
    };
    catches(
        factors(),
        rank_of_product::check,
        &[
            ("rank W₁ + rank W₂", &against(|r| r.first + r.second)),
            (
                "Sylvester's lower bound",
                &against(|r| (r.first + r.second).saturating_sub(r.inner_dim)),
            ),
            ("min − 1", &against(|r| r.first.min(r.second).saturating_sub(1))),
            ("k + 1", &against(|r| r.inner_dim + 1)),
            ("k and d swapped", &of_the_sum),
        ],
    );
}
