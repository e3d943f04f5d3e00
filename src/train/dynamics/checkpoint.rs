//! A trained checkpoint, one real batch, one plain SGD step: what the statements about dynamics say there.

use super::{factors_of, gradient_of};
use crate::data::dataset::Dataset;
use crate::data::examples::Examples;
use crate::data::loader::Batch;
use crate::data::schema::Split;
use crate::model::Config;
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Rule;
use crate::theory::trained::{self, FeatureReport, TrainedStep};
use crate::train::batches;
use crate::train::engine::Engine;
use crate::train::error::TrainError;
use crate::train::folder::RunFolder;
use crate::train::network::TABLE_RATE;
use crate::train::state::Model;
use crate::train::step;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Factors that the statements are about.
const DEPTH: usize = 2;

/// What the statements say of a run's checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointReport {
    /// The run's folder.
    pub run: PathBuf,
    /// Steps done before this one.
    pub step: u64,
    /// Examples of the batch.
    pub examples: u32,
    /// η of the tables in this step.
    pub learning_rate: f64,
    /// Whether every statement holds for every feature.
    pub holds: bool,
    /// One a feature, in the order of the data set.
    pub features: Vec<FeatureReport>,
}

/// Takes the checkpoint of the run in `folder`, the next batch of the run's order (of a finished run: the first of one epoch
/// more), and one plain SGD step in the trainer's own f32 arithmetic on the CPU; checks E1–E3 and E5 for every feature. The run's
/// files stay as they are.
///
/// η is the schedule's for this step; where that is 0 (a schedule that has run out), the run's rate before the schedule.
///
/// # Errors
/// A folder without a run, a collapsed model, another depth than 2, a data set that is gone or another, entries that are not
/// finite (the tensor is named).
pub fn check(folder: &Path, threads: usize) -> Result<CheckpointReport, TrainError> {
    let (config, checkpoint, done) = open(folder)?;
    let dataset = Dataset::open(&config.data)?;
    let metadata = checkpoint.metadata()?;
    if dataset.schema.source.sha256 != metadata.data_sha256 {
        return Err(TrainError::OtherData {
            run: folder.into(),
            data: config.data,
            expected: metadata.data_sha256,
            found: dataset.schema.source.sha256,
        });
    }
    let examples = dataset.split(Split::Train)?;
    if examples.is_empty() {
        return Err(TrainError::Empty(config.data));
    }
    let mut engine = Engine::cpu(threads)?;
    let model = Model::load(&config, &dataset, &checkpoint, &mut engine)?;
    finite(&model, &mut engine, checkpoint.path())?;
    take_step(&config, model, engine, &examples, folder, done)
}

/// The configuration, the checkpoint and the steps done of a run that can be checked.
fn open(folder: &Path) -> Result<(Config, Checkpoint, u64), TrainError> {
    let path = match folder.is_file() {
        true => folder.to_path_buf(),
        false => RunFolder(folder.into()).checkpoint(),
    };
    let checkpoint = Checkpoint::open(&path)?;
    let metadata = checkpoint.metadata()?;
    if metadata.collapsed {
        return Err(TrainError::Collapsed(path));
    }
    if folder.is_file() {
        return Err(TrainError::NotAFolder(path));
    }
    let depth = metadata.config.depth();
    if depth != DEPTH {
        return Err(TrainError::NotTwoLayers {
            run: folder.into(),
            depth,
        });
    }
    let mut config = metadata.config;
    config.data = Config::load(&RunFolder(folder.into()).config())?.data;
    // The statements are about plain SGD of both factors, however the run was trained.
    config.optimizer.rule = Rule::Sgd;
    config.optimizer.freeze_further_factors = false;
    Ok((config, checkpoint, metadata.step))
}

/// Names the first entry that is not finite, over all tensors.
fn finite(model: &Model, engine: &mut Engine, path: &Path) -> Result<(), TrainError> {
    for named in &model.parameters.named {
        let values = engine.read_region(&named.region)?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let cols = named.region.matrix.cols;
            return Err(TrainError::NotFinite {
                path: path.into(),
                tensor: named.name.clone(),
                value: values[at],
                row: at / cols,
                column: at % cols,
            });
        }
    }
    Ok(())
}

fn take_step(
    config: &Config,
    model: Model,
    mut engine: Engine,
    examples: &Examples,
    folder: &Path,
    done: u64,
) -> Result<CheckpointReport, TrainError> {
    let batch_size = config.training.batch_size;
    let loss = Some(config.training.loss);
    let step = step::build(&model.architecture, &model.parameters, batch_size, loss, &mut engine)?;
    let program = engine.compile(step.operations)?;
    let batch = next_batch(config, &model, examples, step.batch.sparse.capacity, done)?;
    let tables = 0..model.architecture.tables.len();
    let before = tables.map(|t| factors_of(&mut engine, &model, t));
    let before = before.collect::<Result<Vec<_>, _>>()?;
    engine.enqueue(&step.batch, &batch, &program)?;
    let learning_rate = f64::from(batch.scalars[TABLE_RATE]);
    let mut features = Vec::new();
    for (t, before) in before.into_iter().enumerate() {
        let feature = &model.architecture.tables[t].feature;
        let Some(grad) = step.grad_rows else { continue };
        let taken = TrainedStep {
            before,
            after: factors_of(&mut engine, &model, t)?,
            gradient: gradient_of(&mut engine, &model, grad, &batch, t)?,
            learning_rate,
        };
        let report = trained::report(feature, &taken).map_err(|source| TrainError::Dynamics {
            feature: feature.clone(),
            step: done + 1,
            source,
        })?;
        features.push(report);
    }
    Ok(CheckpointReport {
        run: folder.into(),
        step: done,
        examples: batch.counts[0],
        learning_rate,
        holds: features.iter().all(FeatureReport::holds),
        features,
    })
}

/// The batch after `done` steps, with a learning rate that is not 0.
fn next_batch(
    config: &Config,
    model: &Model,
    examples: &Examples,
    capacity: usize,
    done: u64,
) -> Result<Batch, TrainError> {
    let empty = model.empty_batch(config.training.batch_size, capacity);
    let mut batch = empty.clone();
    let layout = model.parameters.row_layout();
    batches::ahead(config, examples, &layout, &empty, done..done + 1, 1, |prepared, _| {
        batch = prepared.batch.clone();
        Ok((prepared, false))
    })?;
    if batch.scalars[TABLE_RATE] == 0.0 {
        let optimizer = &config.optimizer;
        batch.scalars[TABLE_RATE] = (optimizer.learning_rate * optimizer.embedding_lr_scale) as f32;
    }
    Ok(batch)
}
