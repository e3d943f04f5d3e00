//! Several set-ups in turn, round after round, in one process: what disturbs the machine falls on all of them.

use super::arm::{Arm, Batches, Source};
use super::floor::Floor;
use super::outcome::{self, compared, record};
use super::quiet::{self, DISTURBED, Gauge};
use super::record::Measured;
use super::setup::Setup;
use crate::backend::Allocate;
use crate::data::loader::Batch;
use crate::train::batches::{Ahead, Prepared};
use crate::train::engine::Engine;
use crate::train::error::TrainError;
use crate::train::memory::{self, Needs};
use std::time::{Duration, Instant};

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
    /// Seconds more that may go by until as many rounds as asked for were quiet ([`super::quiet`]): waiting until other
    /// processes rest, and rounds again.
    pub patience: f64,
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
            patience: 0.0,
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

/// What a turn of a set-up has gathered: milliseconds a step, and seconds of each operation, a list a step (empty where the
/// device has no clock).
#[derive(Default)]
pub(super) struct Turn {
    pub loader: Vec<f64>,
    pub repeated: Vec<f64>,
    pub operations: Vec<Vec<f64>>,
    pub floor_gflops: f64,
    /// Processors that the steps had, where that is known.
    pub processors: Option<f64>,
}

/// A turn of every set-up, and the share of the processors that others had meanwhile, where that is known.
pub(super) struct Around {
    pub turns: Vec<Turn>,
    pub others: Option<f64>,
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
    let mut floors = Floors::new(&mut arms)?;
    let rounds = gather(&mut arms, &sources, &mut floors, effort, observer)?;
    let mut steps = Vec::new();
    for (place, (arm, needs)) in arms.iter_mut().enumerate() {
        steps.push(record(arm, *needs, place, &rounds, floors.product(place))?);
    }
    Ok(compared(steps))
}

/// One floor a device.
struct Floors {
    /// The floor of each set-up: a place in the list below.
    of: Vec<usize>,
    /// Each with the set-up whose engine it runs on.
    floors: Vec<(usize, Floor)>,
}

impl Floors {
    fn new(arms: &mut [(Arm, Needs)]) -> Result<Self, TrainError> {
        let (mut of, mut floors): (Vec<usize>, Vec<(usize, Floor)>) = (Vec::new(), Vec::new());
        for place in 0..arms.len() {
            let device = |at: usize| (&arms[at].0.setup.config.device, arms[at].0.setup.config.threads);
            let known = floors.iter().position(|(first, _)| device(*first) == device(place));
            of.push(known.unwrap_or(floors.len()));
            if known.is_none() {
                floors.push((place, Floor::new(&mut arms[place].0.engine)?));
            }
        }
        Ok(Self { of, floors })
    }

    /// FLOP/s now.
    fn rate(&mut self, arms: &mut [(Arm, Needs)], place: usize) -> Result<f64, TrainError> {
        let (first, floor) = &mut self.floors[self.of[place]];
        Ok(floor.rate(&mut arms[*first].0.engine)?)
    }

    /// Whose product it is, and its side.
    fn product(&self, place: usize) -> (&'static str, usize) {
        self.floors[self.of[place]].1.product
    }
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
        let needs = Needs::of(
            &setup.config,
            &architecture,
            engine.max_shard_elements(),
            engine.loader_threads(),
        );
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
    floors: &mut Floors,
    effort: &Effort,
    observer: &mut dyn Observer,
) -> Result<Vec<Around>, TrainError> {
    let configs: Vec<_> = arms.iter().map(|(arm, _)| arm.setup.config.clone()).collect();
    std::thread::scope(|scope| {
        let threads: Vec<usize> = arms.iter().map(|(arm, _)| arm.engine.loader_threads()).collect();
        let loaders = configs
            .iter()
            .zip(sources)
            .zip(threads)
            .map(|((config, source), threads)| {
                Ahead::start(
                    scope,
                    config,
                    &source.examples,
                    &source.layout,
                    &source.empty,
                    0..u64::MAX,
                    threads,
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
        let mut rounds: Vec<Around> = Vec::new();
        let mut patience = Duration::from_secs_f64(effort.patience);
        loop {
            let begin = Instant::now();
            let before = Gauge::now();
            let mut turns: Vec<Turn> = Vec::new();
            for place in 0..arms.len() {
                let floor_gflops = floors.rate(arms, place)? / 1e9;
                let (arm, _) = &mut arms[place];
                let batches = [Batches::Loader(&loaders[place]), Batches::Repeated(&repeated[place])];
                let blocks = blocks[place];
                let steps = Gauge::now();
                turns.push(Turn {
                    loader: arm.steps(&batches[0], SKIPPED, blocks)?,
                    repeated: arm.steps(&batches[1], SKIPPED, blocks)?,
                    processors: steps.zip(Gauge::now()).map(|(before, now)| now.own_since(&before)),
                    operations: take_apart(arm, &loaders[place], blocks)?,
                    floor_gflops,
                });
            }
            let others = before.zip(Gauge::now()).map(|(before, now)| now.others_since(&before));
            let disturbed = others.is_some_and(|share| share > DISTURBED);
            rounds.push(Around { turns, others });
            let quiet = rounds.iter().filter(|round| !outcome::disturbed(round)).count();
            observer.round(quiet.max(rounds.len().min(effort.rounds)), effort.rounds);
            if quiet >= effort.rounds || (rounds.len() >= effort.rounds && patience.is_zero()) {
                return Ok(rounds);
            }
            if disturbed {
                let waiting = Instant::now();
                quiet::wait(waiting + patience);
                // A round that has to be made again costs patience as well.
                patience = patience.saturating_sub(waiting.elapsed());
                if rounds.len() >= effort.rounds {
                    patience = patience.saturating_sub(waiting - begin);
                }
            }
        }
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

/// A few steps operation by operation, apart from the steps that count.
fn take_apart(arm: &mut Arm, loader: &Ahead, blocks: usize) -> Result<Vec<Vec<f64>>, TrainError> {
    let steps = (blocks * arm.block / TAKEN_APART).max(1) + 1;
    let operations = arm.timed_steps(loader, steps)?;
    // The first one meets caches that hold the repeated batch's work.
    Ok(operations.into_iter().skip(1).collect())
}
