//! One set-up in memory, and its steps.

use super::setup::Setup;
use super::synthetic;
use crate::backend::Floats;
use crate::data::examples::Examples;
use crate::data::loader::{Batch, RowLayout};
use crate::kernels::{Operation, linear};
use crate::model::Architecture;
use crate::train::batches::{Ahead, Prepared};
use crate::train::engine::{Engine, Program};
use crate::train::error::TrainError;
use crate::train::network::{BatchBuffers, LOSS_SLOTS};
use crate::train::parameters::Parameters;
use crate::train::step;
use std::time::Instant;

/// What the loader's thread works on; it outlives the arm.
pub(super) struct Source {
    pub examples: Examples,
    pub layout: RowLayout,
    pub empty: Batch,
}

/// One set-up in memory.
pub(super) struct Arm {
    pub setup: Setup,
    pub architecture: Architecture,
    pub engine: Engine,
    pub operations: Vec<Operation>,
    /// Steps between two looks at the clock: 1 on the CPU; on a GPU, which runs several in one submission, more.
    pub block: usize,
    buffers: BatchBuffers,
    program: Program,
    losses: Floats,
    /// Unique rows and bag entries of the loader's batches so far, and how many those were.
    seen: [f64; 3],
}

/// Where a step's batch comes from.
pub(super) enum Batches<'a> {
    /// The loader's thread.
    Loader(&'a Ahead),
    /// The same one every time.
    Repeated(&'a Batch),
}

impl Arm {
    /// Allocates and initialises; the memory is known to be there.
    pub fn new(setup: &Setup, architecture: Architecture, mut engine: Engine) -> Result<(Self, Source), TrainError> {
        let config = &setup.config;
        let parameters = Parameters::allocate(&architecture, &config.optimizer, &mut engine)?;
        synthetic::initialize(setup, &architecture, &parameters, &mut engine)?;
        let batch_size = config.training.batch_size;
        let loss = Some(config.training.loss);
        let step = step::build(&architecture, &parameters, batch_size, loss, &mut engine)?;
        let layout = parameters.row_layout();
        let capacity = step.batch.sparse.capacity;
        let source = Source {
            examples: synthetic::examples(setup, &architecture)?,
            empty: Batch::new(batch_size, architecture.num_dense_features, &layout, capacity),
            layout,
        };
        let program = engine.compile(step.operations)?;
        let arm = Self {
            setup: setup.clone(),
            block: 1,
            buffers: step.batch,
            losses: step.losses,
            operations: program.operations().to_vec(),
            program,
            architecture,
            engine,
            seen: [0.0; 3],
        };
        Ok((arm, source))
    }

    /// Runs `skipped` steps and then `blocks` blocks of steps; gives the milliseconds a step of each block.
    ///
    /// A step counts from the end of the one before to its own end: taking the batch from the loader and waiting for it is
    /// part of it.
    pub fn steps(&mut self, batches: &Batches<'_>, skipped: usize, blocks: usize) -> Result<Vec<f64>, TrainError> {
        let crew = self.engine.crew();
        crew.run(|| self.steps_here(batches, skipped, blocks))
    }

    fn steps_here(&mut self, batches: &Batches<'_>, skipped: usize, blocks: usize) -> Result<Vec<f64>, TrainError> {
        for _ in 0..skipped {
            self.step(batches)?;
        }
        self.engine.finish()?;
        let mut times = Vec::with_capacity(blocks);
        let mut last = Instant::now();
        for _ in 0..blocks {
            for _ in 0..self.block {
                self.step(batches)?;
            }
            self.engine.finish()?;
            let now = Instant::now();
            times.push((now - last).as_secs_f64() * 1e3 / self.block as f64);
            last = now;
        }
        Ok(times)
    }

    fn step(&mut self, batches: &Batches<'_>) -> Result<(), TrainError> {
        match batches {
            Batches::Repeated(batch) => Ok(self.engine.enqueue(&self.buffers, batch, &self.program)?),
            Batches::Loader(ahead) => {
                let Some(Prepared { batch, .. }) = ahead.next()? else {
                    return Ok(());
                };
                self.count(&batch);
                self.engine.enqueue(&self.buffers, &batch, &self.program)?;
                ahead.give_back(batch);
                Ok(())
            }
        }
    }

    /// `count` steps: the seconds of each of their operations, every one by itself. None where the device cannot tell.
    pub fn timed_steps(&mut self, ahead: &Ahead, count: usize) -> Result<Vec<Vec<f64>>, TrainError> {
        let crew = self.engine.crew();
        crew.run(|| (0..count).map_while(|_| self.timed_step(ahead).transpose()).collect())
    }

    fn timed_step(&mut self, ahead: &Ahead) -> Result<Option<Vec<f64>>, TrainError> {
        let Some(Prepared { batch, .. }) = ahead.next()? else {
            return Ok(None);
        };
        self.count(&batch);
        let seconds = self.engine.timed(&self.buffers, &batch, &self.program)?;
        ahead.give_back(batch);
        Ok(seconds)
    }

    fn count(&mut self, batch: &Batch) {
        let entries = batch.bag_offsets.last().copied().unwrap_or(0);
        let [unique, all, batches] = self.seen;
        self.seen = [
            unique + f64::from(batch.counts[1]),
            all + f64::from(entries),
            batches + 1.0,
        ];
    }

    /// Mean number of unique rows and of bag entries of the loader's batches.
    pub fn mean_rows(&self) -> crate::kernels::cost::Rows {
        let [unique, entries, batches] = self.seen;
        crate::kernels::cost::Rows {
            unique: unique / batches.max(1.0),
            entries: entries / batches.max(1.0),
        }
    }

    /// The share of the hidden layers' outputs that their ReLUs let pass, in the last step.
    ///
    /// # Errors
    /// What the device reports.
    pub fn active(&mut self) -> Result<f64, TrainError> {
        let (mut active, mut all) = (0, 0);
        for operation in &self.operations {
            let Operation::LinearForward(linear::Forward { y, relu: true, .. }) = operation else {
                continue;
            };
            let rows = self.engine.read(y.buffer, 0..y.padded_len())?;
            active += rows.iter().filter(|&&value| value > 0.0).count();
            all += y.rows * y.cols;
        }
        Ok(active as f64 / all.max(1) as f64)
    }

    /// The mean loss of the loader's last batches.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] where it is no number: such steps are no measure of training.
    pub fn loss(&mut self) -> Result<f64, TrainError> {
        let slots = self.engine.read(self.losses, 0..LOSS_SLOTS)?;
        // The loader's batches have the numbers 1, 2, …: the repeated one is 0.
        let batches = self.seen[2] as usize;
        let last = (1..=batches).rev().take(64);
        let losses = last.map(|step| f64::from(slots[step % LOSS_SLOTS]));
        let loss = losses.sum::<f64>() / batches.clamp(1, 64) as f64;
        if loss.is_finite() {
            return Ok(loss);
        }
        Err(TrainError::Diverged {
            loss,
            step: batches as u64,
            rate: self.setup.config.optimizer.learning_rate,
        })
    }
}

/// Floating-point operations of one training step, 2·m·n·k a product, forward and backward, with U unique rows:
///
/// * an MLP's layer (in → out): 2·B·in·out forward, as much for the weight's gradient and for the input's; the first layer
///   of the bottom MLP has no gradient of its input;
/// * a further factor (in → out): 2·U·in·out, three times; a frozen one has no gradient of its own: twice;
/// * the F(F+1)/2 dot products: 2·B·d each, and twice that backward.
///
/// Everything that is no product (gathering, sums of bags, activations, the parameters' steps) is not counted.
pub fn step_flops(architecture: &Architecture, batch_size: usize, unique: f64, frozen: bool) -> f64 {
    let batch = batch_size as f64;
    let pairs = |widths: &[usize]| -> f64 { widths.windows(2).map(|pair| (pair[0] * pair[1]) as f64).sum() };
    let mlps = pairs(&architecture.bottom_mlp) + pairs(&architecture.top_mlp);
    let first = (architecture.bottom_mlp[0] * architecture.bottom_mlp[1]) as f64;
    let factors = pairs(&architecture.factor_widths);
    let features = architecture.tables.len();
    let products = match architecture.interaction {
        crate::model::config::Interaction::Dot => (features * (features + 1) / 2 * architecture.embedding_dim) as f64,
        crate::model::config::Interaction::Cat => 0.0,
    };
    let passes = if frozen { 2.0 } else { 3.0 };
    2.0 * (batch * (3.0 * mlps - first + 3.0 * products) + passes * unique * factors)
}
