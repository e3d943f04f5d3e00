//! A run: configuration and data in, a folder out — `config.toml`, `metrics.jsonl`, `summary.json`,
//! `checkpoint.safetensors`.

use super::batches::{self, Prepared, steps_per_epoch};
use super::dynamics::Monitor;
use super::engine::{Engine, Program};
use super::evaluate::Evaluator;
use super::folder::write_beside;
use super::log::Log;
use super::memory::{self, Needs};
use super::network::{BatchBuffers, LOSS_SLOTS};
use super::spectra::Watch;
use super::state::{self, Model};
use super::step;
use super::summary::{Summary, TableBytes};
use crate::backend::Floats;
use crate::data::dataset::Dataset;
use crate::data::examples::Examples;
use crate::data::loader::Batch;
use crate::data::schema::Split;
use crate::model::Config;
use crate::model::checkpoint::Checkpoint;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

pub use super::error::TrainError;
pub use super::folder::RunFolder;
pub use super::log::{Line, Metric};

/// Who wants to know how a run goes.
pub trait Observer: Send {
    /// What the run needs of memory, before anything is allocated.
    fn memory(&mut self, _needs: &Needs) {}
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
    observer.memory(&require(config, &dataset, &engine)?);
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
    observer.memory(&require(config, &dataset, &engine)?);
    let model = Model::load(config, &dataset, &checkpoint, &mut engine)?;
    let text = toml::to_string(config).unwrap_or_default();
    write_beside(&folder.config(), text.as_bytes())?;
    Run::new(config, &dataset, folder, model, engine, metadata.step)?.go(observer, stop)
}

/// What the run needs of memory; refuses, before anything is allocated, what is more than there is.
fn require(config: &Config, dataset: &Dataset, engine: &Engine) -> Result<Needs, TrainError> {
    let architecture = state::checked(config, &dataset.schema)?;
    Ok(memory::require(
        config,
        &architecture,
        dataset.schema.rows.train,
        engine,
    )?)
}

/// A run under way.
struct Run<'a> {
    config: &'a Config,
    dataset: &'a Dataset,
    folder: RunFolder,
    model: Model,
    engine: Engine,
    batch: BatchBuffers,
    losses: Floats,
    program: Program,
    monitor: Option<Monitor>,
    watch: Option<Watch>,
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
        let monitor = Monitor::new(config, architecture, step.grad_rows)?;
        let program = engine.compile(step.operations)?;
        let watch = Watch::new(config, &model, &mut engine)?;
        let all = config.training.epochs * steps_per_epoch(config, dataset.schema.rows.train);
        let end = config.training.max_steps.map_or(all, |max| max.min(all));
        Ok(Self {
            config,
            dataset,
            folder,
            model,
            engine,
            batch: step.batch,
            losses: step.losses,
            program,
            monitor,
            watch,
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
        if self.start == 0 {
            self.look(&mut log, 0)?;
        }
        let crew = self.engine.crew();
        let done = crew.run(|| self.steps(&examples, &mut log, observer, stop))?;
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

    /// Runs the steps; batches are prepared ahead on threads of their own. Returns the number of steps done.
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
            .empty_batch(config.training.batch_size, self.batch.sparse.capacity);
        let layout = self.model.parameters.row_layout();
        let threads = self.engine.loader_threads();
        batches::ahead(
            config,
            examples,
            &layout,
            &empty,
            steps,
            threads,
            |prepared, steps_left| {
                let Prepared { step, batch, .. } = &prepared;
                let done = step + 1;
                self.take_step(batch, done, log)?;
                log.count(batch.counts[0]);
                self.look(log, done)?;
                observer.step(done);
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
            },
        )
    }

    /// Runs the step that makes `done` steps, with a look at the singular values before and after where one is due.
    fn take_step(&mut self, batch: &Batch, done: u64, log: &mut Log) -> Result<(), TrainError> {
        let monitor = self.monitor.as_ref().filter(|monitor| monitor.due(done));
        let before = match monitor {
            Some(monitor) => monitor.before(&mut self.engine, &self.model)?,
            None => Vec::new(),
        };
        self.engine.enqueue(&self.batch, batch, &self.program)?;
        if let Some(monitor) = monitor {
            for line in monitor.after(before, &mut self.engine, &self.model, batch, done)? {
                log.dynamics(&line)?;
            }
        }
        Ok(())
    }

    /// Writes down the singular values of every table after `done` steps, where that is due.
    fn look(&mut self, log: &mut Log, done: u64) -> Result<(), TrainError> {
        let Some(watch) = self.watch.as_ref().filter(|watch| watch.due(done, self.end)) else {
            return Ok(());
        };
        for snapshot in watch.look(&mut self.engine, &self.model, done)? {
            log.snapshot(&snapshot)?;
        }
        Ok(())
    }

    /// Reads the losses of the steps since the last reading; `done` steps are done.
    fn collect_losses(&mut self, log: &mut Log, done: u64) -> Result<(), TrainError> {
        let slots = self.engine.read(self.losses, 0..LOSS_SLOTS)?;
        log.collect(&slots, done, self.config.optimizer.learning_rate)
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
