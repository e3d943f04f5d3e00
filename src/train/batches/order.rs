//! The order of the examples in an epoch: a function of the seed and the epoch alone.

use crate::model::Config;
use crate::model::config::Order;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::sync::{Arc, Mutex, PoisonError};

/// The orders of the last few epochs, each made by the thread that first asks for it.
pub(super) struct Orders {
    seed: u64,
    examples: usize,
    /// An epoch's is in the slot of its number; none for the sequential order.
    slots: Vec<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    epoch: Option<u64>,
    permutation: Arc<Vec<u32>>,
}

impl Orders {
    pub fn new(config: &Config, examples: usize, slots: usize) -> Self {
        let slots = match config.training.order {
            Order::Sequential => 0,
            Order::Shuffled => slots,
        };
        Self {
            seed: config.seed,
            examples,
            slots: (0..slots).map(|_| Mutex::default()).collect(),
        }
    }

    /// How many are kept.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The order of an epoch; `None` for the sequential one.
    pub fn of(&self, epoch: u64) -> Option<Arc<Vec<u32>>> {
        let slot = &self.slots[epoch.checked_rem(self.slots.len() as u64)? as usize];
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.epoch != Some(epoch) {
            // Made where the old one was, unless a batch is still made of that.
            self.make(epoch, Arc::make_mut(&mut slot.permutation));
            slot.epoch = Some(epoch);
        }
        Some(slot.permutation.clone())
    }

    fn make(&self, epoch: u64, permutation: &mut Vec<u32>) {
        permutation.resize(self.examples, 0);
        for (row, place) in (0..).zip(&mut *permutation) {
            *place = row;
        }
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        // The tensors' streams are hashes of their names; the order's are small numbers behind a tag of their own.
        generator.set_stream(xxhash_rust::xxh3::xxh3_64(format!("epoch {epoch}").as_bytes()));
        permutation.shuffle(&mut generator);
    }
}
