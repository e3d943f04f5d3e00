//! The theorem ledger: every statement of the paper and of the theory behind it, as code that can fail.
//!
//! One statement a file. The file's own comment is the statement (formula, hypotheses, proof, source): `docs/theorems.md` is
//! made of these comments. Each file has a function that constructs what the statement says exists, a `check` that gives a
//! [`check::Check`] for one case, and a `THEOREM` that puts it into the [`ledger`]. The property tests, `mlet verify` and the
//! report on a trained checkpoint call the same `check`.
//!
//! Two independent ways of knowing: **exactly**, over the rationals ([`exact`]), where equality is `==`; and in **floating
//! point**, against derived bounds. What is not a theorem as written is searched for its smallest counterexample ([`search`]).

pub mod balance_drift;
pub mod balanced_factors;
pub mod balanced_floating;
pub mod balanced_velocity;
pub mod check;
pub mod closest_floating;
pub mod closest_product;
pub mod cross_category;
pub mod decomposition;
pub mod document;
pub mod end_to_end_rule;
pub mod error;
pub mod exact;
pub mod floating;
pub mod flow_floating;
pub mod ledger;
pub mod matrices;
pub mod number;
pub mod one_step;
pub mod qr_construction;
pub mod qr_floating;
pub mod rank_bound;
pub mod rank_of_product;
pub mod residuals;
pub mod rotated_step;
pub mod search;
pub mod search_space;
pub mod slopes;
pub mod step;
pub mod trained;
pub mod velocity;
pub mod weyl;
pub mod weyl_floating;

pub use error::TheoryError;
pub use number::{Matrix, Number, Rational};
