//! `mlet train`: flags and files → a configuration → a run.

use super::progress::TrainProgress;
use super::settings::{ModelFlags, integer, text};
use crate::cli::say::say;
use crate::model::Config;
use crate::model::checkpoint::Checkpoint;
use crate::model::config::{self, overlay};
use crate::train::run::{self, Outcome, RunFolder};
use crate::train::summary::Summary;
use anyhow::Context;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Arguments of `mlet train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Defaults are the paper's setting: one epoch of SGD, learning rate 0.2, batch 128.\n\
    Settings lie on one another: defaults, --config, flags, --set."
)]
pub struct Args {
    /// Prepared data set (see `mlet prepare`)
    #[arg(long, required_unless_present_any = ["resume", "config"])]
    data: Option<PathBuf>,
    /// Folder of the run, to be made
    #[arg(long, required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with the run in this folder, from its checkpoint
    #[arg(long, value_name = "RUN", conflicts_with_all = ["out", "config"])]
    resume: Option<PathBuf>,
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting on top of all, such as model.inner_dim=64
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    model: ModelFlags,
    /// Hidden widths of the bottom MLP [default: 512,256,128]
    #[arg(long, value_delimiter = ',', value_name = "WIDTHS")]
    bottom_mlp: Option<Vec<usize>>,
    /// Hidden widths of the top MLP [default: 512,256]
    #[arg(long, value_delimiter = ',', value_name = "WIDTHS")]
    top_mlp: Option<Vec<usize>>,
    /// How features meet: dot or cat [default: dot]
    #[arg(long)]
    interaction: Option<String>,
    /// Initial factors: paper, gaussian or balanced [default: paper]
    #[arg(long, value_name = "SCHEME")]
    init: Option<String>,
    /// Standard deviation of normal factors [default: 0.25]
    #[arg(long, value_name = "S")]
    init_std: Option<f64>,
    /// Multiplies the end-to-end tables at the start [default: 1]
    #[arg(long, value_name = "X")]
    embedding_init_scale: Option<f64>,
    /// Learning rate [default: 0.2]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Multiplies the learning rate of every factor of the tables [default: 1]
    #[arg(long, value_name = "X")]
    embedding_lr_scale: Option<f64>,
    /// Train the first factor alone and leave the others as they start
    #[arg(long)]
    freeze_further_factors: bool,
    /// Steps of linear warm-up [default: 0]
    #[arg(long, value_name = "STEPS")]
    warmup_steps: Option<u64>,
    /// Step at which the polynomial decay begins [default: 0]
    #[arg(long, value_name = "STEP")]
    decay_start_step: Option<u64>,
    /// Steps of the decay; 0: none [default: 0]
    #[arg(long, value_name = "STEPS")]
    decay_steps: Option<u64>,
    /// Passes over the training split [default: 1]
    #[arg(long)]
    epochs: Option<u64>,
    /// Stop after this many steps; 0 writes the initial checkpoint
    #[arg(long, value_name = "STEPS")]
    max_steps: Option<u64>,
    /// shuffled or sequential [default: shuffled]
    #[arg(long)]
    order: Option<String>,
    /// bce or mse (on the probability) [default: bce]
    #[arg(long)]
    loss: Option<String>,
    /// Steps between lines of metrics.jsonl [default: 100]
    #[arg(long, value_name = "STEPS")]
    log_every: Option<u64>,
    /// Steps between checkpoints; 0: at the end and on Ctrl-C [default: 0]
    #[arg(long, value_name = "STEPS")]
    checkpoint_every: Option<u64>,
    /// Steps between lines of metrics.jsonl with the singular values and the effective rank of every table; 0: none. The report
    /// of `mlet spectrum` then shows them over the steps; the trained model is the same with and without [default: 0]
    #[arg(long, value_name = "STEPS")]
    spectrum_every: Option<u64>,
    /// Steps between lines of metrics.jsonl with the predicted and the actual change of leading singular values; 0: none.
    /// Plain SGD only; the trained model is the same with and without [default: 0]
    #[arg(long, value_name = "EVERY")]
    monitor_dynamics: Option<u64>,
    /// Features to monitor [default: the three with the largest tables]
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    monitor_features: Option<Vec<String>>,
    /// Leading singular values to monitor, of each feature [default: 3]
    #[arg(long, value_name = "COUNT")]
    monitor_values: Option<usize>,
}

/// Runs `mlet train`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let config = resolve(&args)?;
    if let Some(warning) = config.warning() {
        eprintln!("warning: {warning}");
    }
    let stop = stop_on_ctrl_c()?;
    let mut progress = TrainProgress::new();
    let (out, outcome) = match (&args.resume, &args.out) {
        (Some(folder), _) => (folder, run::resume(&config, folder, &mut progress, &stop)),
        (None, Some(out)) => (out, run::train(&config, out, &mut progress, &stop)),
        (None, None) => anyhow::bail!("--out is missing"),
    };
    progress.done();
    match outcome? {
        Outcome::Finished(summary) => print_summary(&summary, &RunFolder(out.clone())),
        Outcome::Interrupted(step) => {
            say!(
                "stopped after step {step}; go on with: mlet train --resume {}",
                out.display()
            );
        }
    }
    Ok(())
}

/// Defaults, the file, the flags, then `--set`.
fn resolve(args: &Args) -> anyhow::Result<Config> {
    let mut table = match (&args.config, &args.resume) {
        (Some(path), _) => config::read_table(path)?,
        (None, Some(folder)) => resumed(folder)?,
        (None, None) => toml::Table::new(),
    };
    overlay(&mut table, flags(args));
    for setting in &args.set {
        config::set(&mut table, setting)?;
    }
    let mut config = Config::from_table(table, "the settings")?;
    let data = std::mem::take(&mut config.data);
    config.data = std::path::absolute(&data).with_context(|| format!("data set {}", data.display()))?;
    Ok(config)
}

/// The settings of a run that goes on: what decides the numbers comes from the checkpoint, the rest from its config.toml.
fn resumed(folder: &std::path::Path) -> anyhow::Result<toml::Table> {
    let folder = RunFolder(folder.to_path_buf());
    let table = config::read_table(&folder.config())?;
    let said = Config::from_table(table.clone(), &folder.config().display().to_string())?;
    let stored = Checkpoint::open(&folder.checkpoint())?.metadata()?.config;
    anyhow::ensure!(
        said.model == stored.model && said.seed == stored.seed && said.optimizer == stored.optimizer,
        "{} does not fit the checkpoint beside it (model, seed or optimizer differ): restore it",
        folder.config().display()
    );
    Ok(table)
}

/// The flags that were given, as a table of settings.
fn flags(args: &Args) -> toml::Table {
    let mut settings = args.model.settings();
    let mut put = |section, key, value| settings.put(section, key, value);
    let float = |value: Option<f64>| value.map(toml::Value::Float);
    let widths = |value: &Option<Vec<usize>>| {
        let list = value.as_ref()?.iter().filter_map(|&width| integer(Some(width)));
        Some(toml::Value::Array(list.collect()))
    };
    put("", "data", text(args.data.as_ref().map(|path| path.display())));
    put("model", "bottom_mlp", widths(&args.bottom_mlp));
    put("model", "top_mlp", widths(&args.top_mlp));
    put("model", "interaction", text(args.interaction.as_ref()));
    put("initialization", "scheme", text(args.init.as_ref()));
    put("initialization", "std", float(args.init_std));
    put("initialization", "embedding_scale", float(args.embedding_init_scale));
    put("optimizer", "learning_rate", float(args.learning_rate));
    put("optimizer", "embedding_lr_scale", float(args.embedding_lr_scale));
    let frozen = args.freeze_further_factors.then_some(toml::Value::Boolean(true));
    put("optimizer", "freeze_further_factors", frozen);
    put("optimizer", "warmup_steps", integer(args.warmup_steps));
    put("optimizer", "decay_start_step", integer(args.decay_start_step));
    put("optimizer", "decay_steps", integer(args.decay_steps));
    put("training", "epochs", integer(args.epochs));
    put("training", "max_steps", integer(args.max_steps));
    put("training", "order", text(args.order.as_ref()));
    put("training", "loss", text(args.loss.as_ref()));
    put("training", "log_every", integer(args.log_every));
    put("training", "checkpoint_every", integer(args.checkpoint_every));
    put("training", "spectrum_every", integer(args.spectrum_every));
    put("training", "monitor_dynamics", integer(args.monitor_dynamics));
    let names = args.monitor_features.as_ref();
    put("training", "monitor_features", names.map(|names| names.clone().into()));
    put("training", "monitor_values", integer(args.monitor_values));
    settings.0
}

/// A flag that Ctrl-C raises: the run then writes a checkpoint and ends. A second Ctrl-C ends it at once.
pub(super) fn stop_on_ctrl_c() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = stop.clone();
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step (Ctrl-C again: at once, without a checkpoint)");
    })?;
    Ok(stop)
}

fn print_summary(summary: &Summary, folder: &RunFolder) {
    let optional = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.5}"));
    say!(
        "{:<11} {:>9} {:>9} {:>9} {:>11} {:>9}",
        "",
        "LogLoss",
        "AUC",
        "NE",
        "calibration",
        "accuracy"
    );
    for (name, split) in [("validation", &summary.validation), ("test", &summary.test)] {
        let quality = &split.quality;
        say!(
            "{name:<11} {:>9.5} {:>9} {:>9} {:>11} {:>9.5}",
            quality.log_loss,
            optional(quality.auc),
            optional(quality.normalized_entropy),
            optional(quality.calibration),
            quality.accuracy
        );
    }
    say!(
        "{} steps in {:.1} s ({:.0} examples/s); {} parameters; run in {}",
        summary.steps,
        summary.seconds,
        summary.examples_per_second,
        summary.parameters,
        folder.0.display()
    );
}
