//! A backend at work: batches in, numbers out. The one place that knows there are two of them.

use super::network::BatchBuffers;
use crate::backend::cpu::Memory;
use crate::backend::{Allocate, Floats, Ints};
use crate::data::loader::Batch;
use crate::kernels::Operation;
use crate::train::parameters::Region;
use std::ops::Range;

/// Where a run computes.
pub enum Engine {
    /// Native code on a pool of threads.
    Cpu(Cpu),
}

/// The CPU backend: its memory and its threads.
pub struct Cpu {
    memory: Memory<f32>,
    threads: rayon::ThreadPool,
}

/// A step made ready for a backend.
pub enum Program {
    /// The operations themselves.
    Cpu(Vec<Operation>),
}

/// Why a backend cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The CPU's threads cannot be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many
        threads: usize,
        /// Why
        source: rayon::ThreadPoolBuildError,
    },
}

impl Engine {
    /// Opens the device called `device` (`auto`, `cpu` or a part of an adapter's name).
    pub fn open(_device: &str, threads: usize) -> Result<Self, EngineError> {
        Self::cpu(threads)
    }

    /// The CPU backend on `threads` threads; 0: all.
    pub fn cpu(threads: usize) -> Result<Self, EngineError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let threads = pool.map_err(|source| EngineError::Threads { threads, source })?;
        let memory = Memory::new();
        Ok(Self::Cpu(Cpu { memory, threads }))
    }

    /// What computes, in a few words.
    pub fn description(&self) -> String {
        match self {
            Self::Cpu(cpu) => format!("cpu ({} threads)", cpu.threads.current_num_threads()),
        }
    }

    /// Makes a step ready to be run many times.
    pub fn compile(&mut self, operations: Vec<Operation>) -> Result<Program, EngineError> {
        match self {
            Self::Cpu(_) => Ok(Program::Cpu(operations)),
        }
    }

    /// Writes the batch and runs the program on it; on a GPU this returns before the work is done.
    pub fn enqueue(&mut self, buffers: &BatchBuffers, batch: &Batch, program: &Program) -> Result<(), EngineError> {
        match (self, program) {
            (Self::Cpu(cpu), Program::Cpu(operations)) => {
                for (buffer, values) in float_parts(buffers, batch) {
                    cpu.memory.floats_mut(buffer)[..values.len()].copy_from_slice(values);
                }
                for (buffer, values) in int_parts(buffers, batch) {
                    cpu.memory.ints_mut(buffer)[..values.len()].copy_from_slice(values);
                }
                let memory = &mut cpu.memory;
                cpu.threads
                    .install(|| operations.iter().for_each(|operation| operation.cpu(memory)));
            }
        }
        Ok(())
    }

    /// Reads a part of a buffer, after everything that was enqueued before.
    pub fn read(&mut self, buffer: Floats, range: Range<usize>) -> Result<Vec<f32>, EngineError> {
        match self {
            Self::Cpu(cpu) => Ok(cpu.memory.floats(buffer)[range].to_vec()),
        }
    }

    /// Writes a part of a buffer, after everything that was enqueued before.
    pub fn write(&mut self, buffer: Floats, start: usize, values: &[f32]) -> Result<(), EngineError> {
        match self {
            Self::Cpu(cpu) => {
                cpu.memory.floats_mut(buffer)[start..start + values.len()].copy_from_slice(values);
                Ok(())
            }
        }
    }

    /// A named tensor's numbers, without padding.
    pub fn read_region(&mut self, region: &Region) -> Result<Vec<f32>, EngineError> {
        let (stride, cols) = (region.matrix.stride(), region.matrix.cols);
        let mut values = Vec::with_capacity(region.rows.len() * cols);
        for (buffer, within, _) in region.pieces() {
            for rows in chunks(within, stride) {
                let padded = self.read(buffer, rows.start * stride..rows.end * stride)?;
                for row in padded.chunks_exact(stride) {
                    values.extend_from_slice(&row[..cols]);
                }
            }
        }
        Ok(values)
    }

    /// Writes a named tensor: `rows` yields the numbers of a range of its rows, without padding.
    pub fn write_region<E: From<EngineError>>(
        &mut self,
        region: &Region,
        mut rows_of: impl FnMut(Range<usize>, &mut [f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (stride, cols) = (region.matrix.stride(), region.matrix.cols);
        let (mut dense, mut padded) = (Vec::new(), Vec::new());
        for (buffer, within, tensor_rows) in region.pieces() {
            for rows in chunks(within.clone(), stride) {
                let first = tensor_rows.start + (rows.start - within.start);
                dense.resize(rows.len() * cols, 0.0);
                rows_of(first..first + rows.len(), &mut dense)?;
                padded.clear();
                padded.resize(rows.len() * stride, 0.0);
                for (padded, dense) in padded.chunks_exact_mut(stride).zip(dense.chunks_exact(cols)) {
                    padded[..cols].copy_from_slice(dense);
                }
                self.write(buffer, rows.start * stride, &padded)?;
            }
        }
        Ok(())
    }
}

/// A range of rows in pieces of a few megabytes, so that a large table is never copied whole.
fn chunks(rows: Range<usize>, stride: usize) -> impl Iterator<Item = Range<usize>> {
    let step = ((1 << 20) / stride).max(1);
    let end = rows.end;
    rows.step_by(step).map(move |first| first..(first + step).min(end))
}

/// The batch's f32 parts and where they go.
fn float_parts<'a>(buffers: &BatchBuffers, batch: &'a Batch) -> [(Floats, &'a [f32]); 3] {
    [
        (buffers.dense.buffer, &batch.dense),
        (buffers.label, &batch.label),
        (buffers.scalars, &batch.scalars),
    ]
}

/// The batch's u32 parts and where they go, each no longer than what counts of it.
fn int_parts<'a>(buffers: &BatchBuffers, batch: &'a Batch) -> [(Ints, &'a [u32]); 9] {
    let sparse = &buffers.sparse;
    let unique = batch.counts[1] as usize;
    let entries = batch.bag_offsets[batch.bag_offsets.len() - 1] as usize;
    [
        (sparse.counts, &batch.counts),
        (sparse.table_start, &batch.table_start),
        (sparse.shard_start, &batch.shard_start),
        (sparse.unique_rows, &batch.unique_rows[..unique]),
        (sparse.unique_table, &batch.unique_table[..unique]),
        (sparse.bag_offsets, &batch.bag_offsets),
        (sparse.bag_entries, &batch.bag_entries[..entries]),
        (sparse.use_offsets, &batch.use_offsets[..unique + 1]),
        (sparse.uses, &batch.uses[..entries]),
    ]
}

impl Allocate for Engine {
    type Error = EngineError;

    fn allocate_floats(&mut self, len: usize) -> Result<Floats, EngineError> {
        match self {
            Self::Cpu(cpu) => cpu.memory.allocate_floats(len).map_err(|never| match never {}),
        }
    }

    fn allocate_ints(&mut self, len: usize) -> Result<Ints, EngineError> {
        match self {
            Self::Cpu(cpu) => cpu.memory.allocate_ints(len).map_err(|never| match never {}),
        }
    }

    fn max_shard_elements(&self) -> usize {
        match self {
            Self::Cpu(cpu) => cpu.memory.max_shard_elements(),
        }
    }
}
