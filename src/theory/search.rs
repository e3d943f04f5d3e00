//! Many cases of one statement: the worst, and where one fails the smallest that proptest can shrink it to.

use super::check::Check;
use super::error::TheoryError;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::RefCell;
use std::fmt::{Debug, Display};

/// How many random cases, and from which seed. The same budget gives the same cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Random cases a row of the ledger.
    pub cases: u32,
    /// Seed of the generator.
    pub seed: u64,
}

/// A check and the case it was made on.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    /// What the statement said.
    pub check: Check,
    /// The case, in one line.
    pub case: String,
}

/// What a search saw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// Cases looked at, before any shrinking.
    pub cases: u64,
    /// The case nearest to its bound; the shrunk one where the statement fails.
    pub worst: Option<Worst>,
}

impl Found {
    /// Whether the statement held in every case. A search without a case found nothing out, and does not count as holding.
    pub fn holds(&self) -> bool {
        self.worst.as_ref().is_some_and(|worst| worst.check.holds())
    }

    /// Both searches as one; the first failure is kept.
    #[must_use]
    pub fn and(mut self, other: Found) -> Found {
        self.cases += other.cases;
        self.worst = match (self.worst, other.worst) {
            (Some(mine), Some(others)) if mine.check.clone().worse(others.check.clone()) == mine.check => Some(mine),
            (mine, None) => mine,
            (_, others) => others,
        };
        self
    }

    /// Adds one case.
    pub fn look(&mut self, check: Check, case: impl FnOnce() -> String) {
        self.cases += 1;
        let keep = match &self.worst {
            None => true,
            Some(worst) => worst.check.clone().worse(check.clone()) != worst.check,
        };
        if keep {
            self.worst = Some(Worst { check, case: case() });
        }
    }
}

/// Checks the statement on every one of a list of cases (the special matrices).
pub fn each<C: Display>(cases: impl IntoIterator<Item = C>, check: impl Fn(&C) -> Result<Check, TheoryError>) -> Found {
    let mut found = Found::default();
    for case in cases {
        found.look(or_failed(check(&case)), || case.to_string());
    }
    found
}

/// Checks the statement on `budget.cases` random cases of `strategy`. Stops at the first that fails and shrinks it.
pub fn random<S>(budget: Budget, strategy: S, check: impl Fn(&S::Value) -> Result<Check, TheoryError>) -> Found
where
    S: Strategy,
    S::Value: Debug + Display,
{
    let config = Config {
        cases: budget.cases,
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..Config::default()
    };
    let found = RefCell::new(Found::default());
    let shrinking = RefCell::new(false);
    let outcome = TestRunner::new_with_rng(config, generator(budget.seed)).run(&strategy, |case| {
        let check = or_failed(check(&case));
        let holds = check.holds();
        if !*shrinking.borrow() {
            found.borrow_mut().look(check, || case.to_string());
        }
        if holds {
            return Ok(());
        }
        *shrinking.borrow_mut() = true;
        Err(TestCaseError::fail("the statement does not hold"))
    });
    let mut found = found.into_inner();
    if let Err(TestError::Fail(_, smallest)) = outcome {
        found.worst = Some(Worst {
            check: or_failed(check(&smallest)),
            case: smallest.to_string(),
        });
    }
    found
}

/// A valid case that the code refuses is a case in which the statement fails.
fn or_failed(check: Result<Check, TheoryError>) -> Check {
    check.unwrap_or_else(|error| Check::failed(0.0, error.to_string()))
}

fn generator(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { cases: 500, seed: 1 };

    #[test]
    fn the_smallest_failure_is_found() {
        let check = |n: &u32| Ok(Check::ratio("n below 17", f64::from(*n), 16.0));
        let found = random(BUDGET, 0u32..1000, check);
        assert!(!found.holds());
        assert_eq!(found.worst.unwrap().case, "17");
    }

    #[test]
    fn the_worst_case_is_kept_and_the_seed_repeats_it() {
        let check = |n: &u32| Ok(Check::ratio("n", f64::from(*n), 1e9));
        let found = random(BUDGET, 0u32..1_000_000, check);
        assert!(found.holds() && found.cases == 500);
        assert_eq!(found, random(BUDGET, 0u32..1_000_000, check));
        assert_ne!(found, random(Budget { seed: 2, ..BUDGET }, 0u32..1_000_000, check));
    }

    #[test]
    fn an_error_is_a_failure_and_no_case_proves_nothing() {
        let refuse = |_: &u32| Err(TheoryError::NoInnerDim { matrix: "W".into() });
        assert!(!each([1u32], refuse).holds());
        assert!(!each::<u32>([], |_| Ok(Check::ratio("n", 0.0, 1.0))).holds());
    }
}
