//! What the tests of all statements share.

use mlet::theory::check::Check;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::fmt::{Debug, Display};

/// A wrong variant of a statement, and what is wrong with it.
pub type Mutation<'a, C> = (&'a str, &'a dyn Fn(&C) -> Check);

/// Fails unless the right statement holds on every case and each wrong variant fails on one of the same 256 cases.
pub fn catches<S>(strategy: S, right: impl Fn(&S::Value) -> Check, wrong: &[Mutation<S::Value>])
where
    S: Strategy,
    S::Value: Debug + Display,
{
    // The first case that tells right from wrong is enough: no shrinking.
    let failure = |check: &dyn Fn(&S::Value) -> Check| {
        let config = Config {
            cases: 256,
            failure_persistence: None,
            max_shrink_iters: 0,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let holds = |case| match check(&case).holds() {
            true => Ok(()),
            false => Err(TestCaseError::fail(format!("{case}: {:?}", check(&case)))),
        };
        TestRunner::new_with_rng(config, rng).run(&strategy, holds).err()
    };
    if let Some(failed) = failure(&right) {
        panic!("the right statement failed: {failed}");
    }
    for (name, check) in wrong {
        assert!(failure(check).is_some(), "not caught: {name}");
    }
}

/// Fails with the witness unless the check holds.
pub fn assert_holds(check: Check) {
    assert!(check.holds(), "{check:?}");
}
