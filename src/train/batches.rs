//! Batches prepared ahead on threads of their own: the step never waits for the loader unless the loader is slower.

mod order;
mod queue;

use super::error::TrainError;
use super::schedule;
use crate::data::examples::Examples;
use crate::data::loader::{Batch, LoaderError, RowLayout, Scratch};
use crate::model::Config;
use crate::train::network::LOSS_SLOTS;
use order::Orders;
use queue::Queue;
use std::ops::Range;
use std::sync::Arc;
use std::thread::Scope;

/// Batches that exist for so many threads: each fills one while another waits for its turn, a few are ready, and the step
/// has one and a bunch of used ones.
pub fn batches(threads: usize) -> usize {
    2 * threads + 7
}

/// Orders of the examples that exist for so many threads: with several the next epoch's is made while one is used.
pub fn orders(threads: usize) -> usize {
    threads.min(2)
}

/// A batch with the step it is for.
pub struct Prepared {
    /// The step, from 0.
    pub step: u64,
    /// Its batch.
    pub batch: Batch,
}

/// Batches prepared ahead by threads of their own, which wait while enough of them are ready; they end when this is
/// dropped. Batches and their order do not depend on how many threads there are.
pub struct Ahead(Arc<Queue>);

impl Ahead {
    /// Starts the threads; `empty` has the size of every batch.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        config: &'env Config,
        examples: &'env Examples,
        layout: &'env RowLayout,
        empty: &Batch,
        steps: Range<u64>,
        threads: usize,
    ) -> Self {
        let orders = Arc::new(Orders::new(config, examples.len(), orders(threads)));
        let queue = Arc::new(Queue::new(
            steps.clone(),
            vec![empty.clone(); batches(threads)],
            threads,
        ));
        for _ in 0..threads {
            let loader = Loader {
                config,
                examples,
                layout,
                orders: orders.clone(),
                end: steps.end,
                scratch: empty.scratch(),
            };
            let queue = queue.clone();
            scope.spawn(move || loader.work(&queue));
        }
        Self(queue)
    }

    /// The next batch; `None` after the last.
    ///
    /// # Errors
    /// [`LoaderError`] for examples that do not fit their schema.
    pub fn next(&self) -> Result<Option<Prepared>, LoaderError> {
        self.0.next()
    }

    /// Gives a batch back to be filled again; the threads wait for it.
    pub fn give_back(&self, batch: Batch) {
        self.0.give_back(batch);
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Prepares the batches of `steps` ahead on `threads` threads and hands each to `run`, with whether more follow; `run` gives
/// the batch back to be filled again and says whether to go on. Returns the number of steps done, the ones before `steps`
/// included.
pub fn ahead(
    config: &Config,
    examples: &Examples,
    layout: &RowLayout,
    empty: &Batch,
    steps: Range<u64>,
    threads: usize,
    mut run: impl FnMut(Prepared, bool) -> Result<(Prepared, bool), TrainError>,
) -> Result<u64, TrainError> {
    std::thread::scope(|scope| {
        let ahead = Ahead::start(scope, config, examples, layout, empty, steps.clone(), threads);
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

/// What a thread fills batches with.
struct Loader<'a> {
    config: &'a Config,
    examples: &'a Examples,
    layout: &'a RowLayout,
    orders: Arc<Orders>,
    /// Behind the last step.
    end: u64,
    scratch: Scratch,
}

impl Loader<'_> {
    fn work(mut self, queue: &Queue) {
        let _guard = queue.guard();
        while let Some((step, mut batch)) = queue.begin() {
            let result = self.fill(step, &mut batch);
            queue.hand_over(Prepared { step, batch }, result);
            self.look_ahead(step);
        }
    }

    /// Fills the batch of a step: its examples, its learning rates, its slot for the loss.
    fn fill(&mut self, step: u64, batch: &mut Batch) -> Result<(), LoaderError> {
        let (config, examples) = (self.config, self.examples);
        let batch_size = config.training.batch_size;
        let steps = steps_per_epoch(config, examples.len() as u64);
        let first = (step % steps) as usize * batch_size;
        let places = first..(first + batch_size).min(examples.len());
        let (layout, scratch) = (self.layout, &mut self.scratch);
        match self.orders.of(step / steps) {
            Some(order) => {
                let rows = order[places].iter().map(|&row| row as usize);
                batch.fill_with(examples, rows, layout, scratch)?;
            }
            None => batch.fill_with(examples, places, layout, scratch)?,
        }
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

    /// Makes the next epoch's order, where there is room for it, after the step in the middle of an epoch: no batch waits
    /// for it then.
    fn look_ahead(&mut self, step: u64) {
        let steps = steps_per_epoch(self.config, self.examples.len() as u64);
        let next = step / steps + 1;
        if self.orders.slots() > 1 && step % steps == steps / 2 && next * steps < self.end {
            self.orders.of(next);
        }
    }
}

#[cfg(test)]
mod tests;
