//! A plan of arms and seeds → runs → results.
//!
//! - [`plan`]: `plan.toml`, read and checked.
//! - [`prepared`]: the plan's data set, prepared unless it is there.
//! - [`runs`]: what is done, what is missing, and the doing of it.
//! - [`metric`]: the numbers of a run that a study compares.
//! - [`statistics`]: means, and differences paired by seed.
//! - [`results`]: all runs of a study as records, CSV and JSON.
//! - [`table`]: the same as a Markdown table.
//! - [`words`]: what the table says, in words.
//! - [`machine`]: what the results were computed on.
//! - [`truth`]: what is known of planted data.
//! - [`runtime`]: a study of time instead: arms measured in turn in one process.

pub mod machine;
pub mod metric;
pub mod plan;
pub mod prepared;
pub mod results;
pub mod runs;
pub mod runtime;
pub mod statistics;
pub mod table;
pub mod truth;
pub mod words;

pub use plan::{Arm, Plan, PlanError};
pub use results::Results;
