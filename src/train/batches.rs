//! The order of the examples, and batches prepared ahead on a thread of their own: the step never waits for the loader
//! unless the loader is slower.

use super::error::TrainError;
use super::schedule;
use crate::data::examples::Examples;
use crate::data::loader::{Batch, LoaderError, RowLayout};
use crate::model::Config;
use crate::model::config::Order;
use crate::train::network::LOSS_SLOTS;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

/// Batches that wait, at most.
const AHEAD: usize = 8;
/// Used batches go back so many at a time: the loader's thread wakes once for all of them, and takes a processor from the
/// step as seldom.
const BUNCH: usize = 4;
/// Batches that exist: those that wait, and the one that is filled or used.
pub const BATCHES: usize = AHEAD + 1;

/// A batch with the step it is for.
pub struct Prepared {
    /// The step, from 0.
    pub step: u64,
    /// Its batch.
    pub batch: Batch,
}

/// Batches prepared ahead by a thread of their own, which waits while enough of them are ready; it ends when this is
/// dropped.
pub struct Ahead {
    // Behind a lock only so that a thread of the backend may ask.
    ready: Mutex<Receiver<Result<Prepared, LoaderError>>>,
    used: SyncSender<Batch>,
    /// Used batches that wait for their bunch.
    bunch: Mutex<Vec<Batch>>,
}

impl Ahead {
    /// Starts the thread; `empty` has the size of every batch.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        config: &'env Config,
        examples: &'env Examples,
        layout: &'env RowLayout,
        empty: &Batch,
        steps: Range<u64>,
    ) -> Self {
        let (ready_in, ready) = mpsc::sync_channel(AHEAD);
        let (used, used_out) = mpsc::sync_channel(BATCHES);
        for _ in 0..BATCHES {
            let _ = used.send(empty.clone());
        }
        scope.spawn(move || {
            let mut order = EpochOrder::new(config, examples.len());
            for step in steps {
                let Ok(mut batch) = used_out.recv() else { return };
                let filled = fill(config, examples, layout, &mut order, step, &mut batch);
                if ready_in.send(filled.map(|()| Prepared { step, batch })).is_err() {
                    return;
                }
            }
        });
        Self {
            ready: Mutex::new(ready),
            used,
            bunch: Mutex::new(Vec::with_capacity(BUNCH)),
        }
    }

    /// The next batch; `None` after the last.
    ///
    /// # Errors
    /// [`LoaderError`] for examples that do not fit their schema.
    pub fn next(&self) -> Result<Option<Prepared>, LoaderError> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.recv().ok().transpose()
    }

    /// Gives a batch back to be filled again; the thread waits for it.
    pub fn give_back(&self, batch: Batch) {
        let mut bunch = self.bunch.lock().unwrap_or_else(PoisonError::into_inner);
        bunch.push(batch);
        if bunch.len() == BUNCH {
            for batch in bunch.drain(..) {
                let _ = self.used.send(batch);
            }
        }
    }
}

/// Prepares the batches of `steps` ahead and hands each to `run`, with whether more follow; `run` gives the batch back to
/// be filled again and says whether to go on. Returns the number of steps done, the ones before `steps` included.
pub fn ahead(
    config: &Config,
    examples: &Examples,
    layout: &RowLayout,
    empty: &Batch,
    steps: Range<u64>,
    mut run: impl FnMut(Prepared, bool) -> Result<(Prepared, bool), TrainError>,
) -> Result<u64, TrainError> {
    std::thread::scope(|scope| {
        let ahead = Ahead::start(scope, config, examples, layout, empty, steps.clone());
        let mut done = steps.start;
        while let Some(prepared) = ahead.next()? {
            let (prepared, go_on) = run(prepared, done + 1 < steps.end)?;
            done += 1;
            ahead.give_back(prepared.batch);
            if !go_on {
                break;
            }
        }
        Ok(done)
    })
}

/// Steps of one epoch over `examples` examples: the last batch may be short.
pub fn steps_per_epoch(config: &Config, examples: u64) -> u64 {
    examples.div_ceil(config.training.batch_size as u64)
}

/// Fills the batch of a step: its examples, its learning rates, its slot for the loss.
fn fill(
    config: &Config,
    examples: &Examples,
    layout: &RowLayout,
    order: &mut EpochOrder,
    step: u64,
    batch: &mut Batch,
) -> Result<(), LoaderError> {
    let batch_size = config.training.batch_size;
    let steps = steps_per_epoch(config, examples.len() as u64);
    let first = (step % steps) as usize * batch_size;
    let places = first..(first + batch_size).min(examples.len());
    order.go_to(step / steps);
    let rows = places.map(|place| order.row(place));
    batch.fill(examples, rows, layout)?;
    let rate = schedule::learning_rate(&config.optimizer, step);
    batch.scalars = [
        rate as f32,
        (rate * config.optimizer.embedding_lr_scale) as f32,
        0.0,
        0.0,
    ];
    batch.counts[2] = (step % LOSS_SLOTS as u64) as u32;
    Ok(())
}

/// The order of the examples in an epoch: a function of the seed and the epoch alone.
struct EpochOrder {
    seed: u64,
    epoch: Option<u64>,
    /// Empty for the sequential order.
    permutation: Vec<u32>,
}

impl EpochOrder {
    fn new(config: &Config, examples: usize) -> Self {
        let permutation = match config.training.order {
            Order::Sequential => Vec::new(),
            Order::Shuffled => vec![0; examples],
        };
        Self {
            seed: config.seed,
            epoch: None,
            permutation,
        }
    }

    fn go_to(&mut self, epoch: u64) {
        if self.epoch == Some(epoch) || self.permutation.is_empty() {
            return;
        }
        for (row, place) in (0..).zip(&mut self.permutation) {
            *place = row;
        }
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        // The tensors' streams are hashes of their names; the order's are small numbers behind a tag of their own.
        generator.set_stream(xxhash_rust::xxh3::xxh3_64(format!("epoch {epoch}").as_bytes()));
        self.permutation.shuffle(&mut generator);
        self.epoch = Some(epoch);
    }

    fn row(&self, place: usize) -> usize {
        self.permutation.get(place).map_or(place, |&row| row as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_every_example_once_in_an_order_of_its_own() {
        let mut order = EpochOrder::new(&Config::default(), 1000);
        let mut epochs = Vec::new();
        for epoch in [0, 1, 0] {
            order.go_to(epoch);
            epochs.push((0..1000).map(|place| order.row(place)).collect::<Vec<_>>());
        }
        assert_eq!(epochs[0], epochs[2]);
        assert_ne!(epochs[0], epochs[1]);
        epochs[1].sort_unstable();
        assert_eq!(epochs[1], (0..1000).collect::<Vec<_>>());
    }
}
