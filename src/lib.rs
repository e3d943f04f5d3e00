//! **mlet**: a workbench for embedding tables in recommendation models.
//!
//! Layers, top to bottom; an import only ever points down (`tests/layering.rs`):
//!
//! - [`cli`]: one file a subcommand; the only place that prints.
//! - [`report`]: records → JSON, CSV, HTML, plots.
//! - [`study`]: a plan of arms and seeds → runs → results.
//! - [`train`]: initial values, the step, a run, its metrics and its checkpoint.
//! - [`theory`]: one statement a file, and the ledger that lists them.
//! - [`spectrum`]: tables → singular values and rank measures.
//! - [`kernels`]: one operation a file, its CPU code beside its GPU encoding.
//! - [`backend`]: where arithmetic runs.
//! - [`model`]: what a DLRM is: configuration, parameters, checkpoint files.
//! - [`data`]: raw click logs → prepared data set → batches.

pub mod backend;
pub mod cli;
pub mod data;
pub mod kernels;
pub mod model;
pub mod report;
pub mod spectrum;
pub mod study;
pub mod theory;
pub mod train;
