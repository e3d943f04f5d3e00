//! A run: configuration and data in, a folder out — `config.toml`, `metrics.jsonl`, `summary.json`,
//! `checkpoint.safetensors`.

use super::engine::{Engine, EngineError, Program};
use super::evaluate::Evaluator;
use super::network::LOSS_SLOTS;
use super::state::Model;
use super::step::{self, Step};
use super::summary::{Summary, TableBytes};
use crate::data::dataset::{Dataset, DatasetError};
use crate::data::examples::Examples;
use crate::data::loader::LoaderError;
use crate::data::schema::Split;
use crate::model::Config;
use crate::model::checkpoint::{Checkpoint, CheckpointError};
use crate::model::config::ConfigError;
use crate::train::batches::{self, Prepared};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data set.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A batch.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The backend.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file
        path: PathBuf,
        /// Why
        source: std::io::Error,
    },
    /// The folder already holds a run.
    #[error("{0} already holds a run: choose another --out, or go on with --resume {0}")]
    Exists(PathBuf),
    /// The run was made on other data.
    #[error("{run} was trained on a data set with source hash {expected}, but {data} has {found}")]
    OtherData {
        /// The run
        run: PathBuf,
        /// The data set
        data: PathBuf,
        /// Hash in the checkpoint
        expected: String,
        /// Hash of the data set
        found: String,
    },
    /// There is nothing to collapse.
    #[error("{0} is collapsed already")]
    AlreadyCollapsed(PathBuf),
    /// The training split has no rows.
    #[error("{0} has no training examples")]
    Empty(PathBuf),
    /// The loss is not a number any more.
    #[error(
        "the loss is {loss} at step {step}: lower optimizer.learning_rate (now {rate}) or optimizer.embedding_lr_scale"
    )]
    Diverged {
        /// What it is
        loss: f64,
        /// Since when
        step: u64,
        /// η
        rate: f64,
    },
}

impl TrainError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Steps done.
    pub step: u64,
    /// Examples seen.
    pub examples: u64,
    /// Mean loss of the examples since the line before.
    pub loss: f64,
    /// η of the last step.
    pub learning_rate: f64,
    /// Examples a second since the line before.
    pub examples_per_second: f64,
    /// Seconds of training up to here, over all sessions of the run.
    pub seconds: f64,
}

/// Who wants to know how a run goes.
pub trait Observer {
    /// The run begins: what computes, the step it begins at, the step it ends at.
    fn begin(&mut self, device: &str, start: u64, end: u64);
    /// A step was handed to the backend.
    fn step(&mut self, step: u64);
    /// A line of metrics was written.
    fn metric(&mut self, metric: &Metric);
    /// Evaluation begins.
    fn evaluating(&mut self) {}
}

/// An observer that looks away.
pub struct Silent;

impl Observer for Silent {
    fn begin(&mut self, _device: &str, _start: u64, _end: u64) {}
    fn step(&mut self, _step: u64) {}
    fn metric(&mut self, _metric: &Metric) {}
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All steps done.
    Finished(Box<Summary>),
    /// Stopped after this many steps, with a checkpoint.
    Interrupted(u64),
}

/// The files of a run.
#[derive(Debug, Clone)]
pub struct RunFolder(pub PathBuf);

impl RunFolder {
    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }
    /// One object a log interval.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }
    /// The result.
    pub fn summary(&self) -> PathBuf {
        self.0.join("summary.json")
    }
    /// The whole state.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The result of a finished run.
    pub fn read_summary(&self) -> Result<Summary, TrainError> {
        let path = self.summary();
        let text = std::fs::read(&path).map_err(TrainError::io(&path))?;
        serde_json::from_slice(&text).map_err(|error| TrainError::io(&path)(error.into()))
    }
}

/// Steps of one epoch over `examples` examples: the last batch may be short.
pub fn steps_per_epoch(config: &Config, examples: u64) -> u64 {
    examples.div_ceil(config.training.batch_size as u64)
}

/// Trains from the start into a new folder, on the device that the configuration names.
pub fn train(
    config: &Config,
    out: &Path,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Outcome, TrainError> {
    let engine = Engine::open(&config.device, config.threads)?;
    train_on(engine, config, out, observer, stop)
}

/// Trains from the start into a new folder, on an engine that is open already.
pub fn train_on(
    mut engine: Engine,
    config: &Config,
    out: &Path,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Outcome, TrainError> {
    let folder = RunFolder(out.to_path_buf());
    if folder.checkpoint().exists() || folder.summary().exists() {
        return Err(TrainError::Exists(out.into()));
    }
    let dataset = Dataset::open(&config.data)?;
    let model = Model::initial(config, &dataset, &mut engine)?;
    std::fs::create_dir_all(out).map_err(TrainError::io(out))?;
    let text = toml::to_string(config).unwrap_or_default();
    write_beside(&folder.config(), text.as_bytes())?;
    Run::new(config, &dataset, folder, model, engine, 0)?.go(observer, stop)
}

/// Goes on with the run in `out` to bit-identical final parameters; `config` may ask for more steps than before.
pub fn resume(
    config: &Config,
    out: &Path,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Outcome, TrainError> {
    let folder = RunFolder(out.to_path_buf());
    let checkpoint = Checkpoint::open(&folder.checkpoint())?;
    let metadata = checkpoint.metadata()?;
    let dataset = Dataset::open(&config.data)?;
    if dataset.schema.source.sha256 != metadata.data_sha256 {
        return Err(TrainError::OtherData {
            run: out.into(),
            data: config.data.clone(),
            expected: metadata.data_sha256,
            found: dataset.schema.source.sha256,
        });
    }
    let mut engine = Engine::open(&config.device, config.threads)?;
    let model = Model::load(config, &dataset, &checkpoint, &mut engine)?;
    let text = toml::to_string(config).unwrap_or_default();
    write_beside(&folder.config(), text.as_bytes())?;
    Run::new(config, &dataset, folder, model, engine, metadata.step)?.go(observer, stop)
}

/// Writes a small file beside and renames it over.
fn write_beside(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(directory).map_err(TrainError::io(path))?;
    beside.write_all(bytes).map_err(TrainError::io(path))?;
    crate::model::publish(beside, path).map_err(TrainError::io(path))
}

/// A run under way.
struct Run<'a> {
    config: &'a Config,
    dataset: &'a Dataset,
    folder: RunFolder,
    model: Model,
    engine: Engine,
    step: Step,
    program: Program,
    start: u64,
    end: u64,
}

impl<'a> Run<'a> {
    fn new(
        config: &'a Config,
        dataset: &'a Dataset,
        folder: RunFolder,
        model: Model,
        mut engine: Engine,
        start: u64,
    ) -> Result<Self, TrainError> {
        let (architecture, parameters) = (&model.architecture, &model.parameters);
        let loss = Some(config.training.loss);
        let step = step::build(architecture, parameters, config.training.batch_size, loss, &mut engine)?;
        let program = engine.compile(step.operations.clone())?;
        let all = config.training.epochs * steps_per_epoch(config, dataset.schema.rows.train);
        let end = config.training.max_steps.map_or(all, |max| max.min(all));
        Ok(Self {
            config,
            dataset,
            folder,
            model,
            engine,
            step,
            program,
            start,
            end,
        })
    }

    fn go(mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let examples = self.dataset.split(Split::Train)?;
        if examples.is_empty() {
            return Err(TrainError::Empty(self.config.data.clone()));
        }
        observer.begin(&self.engine.description(), self.start, self.end);
        let mut log = Log::open(&self.folder.metrics(), self.start)?;
        let done = self.steps(&examples, &mut log, observer, stop)?;
        self.write_checkpoint(done)?;
        if done < self.end {
            return Ok(Outcome::Interrupted(done));
        }
        observer.evaluating();
        let summary = self.evaluate(&log, done)?;
        let json = serde_json::to_vec_pretty(&summary).unwrap_or_default();
        write_beside(&self.folder.summary(), &json)?;
        Ok(Outcome::Finished(Box::new(summary)))
    }

    /// Runs the steps; batches are prepared ahead on a thread of their own. Returns the number of steps done.
    fn steps(
        &mut self,
        examples: &Examples,
        log: &mut Log,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<u64, TrainError> {
        let (config, steps) = (self.config, self.start..self.end);
        let empty = self
            .model
            .empty_batch(config.training.batch_size, self.step.batch.sparse.capacity);
        let layout = self.model.parameters.row_layout();
        batches::ahead(config, examples, &layout, empty, steps, |prepared, steps_left| {
            let Prepared { step, batch, .. } = &prepared;
            self.engine.enqueue(&self.step.batch, batch, &self.program)?;
            log.count(batch.counts[0]);
            observer.step(step + 1);
            let done = step + 1;
            let stopping = stop.load(Ordering::Relaxed);
            if done % config.training.log_every == 0 || done == self.end || stopping {
                let metric = self.log_line(log, done, f64::from(batch.scalars[0]))?;
                observer.metric(&metric);
            } else if log.pending() == LOSS_SLOTS {
                self.collect_losses(log, done)?;
            }
            let every = config.training.checkpoint_every;
            if every > 0 && done % every == 0 && steps_left {
                self.write_checkpoint(done)?;
            }
            Ok((prepared, !stopping))
        })
    }

    /// Reads the losses of the steps since the last reading; `done` steps are done.
    fn collect_losses(&mut self, log: &mut Log, done: u64) -> Result<(), TrainError> {
        let slots = self.engine.read(self.step.losses, 0..LOSS_SLOTS)?;
        let first = done - log.pending() as u64;
        for (step, count) in (first..done).zip(std::mem::take(&mut log.counts)) {
            let loss = f64::from(slots[(step % LOSS_SLOTS as u64) as usize]);
            if !loss.is_finite() {
                let rate = self.config.optimizer.learning_rate;
                return Err(TrainError::Diverged { loss, step, rate });
            }
            log.loss_sum += loss * f64::from(count);
            log.examples_in_line += u64::from(count);
        }
        Ok(())
    }

    fn log_line(&mut self, log: &mut Log, done: u64, learning_rate: f64) -> Result<Metric, TrainError> {
        self.collect_losses(log, done)?;
        log.write(done, learning_rate)
    }

    fn write_checkpoint(&mut self, step: u64) -> Result<(), TrainError> {
        let path = self.folder.checkpoint();
        self.model
            .write(self.config, self.dataset, &mut self.engine, step, &path)
    }

    fn evaluate(&mut self, log: &Log, steps: u64) -> Result<Summary, TrainError> {
        let architecture = &self.model.architecture;
        let mut evaluator = Evaluator::new(architecture, &self.model.parameters, self.dataset, &mut self.engine)?;
        let mut of = |split| evaluator.split(self.dataset, split, &mut self.engine);
        Ok(Summary {
            validation: of(Split::Validation)?,
            test: of(Split::Test)?,
            device: self.engine.description(),
            seconds: log.seconds,
            steps,
            examples: log.examples,
            examples_per_second: if log.seconds > 0.0 {
                log.examples as f64 / log.seconds
            } else {
                0.0
            },
            parameters: architecture.num_parameters(),
            table_bytes: TableBytes {
                trained: architecture.table_bytes(),
                collapsed: architecture.collapsed_table_bytes(),
            },
        })
    }
}

/// `metrics.jsonl` as it grows.
struct Log {
    path: PathBuf,
    file: std::fs::File,
    /// Examples of the steps whose losses are still on the device.
    counts: Vec<u32>,
    loss_sum: f64,
    examples_in_line: u64,
    examples: u64,
    seconds: f64,
    since: Instant,
}

impl Log {
    /// Opens the file; lines past step `start`, which a run that was killed wrote after its checkpoint, are dropped.
    fn open(path: &Path, start: u64) -> Result<Self, TrainError> {
        let mut kept = Vec::new();
        let mut last = None;
        if start > 0 && path.exists() {
            let file = std::fs::File::open(path).map_err(TrainError::io(path))?;
            for line in std::io::BufReader::new(file).lines() {
                let line = line.map_err(TrainError::io(path))?;
                match serde_json::from_str::<Metric>(&line) {
                    Ok(metric) if metric.step <= start => last = Some(metric),
                    _ => break,
                }
                kept.extend_from_slice(line.as_bytes());
                kept.push(b'\n');
            }
        }
        write_beside(path, &kept)?;
        let file = std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(TrainError::io(path))?;
        Ok(Self {
            path: path.into(),
            file,
            counts: Vec::with_capacity(LOSS_SLOTS),
            loss_sum: 0.0,
            examples_in_line: 0,
            examples: last.map_or(0, |metric| metric.examples),
            seconds: last.map_or(0.0, |metric| metric.seconds),
            since: Instant::now(),
        })
    }

    fn count(&mut self, examples: u32) {
        self.counts.push(examples);
    }

    fn pending(&self) -> usize {
        self.counts.len()
    }

    fn write(&mut self, step: u64, learning_rate: f64) -> Result<Metric, TrainError> {
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.seconds += seconds;
        self.examples += self.examples_in_line;
        let examples = self.examples_in_line.max(1) as f64;
        let metric = Metric {
            step,
            examples: self.examples,
            loss: self.loss_sum / examples,
            learning_rate,
            examples_per_second: self.examples_in_line as f64 / seconds,
            seconds: self.seconds,
        };
        (self.loss_sum, self.examples_in_line) = (0.0, 0);
        let line = serde_json::to_string(&metric).unwrap_or_default();
        writeln!(self.file, "{line}").map_err(TrainError::io(&self.path))?;
        Ok(metric)
    }
}
