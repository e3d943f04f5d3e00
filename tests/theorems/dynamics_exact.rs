//! E1, E2 and E3: identities of one step, exact over the rationals, and within rounding in f64 and f32 on the same cases.

use crate::common::{assert_holds, catches};
use mlet::theory::exact::strategies::{steps, steps_with_unseen_rows};
use mlet::theory::step::Step;
use mlet::theory::{Matrix, Number, Rational, balance_drift, cross_category, one_step};
use num_traits::{One, Zero};
use proptest::prelude::*;

proptest! {
    #[test]
    fn e1_one_step(step in steps(2..=2)) {
        assert_holds(one_step::check(&step));
        assert_holds(one_step::check(&rounded(&step, |x| x.nearest())));
        assert_holds(one_step::check(&rounded(&step, |x| x.nearest() as f32)));
    }

    #[test]
    fn e2_unseen_rows(step in steps_with_unseen_rows(1..=2)) {
        prop_assert!(!cross_category::unseen_rows(&step.gradient).is_empty());
        assert_holds(cross_category::check(&step));
        assert_holds(cross_category::check(&rounded(&step, |x| x.nearest())));
        assert_holds(cross_category::check(&rounded(&step, |x| x.nearest() as f32)));
    }

    #[test]
    fn e3_balance_drift(step in steps(1..=4)) {
        assert_holds(balance_drift::check(&step));
        assert_holds(balance_drift::check(&rounded(&step, |x| x.nearest())));
        assert_holds(balance_drift::check(&rounded(&step, |x| x.nearest() as f32)));
    }
}

/// The step in another number type, every number rounded to it.
fn rounded<T: Number>(step: &Step<Rational>, round: impl Fn(&Rational) -> T) -> Step<T> {
    Step {
        factors: step.factors.iter().map(|factor| factor.map(|x| round(&x))).collect(),
        gradient: step.gradient.map(|x| round(&x)),
        learning_rate: round(&step.learning_rate),
    }
}

fn one_point_three() -> Rational {
    Rational::new(13.into(), 10.into())
}

/// The same step at another rate.
fn at_rate(step: &Step<Rational>, factor: Rational) -> Step<Rational> {
    let learning_rate = step.learning_rate.clone() * factor;
    Step {
        learning_rate,
        ..step.clone()
    }
}

#[test]
fn e1_catches_wrong_formulas() {
    type S = Step<Rational>;
    let against = |right: fn(&S) -> Matrix<Rational>| move |step: &S| one_step::check_against(step, right);
    let second = |s: &S| &s.gradient * s.end_to_end().transpose() * &s.gradient * (&s.learning_rate * &s.learning_rate);
    let no_second_order = move |s: &S| one_step::check_against(s, |s| one_step::end_to_end_after(s) - second(s));
    let no_left_term = against(|s| {
        let eta = s.learning_rate.clone();
        one_step::end_to_end_after(s) + &s.factors[0] * (s.factors[0].transpose() * &s.gradient) * eta
    });
    let transpose_dropped = against(|s| {
        // G·W·G in place of G·Wᵀ·G, where the shapes allow it.
        let (eta, w) = (s.learning_rate.clone(), s.end_to_end());
        if w.nrows() != w.ncols() {
            return one_step::end_to_end_after(s);
        }
        let (g, squared) = (&s.gradient, eta.clone() * eta);
        one_step::end_to_end_after(s) + g * (&w - w.transpose()) * g * squared
    });
    let factor = against(|s| one_step::end_to_end_after(&at_rate(s, one_point_three())));
    let single_layer = against(|s| s.end_to_end() - &s.gradient * s.learning_rate.clone());
    catches(
        steps(2..=2),
        one_step::check,
        &[
            ("no term in η²", &no_second_order),
            ("no W₁W₁ᵀG", &no_left_term),
            ("W for Wᵀ in the second order", &transpose_dropped),
            ("1.3·η", &factor),
            ("the step of a single layer", &single_layer),
        ],
    );
}

#[test]
fn e2_catches_wrong_formulas() {
    type S = Step<Rational>;
    let against =
        |right: fn(&S, &[usize]) -> Matrix<Rational>| move |step: &S| cross_category::check_against(step, right);
    let single_layer = against(|s, rows| Matrix::zeros(rows.len(), s.gradient.ncols()));
    let factor = against(|s, rows| cross_category::unseen_change(&at_rate(s, one_point_three()), rows));
    let sign = against(|s, rows| -cross_category::unseen_change(s, rows));
    let end_to_end_products = against(|s, rows| {
        // ⟨W_p, W_q⟩ in place of ⟨W₁_p, W₁_q⟩.
        if s.depth() == 1 {
            return Matrix::zeros(rows.len(), s.gradient.ncols());
        }
        let w = s.end_to_end();
        w.select_rows(rows) * w.transpose() * &s.gradient * -s.learning_rate.clone()
    });
    let moves_in_one_layer = against(|s, rows| match s.depth() {
        1 => Matrix::from_element(rows.len(), s.gradient.ncols(), Rational::one()),
        _ => cross_category::unseen_change(s, rows),
    });
    catches(
        steps_with_unseen_rows(1..=2),
        cross_category::check,
        &[
            ("ΔW_p = 0 for two layers", &single_layer),
            ("1.3·η", &factor),
            ("the other sign", &sign),
            ("inner products of W in place of W₁", &end_to_end_products),
            ("a single layer moves", &moves_in_one_layer),
        ],
    );
}

#[test]
fn e3_catches_wrong_formulas() {
    type S = Step<Rational>;
    let against = |right: fn(&S) -> Vec<Matrix<Rational>>| move |step: &S| balance_drift::check_against(step, right);
    let conserved = against(|s| balance_drift::drift(&at_rate(s, Rational::zero())));
    let factor = against(|s| {
        balance_drift::drift(s)
            .into_iter()
            .map(|x| x * one_point_three())
            .collect()
    });
    let swapped = against(|s| balance_drift::drift(s).into_iter().map(|x| -x).collect());
    let first_order = against(|s| {
        let eta = s.learning_rate.clone();
        balance_drift::drift(s).into_iter().map(|x| x / eta.clone()).collect()
    });
    let one_sided = against(|s| {
        // The second Gram matrix left out.
        let squared = s.learning_rate.clone() * s.learning_rate.clone();
        let gradients = s.factor_gradients();
        let gram = |g: &Matrix<Rational>| g.transpose() * g * squared.clone();
        gradients[..gradients.len() - 1].iter().map(gram).collect()
    });
    let transpose_dropped = against(|s| {
        // g·gᵀ in place of gᵀ·g, where the shapes allow it.
        let squared = s.learning_rate.clone() * s.learning_rate.clone();
        let mut drift = balance_drift::drift(s);
        let g = &s.factor_gradients()[0];
        if g.nrows() == g.ncols() {
            drift[0] += (g * g.transpose() - g.transpose() * g) * squared;
        }
        drift
    });
    catches(
        steps(2..=4),
        balance_drift::check,
        &[
            ("conserved by discrete steps too", &conserved),
            ("1.3·η²", &factor),
            ("sides swapped", &swapped),
            ("η for η²", &first_order),
            ("without W₁ᵀGGᵀW₁", &one_sided),
            ("transpose dropped", &transpose_dropped),
        ],
    );
}

#[test]
fn a_step_without_unseen_rows_or_of_three_factors() {
    let one = |rows, cols| Matrix::from_element(rows, cols, Rational::one());
    let step = |factors: Vec<_>| Step::new(factors, one(2, 2), Rational::one()).unwrap();
    assert_holds(cross_category::check(&step(vec![one(2, 3), one(3, 2)])));
    let deep = cross_category::check(&step(vec![one(2, 3), one(3, 3), one(3, 2)]));
    assert!(!deep.holds() && deep.witness.contains("one or two factors"));
}
