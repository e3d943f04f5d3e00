//! The command line: one file a subcommand. The only place that prints.

use clap::{Parser, Subcommand};

pub mod bench;
pub mod collapse;
pub mod compress;
pub mod devices;
pub mod evaluate;
pub mod prepare;
pub mod progress;
pub mod say;
pub mod settings;
pub mod spectrum;
pub mod study;
pub mod train;
pub mod verify;

/// A workbench for embedding tables in recommendation models.
#[derive(Debug, Parser)]
#[command(name = "mlet", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn a raw click log into a prepared data set
    Prepare(prepare::Args),
    /// List the adapters that can train, with their drivers and limits
    Devices(devices::Args),
    /// Train a DLRM with single- or multi-layer embeddings
    Train(Box<train::Args>),
    /// Measure a trained or collapsed model on a data set
    Evaluate(evaluate::Args),
    /// Multiply every table's factors into one table
    Collapse(collapse::Args),
    /// Truncate every table: a share of energy, a budget of bytes, or ranks
    Compress(compress::Args),
    /// Singular values and rank measures of embedding tables, as a report
    Spectrum(spectrum::Args),
    /// Run a study: a plan of arms and seeds
    Study(study::Args),
    /// Check every statement of the theory: proved, within bounds, or refuted
    Verify(verify::Args),
    /// Time a training step beside the floor of the machine
    Bench(bench::Args),
}

/// Runs one command.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Prepare(args) => prepare::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Train(args) => train::run(*args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Collapse(args) => collapse::run(args),
        Command::Compress(args) => compress::run(args),
        Command::Spectrum(args) => spectrum::run(args),
        Command::Study(args) => study::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Bench(args) => bench::run(args),
    }
}
