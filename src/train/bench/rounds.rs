//! Several set-ups in turn, round after round, in one process: what disturbs the machine falls on all of them.

use super::arm::{Arm, Batches, Source, step_flops};
use super::floor::Floor;
use super::record::{Against, Measured, OperationTime, Ratio, Round, Step, Times, median};
use super::setup::Setup;
use crate::backend::Allocate;
use crate::data::loader::Batch;
use crate::train::batches::{Ahead, Prepared};
use crate::train::engine::Engine;
use crate::train::error::TrainError;
use crate::train::memory::{self, Needs};
use std::time::Instant;

/// How long is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Rounds; in each, every set-up runs with the loader, then on one repeated batch.
    pub rounds: usize,
    /// Steps before the first round, of every set-up.
    pub warmup: usize,
    /// Counted steps of every set-up in each of the two ways, over all rounds; absent: as `seconds` allows.
    pub steps: Option<usize>,
    /// Seconds of all rounds together, about, where `steps` is absent.
    pub seconds: f64,
    /// Bytes of memory that may be needed; absent: what the system says is available.
    pub memory: Option<u64>,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            rounds: 15,
            warmup: 20,
            steps: None,
            seconds: 10.0,
            memory: None,
        }
    }
}

/// Who wants to know how it goes.
pub trait Observer {
    /// What a set-up needs of memory, before anything is allocated.
    fn needs(&mut self, setup: &Setup, needs: &Needs);
    /// So many rounds are done.
    fn round(&mut self, done: usize, of: usize);
}

/// Steps at the beginning of every turn that do not count: the caches hold what another set-up left there.
const SKIPPED: usize = 2;
/// Seconds between two looks at the clock on a GPU, about.
const BLOCK_SECONDS: f64 = 0.05;
/// One step in so many is taken apart into its operations.
const TAKEN_APART: usize = 8;

/// What one set-up has gathered.
#[derive(Default)]
struct Gathered {
    loader: Vec<f64>,
    repeated: Vec<f64>,
    /// Seconds of each operation, a list a step; empty where the device has no clock.
    operations: Vec<Vec<f64>>,
    rounds: Vec<Round>,
}

/// Measures the set-ups in turn.
///
/// # Errors
/// [`TrainError::Memory`] before anything is allocated, what the device reports, or a loss that is no number.
///
/// # Panics
/// Without a set-up.
pub fn measure(setups: &[Setup], effort: &Effort, observer: &mut dyn Observer) -> Result<Measured, TrainError> {
    let (needs, engines) = needs(setups, effort, observer)?;
    let mut arms = Vec::new();
    let mut sources = Vec::new();
    for ((setup, engine), needs) in setups.iter().zip(engines).zip(needs) {
        let (arm, source) = Arm::new(setup, setup.architecture()?, engine)?;
        arms.push((arm, needs));
        sources.push(source);
    }
    let mut floors = Vec::new();
    for place in 0..arms.len() {
        // One floor a device.
        let device = |arm: &Arm| (arm.setup.config.device.clone(), arm.setup.config.threads);
        let first = (0..place).find(|&other| device(&arms[other].0) == device(&arms[place].0));
        floors.push(match first {
            Some(first) => (first, None),
            None => (place, Some(Floor::new(&mut arms[place].0.engine)?)),
        });
    }
    let gathered = gather(&mut arms, &sources, &mut floors, effort, observer)?;
    let sides: Vec<usize> = floors
        .iter()
        .map(|(first, _)| floors[*first].1.as_ref().map_or(0, |floor| floor.side))
        .collect();
    let steps = arms.iter_mut().zip(&gathered).zip(sides);
    let steps: Result<Vec<Step>, TrainError> = steps
        .map(|(((arm, needs), gathered), side)| record(arm, *needs, gathered, side))
        .collect();
    Ok(compared(steps?))
}

/// What every set-up needs, and an engine for each; refuses what does not fit together.
fn needs(
    setups: &[Setup],
    effort: &Effort,
    observer: &mut dyn Observer,
) -> Result<(Vec<Needs>, Vec<Engine>), TrainError> {
    let available = effort.memory.or_else(memory::available);
    let (mut all, mut engines) = (Vec::new(), Vec::new());
    let (mut sum, mut bytes) = (Needs::default(), 0);
    for setup in setups {
        let architecture = setup.architecture()?;
        let engine = Engine::open(&setup.config.device, setup.config.threads)?;
        let needs = Needs::of(&setup.config, &architecture, engine.max_shard_elements());
        observer.needs(setup, &needs);
        sum = sum.plus(&needs);
        bytes += needs.here(&engine);
        sum.check(bytes, available, &setup.config, "--cap N, or a smaller --scale-tables")?;
        all.push(needs);
        engines.push(engine);
    }
    Ok((all, engines))
}

/// Warm-up and rounds.
fn gather(
    arms: &mut [(Arm, Needs)],
    sources: &[Source],
    floors: &mut [(usize, Option<Floor>)],
    effort: &Effort,
    observer: &mut dyn Observer,
) -> Result<Vec<Gathered>, TrainError> {
    let configs: Vec<_> = arms.iter().map(|(arm, _)| arm.setup.config.clone()).collect();
    std::thread::scope(|scope| {
        let loaders = configs.iter().zip(sources).map(|(config, source)| {
            Ahead::start(
                scope,
                config,
                &source.examples,
                &source.layout,
                &source.empty,
                0..u64::MAX,
            )
        });
        let loaders: Vec<Ahead> = loaders.collect();
        let mut repeated = Vec::new();
        let mut blocks = Vec::new();
        let turns = (2 * effort.rounds * arms.len()) as f64;
        for ((arm, _), loader) in arms.iter_mut().zip(&loaders) {
            repeated.push(one_batch(loader, sources[repeated.len()].empty.clone())?);
            let seconds = warm_up(arm, loader, effort.warmup)?;
            blocks.push(blocks_a_turn(arm, seconds, turns, effort));
        }
        let mut gathered: Vec<Gathered> = arms.iter().map(|_| Gathered::default()).collect();
        for round in 0..effort.rounds {
            let mut rates = vec![0.0; arms.len()];
            for place in 0..arms.len() {
                let (arm, _) = &mut arms[place];
                rates[place] = match &mut floors[place] {
                    (_, Some(floor)) => floor.rate(&mut arm.engine)? / 1e9,
                    (first, None) => rates[*first],
                };
                let batches = [Batches::Loader(&loaders[place]), Batches::Repeated(&repeated[place])];
                turn(arm, &batches, blocks[place], rates[place], &mut gathered[place])?;
                take_apart(arm, &loaders[place], blocks[place], &mut gathered[place])?;
            }
            observer.round(round + 1, effort.rounds);
        }
        Ok(gathered)
    })
}

/// The first batch, to be repeated; another takes its place with the loader.
fn one_batch(loader: &Ahead, empty: Batch) -> Result<Batch, TrainError> {
    let Some(Prepared { batch, .. }) = loader.next()? else {
        return Ok(empty);
    };
    loader.give_back(empty);
    Ok(batch)
}

/// Seconds a step, roughly; sets the arm's block.
fn warm_up(arm: &mut Arm, loader: &Ahead, steps: usize) -> Result<f64, TrainError> {
    let batches = Batches::Loader(loader);
    arm.steps(&batches, steps, 0)?;
    let begin = Instant::now();
    let counted = 5;
    arm.steps(&batches, counted, 0)?;
    let seconds = begin.elapsed().as_secs_f64() / counted as f64;
    if arm.engine.threads().is_none() {
        arm.block = ((BLOCK_SECONDS / seconds).ceil() as usize)
            .clamp(1, 256)
            .next_multiple_of(8);
    }
    Ok(seconds)
}

/// Blocks of one turn of an arm.
fn blocks_a_turn(arm: &Arm, seconds: f64, turns: f64, effort: &Effort) -> usize {
    let block = arm.block as f64;
    let blocks = match effort.steps {
        Some(steps) => steps as f64 / effort.rounds as f64 / block,
        None => effort.seconds / turns / (seconds * block) * 0.85,
    };
    (blocks.ceil() as usize).max(1)
}

/// With the loader, then on one batch.
fn turn(
    arm: &mut Arm,
    batches: &[Batches<'_>; 2],
    blocks: usize,
    floor_gflops: f64,
    gathered: &mut Gathered,
) -> Result<(), TrainError> {
    let mut medians = [0.0; 2];
    let into = [&mut gathered.loader, &mut gathered.repeated];
    for ((batches, into), median_of) in batches.iter().zip(into).zip(&mut medians) {
        let times = arm.steps(batches, SKIPPED, blocks)?;
        *median_of = median(&times);
        into.extend(times);
    }
    gathered.rounds.push(Round {
        median_ms: medians[0],
        repeated_batch_ms: medians[1],
        floor_gflops,
    });
    Ok(())
}

/// A few steps operation by operation, apart from the steps that count.
fn take_apart(arm: &mut Arm, loader: &Ahead, blocks: usize, gathered: &mut Gathered) -> Result<(), TrainError> {
    for step in 0..(blocks * arm.block / TAKEN_APART).max(1) + 1 {
        let Some(seconds) = arm.timed_step(loader)? else {
            return Ok(());
        };
        if step > 0 {
            gathered.operations.push(seconds);
        }
    }
    Ok(())
}

fn record(arm: &mut Arm, needs: Needs, gathered: &Gathered, floor_side: usize) -> Result<Step, TrainError> {
    let loss = arm.loss()?;
    let config = &arm.setup.config;
    let batch_size = config.training.batch_size;
    let rows = arm.mean_rows();
    let times = Times::of(&mut gathered.loader.clone());
    let repeated = Times::of(&mut gathered.repeated.clone());
    let rates: Vec<f64> = gathered.rounds.iter().map(|round| round.floor_gflops).collect();
    let floor_gflops = median(&rates);
    let frozen = config.optimizer.freeze_further_factors;
    let flops = step_flops(&arm.architecture, batch_size, rows.unique, frozen);
    let floor_ms = flops / (floor_gflops * 1e6);
    let costs: Vec<_> = arm.operations.iter().map(|operation| operation.cost(&rows)).collect();
    let loader = gathered
        .rounds
        .iter()
        .map(|round| [round.median_ms, round.repeated_batch_ms]);
    Ok(Step {
        setup: arm.setup.words(),
        device: arm.engine.description(),
        times,
        steps: gathered.loader.len() * arm.block,
        steps_per_time: arm.block,
        rounds: gathered.rounds.len(),
        examples_per_second: batch_size as f64 / times.median_ms * 1e3,
        repeated_batch_ms: repeated.median_ms,
        repeated_batch: repeated,
        loader: Ratio::of([times.median_ms, repeated.median_ms], loader),
        floor_ms,
        floor_gflops,
        floor_side,
        over_floor: times.median_ms / floor_ms,
        flops,
        bytes: costs.iter().map(|cost| cost.bytes).sum(),
        unique_rows: rows.unique,
        batch_size,
        table_rows: arm.architecture.total_rows(),
        parameters: arm.architecture.num_parameters(),
        needs_bytes: needs,
        loss,
        operations: operations(arm, gathered),
        by_round: gathered.rounds.clone(),
    })
}

/// Each operation's median time and its share of their sum.
fn operations(arm: &Arm, gathered: &Gathered) -> Option<Vec<OperationTime>> {
    let (rows, steps) = (arm.mean_rows(), &gathered.operations);
    if steps.is_empty() {
        return None;
    }
    let medians = (0..arm.operations.len()).map(|place| {
        let times: Vec<f64> = steps.iter().filter_map(|step| step.get(place)).copied().collect();
        1e3 * median(&times)
    });
    let medians: Vec<f64> = medians.collect();
    let all: f64 = medians.iter().sum();
    let timed = arm.operations.iter().zip(medians).map(|(operation, ms)| {
        let cost = operation.cost(&rows);
        OperationTime {
            name: operation.name(),
            shape: operation.shape(),
            ms,
            share: ms / all,
            flops: cost.flops,
            bytes: cost.bytes,
        }
    });
    Some(timed.collect())
}

/// The first step, and the others against it.
fn compared(steps: Vec<Step>) -> Measured {
    let mut steps = steps.into_iter();
    let Some(first) = steps.next() else {
        unreachable!("there is a set-up")
    };
    let against = steps.map(|step| {
        let pairs = |of: fn(&Round) -> f64| {
            let rounds = step.by_round.iter().zip(&first.by_round);
            rounds.map(move |(one, other)| [of(one), of(other)]).collect::<Vec<_>>()
        };
        let medians = [step.times.median_ms, first.times.median_ms];
        let repeated = [step.repeated_batch_ms, first.repeated_batch_ms];
        Against {
            ratio: Ratio::of(medians, pairs(|round| round.median_ms).into_iter()),
            repeated_batch_ratio: Ratio::of(repeated, pairs(|round| round.repeated_batch_ms).into_iter()),
            step,
        }
    });
    let against = against.collect();
    Measured {
        first,
        against,
        peak_rss_bytes: memory::peak(),
    }
}
