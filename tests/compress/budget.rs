//! The choice under a budget against every possible choice.

use mlet::spectrum::advice::{Candidate, Form, Size, within_budget};
use proptest::prelude::*;

/// A table's shape, its singular values (descending) and its weight.
#[derive(Debug, Clone)]
struct Made {
    size: Size,
    sigma: Vec<f64>,
    weight: f64,
}

fn size(rows: usize, cols: usize, number: usize, inner: Option<usize>) -> Size {
    let numbers = inner.map_or(rows * cols, |k| (rows + cols) * k);
    Size {
        rows,
        cols,
        number,
        stored: (numbers * number) as u64,
    }
}

fn made() -> impl Strategy<Value = Made> {
    let sizes = (
        1usize..40,
        1usize..5,
        prop::sample::select(vec![2usize, 4, 8]),
        prop::option::of(1usize..7),
    );
    let values = prop::collection::vec(prop_oneof![3 => 0.0f64..1.0, 1 => Just(0.0), 1 => Just(0.5)], 4);
    (sizes, values, prop_oneof![Just(1.0), Just(0.25), 0.0f64..3.0]).prop_map(
        |((rows, cols, number, inner), mut sigma, weight)| {
            sigma.sort_by(|a, b| b.total_cmp(a));
            sigma.truncate(rows.min(cols));
            // A product of inner dimension k has at most k values that are not 0.
            sigma
                .iter_mut()
                .skip(inner.unwrap_or(usize::MAX))
                .for_each(|s| *s = 0.0);
            Made {
                size: size(rows, cols, number, inner),
                sigma,
                weight,
            }
        },
    )
}

/// Every form a table may have: (bytes, loss).
fn forms(table: &Made) -> Vec<(u64, f64)> {
    let loss = |rank: usize| table.weight * table.sigma.iter().skip(rank).map(|s| s * s).sum::<f64>();
    let ranks = 1..=table.sigma.len();
    let factored = ranks.map(|rank| (table.size.bytes(Form::Factored(rank)), loss(rank)));
    let whole = [Form::Kept, Form::Multiplied].map(|form| (table.size.bytes(form), 0.0));
    factored.chain(whole).collect()
}

/// The least loss within the budget, over all combinations; none where none fits.
fn brute_force(tables: &[Made], budget: u64) -> Option<f64> {
    let Some((first, rest)) = tables.split_first() else {
        return Some(0.0);
    };
    let losses = forms(first).into_iter().filter_map(|(bytes, loss)| {
        let left = budget.checked_sub(bytes)?;
        Some(loss + brute_force(rest, left)?)
    });
    losses.min_by(f64::total_cmp)
}

fn candidates(tables: &[Made]) -> Vec<Candidate<'_>> {
    let mut candidates = Vec::new();
    for Made { size, sigma, weight } in tables {
        let (size, weight) = (*size, *weight);
        candidates.push(Candidate { size, sigma, weight });
    }
    candidates
}

/// Sums of at most 16 terms, each of at most two products, and a quotient, in two orders: each side errs by at most
/// (16 + 4)·u of a number below the total, relative to it.
const ROUNDING: f64 = 2.0 * 20.0 * f64::EPSILON / 2.0;

fn total(tables: &[Made]) -> f64 {
    tables
        .iter()
        .map(|t| t.weight * t.sigma.iter().map(|s| s * s).sum::<f64>())
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_choice_is_below_the_bound_and_none_of_its_steps_is_missing(
        tables in prop::collection::vec(made(), 1..5),
        share in 0.0f64..1.1,
    ) {
        let stored: u64 = tables.iter().map(|t| t.size.stored).sum();
        let budget = (share * stored as f64) as u64;
        let best = brute_force(&tables, budget);
        match within_budget(&candidates(&tables), budget) {
            Err(error) => {
                prop_assert!(best.is_none(), "refused, but {best:?} fits");
                prop_assert!(brute_force(&tables, error.least).is_some());
                prop_assert!(brute_force(&tables, error.least - 1).is_none());
            }
            Ok(plan) => {
                let (best, total) = (best.unwrap(), total(&tables));
                let bytes: u64 = tables.iter().zip(&plan.forms).map(|(t, &form)| t.size.bytes(form)).sum();
                prop_assert_eq!(bytes, plan.bytes);
                prop_assert!(bytes <= budget, "{bytes} of {budget}");
                // Its own bytes are enough, and one byte less gives less (or nothing): a budget overrun by a byte shows.
                let at_its_bytes = within_budget(&candidates(&tables), bytes).unwrap();
                prop_assert_eq!(at_its_bytes.bytes, bytes);
                if let Ok(below) = within_budget(&candidates(&tables), bytes - 1) {
                    prop_assert!(below.bytes < bytes, "{} of {}", below.bytes, bytes - 1);
                }
                let slack = ROUNDING * total;
                prop_assert!(plan.loss * total >= best - slack, "{} is below the best, {best}", plan.loss * total);
                prop_assert!(plan.least_loss * total <= best + slack, "bound {} above the best, {best}", plan.least_loss * total);
                prop_assert!(plan.least_loss <= plan.loss);
                // What it says it loses is what its forms lose.
                let lost: f64 = tables.iter().zip(&plan.forms).map(|(t, &form)| match form {
                    Form::Factored(rank) => t.weight * t.sigma.iter().skip(rank).map(|s| s * s).sum::<f64>(),
                    Form::Kept | Form::Multiplied => 0.0,
                }).sum();
                prop_assert!((lost - plan.loss * total).abs() <= slack, "{lost} against {}", plan.loss * total);
            }
        }
    }

    /// Where every step costs the same, as of products of one shape that are kept at their own inner width, the choice is the best.
    #[test]
    fn equal_costs_are_solved(
        values in prop::collection::vec(prop::collection::vec(0.0f64..1.0, 4), 1..5),
        steps in 0u64..20,
    ) {
        let size = size(100, 8, 4, Some(4));
        let tables: Vec<Made> = values.into_iter().map(|mut sigma| {
            sigma.sort_by(|a, b| b.total_cmp(a));
            sigma.resize(8, 0.0);
            Made { size, sigma, weight: 1.0 }
        }).collect();
        let step = size.bytes(Form::Factored(1));
        let budget = step * (tables.len() as u64 + steps) + 7;
        let plan = within_budget(&candidates(&tables), budget).unwrap();
        let (best, total) = (brute_force(&tables, budget).unwrap(), total(&tables));
        prop_assert!((plan.loss * total - best).abs() <= ROUNDING * total, "{} against {best}", plan.loss * total);
    }
}
