//! `mlet bench step`: the time of a training step on made-up data of real shapes, beside the floor of the machine.
//!
//! - [`setup`]: what is measured: shapes of tables, network, batch, device.
//! - [`synthetic`]: examples and initial values of those shapes.
//! - [`arm`]: one set-up in memory, and its steps.
//! - [`floor`]: the best rate of a product on this machine.
//! - [`rounds`]: several set-ups in turn, round after round, in one process.
//! - [`quiet`]: whether anything else was computing.
//! - `outcome`: from what they gather to [`record`], what came out.

pub mod arm;
pub mod floor;
mod outcome;
pub mod quiet;
pub mod record;
pub mod rounds;
pub mod setup;
pub mod synthetic;

pub use record::Measured;
pub use rounds::{Effort, Observer, measure};
pub use setup::{Rows, Setup, Shape};
