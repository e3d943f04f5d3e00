//! Initial values, the step, a run: metrics, schedule, checkpoint.

pub mod batches;
pub mod bench;
pub mod collapse;
pub mod compress;
pub mod dynamics;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod folder;
pub mod initialize;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod network;
pub mod parameters;
pub mod run;
pub mod schedule;
pub mod spectra;
pub mod state;
pub mod step;
pub mod summary;
