//! `mlet evaluate`: a trained or collapsed model on a data set.

use crate::cli::say::say;
use crate::data::dataset::Dataset;
use crate::data::schema::Split;
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Rule;
use crate::train::engine::Engine;
use crate::train::evaluate::Evaluator;
use crate::train::run::RunFolder;
use crate::train::state::Model;
use anyhow::Context;
use std::path::PathBuf;

/// Arguments of `mlet evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's folder, its checkpoint, or a collapsed model
    model: PathBuf,
    /// Prepared data set; a run knows its own
    #[arg(long)]
    data: Option<PathBuf>,
    /// auto, cpu, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads of the CPU backend; 0: all
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Splits to measure
    #[arg(long, value_delimiter = ',', default_value = "validation,test")]
    splits: Vec<String>,
}

/// Runs `mlet evaluate`: prints one JSON object, a split a key.
pub fn run(args: Args) -> anyhow::Result<()> {
    let splits = args
        .splits
        .iter()
        .map(|name| split(name))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (file, mut data) = (super::collapse::checkpoint_of(&args.model), args.data);
    if data.is_none() && args.model.is_dir() {
        data = Some(crate::model::Config::load(&RunFolder(args.model.clone()).config())?.data);
    }
    let data = data.context("--data is missing: which prepared data set shall the model be measured on?")?;
    let checkpoint = Checkpoint::open(&file)?;
    let mut config = checkpoint.metadata()?.config;
    config.optimizer.rule = Rule::Sgd; // nothing steps: no room for the optimiser's sums
    let dataset = Dataset::open(&data)?;
    let mut engine = Engine::open(&args.device, args.threads)?;
    eprintln!("evaluating on {}", engine.description());
    let model = Model::load(&config, &dataset, &checkpoint, &mut engine)?;
    let mut evaluator = Evaluator::new(&model.architecture, &model.parameters, &dataset, &mut engine)?;
    let mut result = serde_json::Map::new();
    for split in splits {
        let evaluation = evaluator.split(&dataset, split, &mut engine)?;
        result.insert(split.name().into(), serde_json::to_value(evaluation)?);
    }
    say!("{}", serde_json::to_string_pretty(&result)?);
    Ok(())
}

pub(super) fn split(name: &str) -> anyhow::Result<Split> {
    let found = [Split::Train, Split::Validation, Split::Test]
        .into_iter()
        .find(|split| split.name() == name);
    found.with_context(|| format!("no split is called {name}: train, validation or test"))
}
