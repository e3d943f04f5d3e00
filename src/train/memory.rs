//! What a model needs of memory, counted before anything is allocated, and what the machine has.

use super::batches;
use super::engine::Engine;
use super::evaluate;
use super::parameters::{Named, Parameters};
use super::step;
use crate::backend::Allocate;
use crate::backend::count::Counting;
use crate::data::loader::{Batch, Scratch};
use crate::model::Architecture;
use crate::model::config::{Config, Loss, Order, Rule};
use serde::Serialize;

/// Bytes that training needs, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Needs {
    /// All factors of all tables, padding included.
    pub tables: u64,
    /// The MLPs.
    pub mlps: u64,
    /// The optimiser's sums.
    pub optimizer: u64,
    /// What a step writes between the batch and the parameters: activations, gradients, the batch itself.
    pub activations: u64,
    /// The forward pass over the validation and test splits, after training.
    pub evaluation: u64,
    /// Batches that are prepared ahead and the order of the examples, in the machine's own memory.
    pub batches: u64,
    /// How often each row is used, for the evaluation, in the machine's own memory.
    pub frequencies: u64,
    /// The largest tensor, which is copied to be written into a checkpoint, in the machine's own memory.
    pub checkpoint: u64,
}

/// Training needs more memory than there is.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("this needs {needs}; {available} are available. Choose {remedies}", available = size(*.available))]
pub struct TooMuch {
    /// What would be needed.
    pub needs: Needs,
    /// Bytes there are.
    pub available: u64,
    /// What to change.
    pub remedies: String,
}

impl Needs {
    /// Runs the allocating code of a model and its step over a memory that only counts; so many threads prepare batches.
    pub fn of(config: &Config, architecture: &Architecture, max_shard_elements: usize, threads: usize) -> Self {
        let mut memory = Counting::with_shards(max_shard_elements);
        let Ok(parameters) = Parameters::allocate(architecture, &config.optimizer, &mut memory);
        let before = memory.bytes();
        let batch_size = config.training.batch_size;
        let Ok(step) = step::build(architecture, &parameters, batch_size, Some(Loss::Bce), &mut memory);
        let tables = bytes(parameters.named.iter().filter(|named| is_table(named)));
        let all = bytes(parameters.named.iter());
        let (capacity, num_dense) = (step.batch.sparse.capacity, architecture.num_dense_features);
        let batch = Batch::bytes(batch_size, num_dense, &parameters.row_layout(), capacity);
        let scratch = Scratch::bytes(batch_size, num_dense, capacity);
        Self {
            tables,
            mlps: all - tables,
            optimizer: before - all,
            activations: memory.bytes() - before,
            batches: batches::batches(threads) as u64 * batch + threads as u64 * scratch,
            ..Self::default()
        }
    }

    /// Of a whole run on `examples` examples: with the order of the examples, the evaluation and the checkpoint.
    pub fn of_run(
        config: &Config,
        architecture: &Architecture,
        examples: u64,
        max_shard_elements: usize,
        threads: usize,
    ) -> Self {
        let mut needs = Self::of(config, architecture, max_shard_elements, threads);
        let mut memory = Counting::with_shards(max_shard_elements);
        let Ok(parameters) = Parameters::allocate(architecture, &config.optimizer, &mut memory);
        let before = memory.bytes();
        let Ok(_) = step::build(architecture, &parameters, evaluate::BATCH_SIZE, None, &mut memory);
        needs.evaluation = memory.bytes() - before;
        needs.frequencies = 8 * architecture.total_rows() as u64;
        if config.training.order == Order::Shuffled {
            needs.batches += batches::orders(threads) as u64 * 4 * examples;
        }
        let tensors = architecture.parameters();
        let largest = tensors
            .iter()
            .map(|tensor| 4 * tensor.shape.iter().product::<usize>() as u64)
            .max();
        needs.checkpoint = largest.unwrap_or(0);
        needs
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.on_device() + self.on_host()
    }

    /// What lies where it is computed.
    pub fn on_device(&self) -> u64 {
        self.tables + self.mlps + self.optimizer + self.activations + self.evaluation
    }

    /// What lies in the machine's own memory in any case.
    pub fn on_host(&self) -> u64 {
        self.batches + self.frequencies + self.checkpoint
    }

    /// Of several models at once.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            tables: self.tables + other.tables,
            mlps: self.mlps + other.mlps,
            optimizer: self.optimizer + other.optimizer,
            activations: self.activations + other.activations,
            evaluation: self.evaluation + other.evaluation,
            batches: self.batches + other.batches,
            frequencies: self.frequencies + other.frequencies,
            checkpoint: self.checkpoint + other.checkpoint,
        }
    }

    /// Bytes of the machine's own memory on this engine. What a GPU has, wgpu does not say.
    pub fn here(&self, engine: &Engine) -> u64 {
        if engine.in_host_memory() {
            self.total()
        } else {
            self.on_host()
        }
    }

    /// Refuses what is larger than `available` bytes; `None`: not known, nothing is refused. `fewer_rows` says how the
    /// tables get smaller.
    ///
    /// # Errors
    /// [`TooMuch`], with what to change.
    pub fn check(&self, bytes: u64, available: Option<u64>, config: &Config, fewer_rows: &str) -> Result<(), TooMuch> {
        match available {
            Some(available) if bytes > available => Err(TooMuch {
                needs: *self,
                available,
                remedies: self.remedies(config, fewer_rows),
            }),
            _ => Ok(()),
        }
    }

    fn remedies(&self, config: &Config, fewer_rows: &str) -> String {
        let mut remedies = vec![match config.model.inner_dim {
            Some(k) => format!("a smaller --inner-dim than {k}"),
            None => format!("a smaller --embedding-dim than {}", config.model.embedding_dim),
        }];
        if self.tables + self.optimizer > self.activations {
            remedies.push(format!("fewer rows ({fewer_rows})"));
        } else {
            remedies.push(format!("a smaller --batch-size than {}", config.training.batch_size));
        }
        match config.optimizer.rule {
            Rule::Sgd => {}
            Rule::Adagrad => {
                remedies.push("--optimizer rowwise-adagrad, which keeps one sum a row, or sgd, which keeps none".into())
            }
            Rule::RowwiseAdagrad => remedies.push("--optimizer sgd, which keeps no sums".into()),
        }
        remedies.join(", or ")
    }
}

impl std::fmt::Display for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("tables", self.tables),
            ("MLPs", self.mlps),
            ("optimiser's sums", self.optimizer),
            ("activations and gradients", self.activations),
            ("evaluation", self.evaluation),
            ("batches ahead", self.batches),
            ("frequencies of rows", self.frequencies),
            ("a tensor's copy for the checkpoint", self.checkpoint),
        ];
        let parts = parts.iter().filter(|(_, bytes)| *bytes > 0);
        let parts: Vec<String> = parts.map(|(name, bytes)| format!("{name} {}", size(*bytes))).collect();
        write!(f, "{} of memory: {}", size(self.total()), parts.join(", "))
    }
}

fn is_table(named: &Named) -> bool {
    named.name.starts_with("embedding.")
}

fn bytes<'a>(named: impl Iterator<Item = &'a Named>) -> u64 {
    named
        .map(|named| 4 * (named.region.rows.len() * named.region.matrix.stride()) as u64)
        .sum()
}

/// `215 MB`: bytes in powers of 1000, three digits.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    let digits = match value {
        _ if unit == "B" => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// Bytes that this process may still use: Linux's `MemAvailable`, or less where its control group has a limit. `None`
/// where that cannot be known.
pub fn available() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let machine = kilobytes(&meminfo, "MemAvailable:")?;
    // `max` where there is none: no number.
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse::<u64>().ok());
    Some(group.map_or(machine, |group| group.min(machine)))
}

/// The most bytes of memory that this process has had at once: Linux's `VmHWM`. `None` elsewhere.
pub fn peak() -> Option<u64> {
    kilobytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

/// What a run needs; refuses what is more than there is.
///
/// # Errors
/// [`TooMuch`].
pub(super) fn require(
    config: &Config,
    architecture: &Architecture,
    examples: u64,
    engine: &Engine,
) -> Result<Needs, TooMuch> {
    let needs = Needs::of_run(
        config,
        architecture,
        examples,
        engine.max_shard_elements(),
        engine.loader_threads(),
    );
    let fewer_rows = "`mlet prepare` with --max-rows-per-table or --min-count";
    needs.check(needs.here(engine), available(), config, fewer_rows)?;
    Ok(needs)
}

#[cfg(test)]
mod tests;
