//! `mlet bench`: how fast.

mod setup;
mod show;

use crate::cli::say::{self, say};
use crate::train::bench::{Effort, Measured, Observer, Setup, measure};
use crate::train::memory::Needs;
use clap::Subcommand;
use serde::Serialize;
use setup::SetupArgs;
use std::io::IsTerminal;

/// Arguments of `mlet bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Time a training step on made-up data of real shapes, beside the floor of the machine
    Step(Box<StepArgs>),
}

/// Arguments of `mlet bench step`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every round runs each set-up with the loader, then on one repeated batch, and the best product, \
    which sets the floor.\nRatios of set-ups come from the same rounds of one process:\n  \
    mlet bench step --embedding-dim 16 --against \"--inner-dim 64\"\n  \
    mlet bench step --inner-dim 64 --rows power --cap 1000 --against \"--scale-tables 100\"\n  \
    mlet bench step --inner-dim 64 --against \"--single\" --against \"--device lavapipe\""
)]
struct StepArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// The same with other options on top, in turn with the first, and the ratio of their times; may be given again
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    against: Vec<String>,
    /// Rounds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of all rounds together, about
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds more that may go by until as many rounds were undisturbed by other processes
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    patience: f64,
    /// Counted steps of each set-up, instead of --seconds
    #[arg(long)]
    steps: Option<usize>,
    /// Steps of each set-up before the first round
    #[arg(long, default_value_t = 20)]
    warmup: usize,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Runs `mlet bench`.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Step(args) => step(&args),
    }
}

fn step(args: &StepArgs) -> anyhow::Result<()> {
    let mut setups = vec![args.setup.resolve()?];
    for text in &args.against {
        setups.push(args.setup.with(text)?.resolve()?);
    }
    let (seconds, patience) = (args.seconds, args.patience);
    anyhow::ensure!((1e-6..1e9).contains(&seconds), "--seconds {seconds}: must be above 0");
    anyhow::ensure!(
        (0.0..1e9).contains(&patience),
        "--patience {patience}: must not be negative"
    );
    let effort = Effort {
        rounds: args.rounds as usize,
        warmup: args.warmup,
        steps: args.steps,
        seconds,
        patience,
        memory: None,
    };
    let measured = measure(&setups, &effort, &mut Progress)?;
    if args.json {
        let machine = crate::study::machine::describe();
        let all = Json {
            machine,
            measured: &measured,
        };
        say!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        say::text(&show::text(&measured));
    }
    Ok(())
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Json<'a> {
    machine: String,
    #[serde(flatten)]
    measured: &'a Measured,
}

/// Progress on standard error.
struct Progress;

impl Observer for Progress {
    fn needs(&mut self, setup: &Setup, needs: &Needs) {
        eprintln!("{}: needs {needs}", setup.words());
    }

    fn round(&mut self, done: usize, of: usize) {
        if std::io::stderr().is_terminal() {
            eprint!("\rround {done} of {of}{}", if done == of { "\n" } else { "" });
        }
    }
}
