//! What the tests of all statements share.

use mlet::theory::check::Check;
use mlet::theory::error::TheoryError;
use mlet::theory::search::{Budget, Found, random};
use proptest::strategy::Strategy;
use std::fmt::{Debug, Display};

/// Cases a mutation is given to be caught in.
pub const MUTATION: Budget = Budget { cases: 256, seed: 7 };

/// Fails unless the right statement holds on every case and each wrong variant fails on one of the same cases.
pub fn catches<S>(
    strategy: impl Fn() -> S,
    right: impl Fn(&S::Value) -> Check,
    wrong: &[(&str, &dyn Fn(&S::Value) -> Check)],
) where
    S: Strategy,
    S::Value: Debug + Display,
{
    let search = |check: &dyn Fn(&S::Value) -> Check| -> Found {
        random(MUTATION, strategy(), |case| Ok::<_, TheoryError>(check(case)))
    };
    let found = search(&right);
    assert!(found.holds(), "the right statement failed: {:?}", found.worst);
    for (name, check) in wrong {
        let found = search(check);
        assert!(!found.holds(), "not caught in {} cases: {name}", found.cases);
    }
}

/// Fails with the witness unless the check holds.
pub fn assert_holds(check: Check) {
    assert!(check.holds(), "{check:?}");
}
