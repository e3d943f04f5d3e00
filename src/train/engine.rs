//! A backend at work: batches in, numbers out. The one place that knows there are two of them.

use super::network::BatchBuffers;
use crate::backend::cpu::Memory;
use crate::backend::gpu::{self, Gpu, GpuError, Upload};
use crate::backend::{Allocate, Floats, Ints};
use crate::data::loader::Batch;
use crate::kernels::{self, Operation};
use crate::train::parameters::Region;
use std::ops::Range;
use std::sync::Arc;

mod crew;
pub mod timed;

pub use crew::Crew;

/// Where a run computes.
pub enum Engine {
    /// Native code on a pool of threads.
    Cpu(Cpu),
    /// WGSL through wgpu.
    Gpu(Box<Gpu>),
}

/// The CPU backend: its memory and its threads.
pub struct Cpu {
    memory: Memory<f32>,
    threads: Arc<rayon::ThreadPool>,
    /// Why it was chosen, if not by name.
    reason: &'static str,
}

/// A step made ready for a backend.
pub enum Program {
    /// The operations themselves.
    Cpu(Vec<Operation>),
    /// The operations and their dispatches.
    Gpu(Vec<Operation>, gpu::Program),
}

impl Program {
    /// What runs, in order: some operations stand for several of the step's.
    pub fn operations(&self) -> &[Operation] {
        match self {
            Self::Cpu(operations) | Self::Gpu(operations, _) => operations,
        }
    }
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
    /// A program was compiled for another engine.
    #[error("this step was made ready for another device")]
    OtherBackend,
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

impl Engine {
    /// Opens the device called `device`: `cpu`; a part of an adapter's name; or `auto`, which takes a discrete GPU, then an
    /// integrated one, then the CPU backend, and never a software driver.
    pub fn open(device: &str, threads: usize) -> Result<Self, EngineError> {
        let adapter = match device {
            "cpu" => return Self::cpu(threads),
            name => gpu::choose(name),
        };
        match adapter {
            Ok(Some(adapter)) => Ok(Self::Gpu(Box::new(Gpu::open(&adapter, gpu::Options::default())?))),
            Ok(None) | Err(GpuError::NoAdapter { .. }) if device == "auto" => {
                Self::with_threads(threads, "; auto: no GPU found")
            }
            Ok(None) => Self::cpu(threads),
            Err(error) => Err(error.into()),
        }
    }

    /// The CPU backend on `threads` threads; 0: all.
    pub fn cpu(threads: usize) -> Result<Self, EngineError> {
        Self::with_threads(threads, "")
    }

    fn with_threads(threads: usize, reason: &'static str) -> Result<Self, EngineError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let threads = Arc::new(pool.map_err(|source| EngineError::Threads { threads, source })?);
        let memory = Memory::new();
        Ok(Self::Cpu(Cpu {
            memory,
            threads,
            reason,
        }))
    }

    /// What computes, in a few words.
    pub fn description(&self) -> String {
        match self {
            Self::Cpu(cpu) => match cpu.threads.current_num_threads() {
                1 => format!("cpu (1 thread{})", cpu.reason),
                threads => format!("cpu ({threads} threads{})", cpu.reason),
            },
            Self::Gpu(gpu) => gpu.description().label(),
        }
    }

    /// The backend's threads.
    pub fn crew(&self) -> Crew {
        match self {
            Self::Cpu(cpu) => Crew(Some(Arc::clone(&cpu.threads))),
            Self::Gpu(_) => Crew(None),
        }
    }

    /// Makes a step ready to be run many times.
    pub fn compile(&mut self, operations: Vec<Operation>) -> Result<Program, EngineError> {
        let operations = kernels::embedding::fuse(operations);
        match self {
            Self::Cpu(_) => Ok(Program::Cpu(operations)),
            Self::Gpu(gpu) => {
                let program = kernels::program(gpu, &operations)?;
                Ok(Program::Gpu(operations, program))
            }
        }
    }

    /// Writes the batch and runs the program on it; on a GPU this returns before the work is done.
    pub fn enqueue(&mut self, buffers: &BatchBuffers, batch: &Batch, program: &Program) -> Result<(), EngineError> {
        match (self, program) {
            (Self::Cpu(cpu), Program::Cpu(operations)) => {
                cpu.write(buffers, batch);
                let memory = &mut cpu.memory;
                cpu.threads
                    .install(|| operations.iter().for_each(|operation| operation.cpu(memory)));
                Ok(())
            }
            (Self::Gpu(gpu), Program::Gpu(_, program)) => Ok(gpu.enqueue(&uploads(buffers, batch), program)?),
            _ => Err(EngineError::OtherBackend),
        }
    }

    /// Runs a program that needs no batch; on a GPU this returns before the work is done.
    pub fn run(&mut self, program: &Program) -> Result<(), EngineError> {
        match (self, program) {
            (Self::Cpu(cpu), Program::Cpu(operations)) => {
                let memory = &mut cpu.memory;
                cpu.threads
                    .install(|| operations.iter().for_each(|operation| operation.cpu(memory)));
                Ok(())
            }
            (Self::Gpu(gpu), Program::Gpu(_, program)) => Ok(gpu.enqueue(&[], program)?),
            _ => Err(EngineError::OtherBackend),
        }
    }

    /// Waits until everything that was enqueued is done.
    pub fn finish(&mut self) -> Result<(), EngineError> {
        match self {
            Self::Cpu(_) => Ok(()),
            Self::Gpu(gpu) => Ok(gpu.finish()?),
        }
    }

    /// Reads a part of a buffer, after everything that was enqueued before.
    pub fn read(&mut self, buffer: Floats, range: Range<usize>) -> Result<Vec<f32>, EngineError> {
        match self {
            Self::Cpu(cpu) => Ok(cpu.memory.floats(buffer)[range].to_vec()),
            Self::Gpu(gpu) => Ok(gpu.read_floats(buffer, range)?),
        }
    }

    /// Writes a part of a buffer, after everything that was enqueued before.
    pub fn write(&mut self, buffer: Floats, start: usize, values: &[f32]) -> Result<(), EngineError> {
        match self {
            Self::Cpu(cpu) => {
                cpu.memory.floats_mut(buffer)[start..start + values.len()].copy_from_slice(values);
                Ok(())
            }
            Self::Gpu(gpu) => Ok(gpu.write_floats(buffer, start, values)?),
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

impl Cpu {
    /// Writes the batch.
    fn write(&mut self, buffers: &BatchBuffers, batch: &Batch) {
        for (buffer, values) in float_parts(buffers, batch) {
            self.memory.floats_mut(buffer)[..values.len()].copy_from_slice(values);
        }
        for (buffer, values) in int_parts(buffers, batch) {
            self.memory.ints_mut(buffer)[..values.len()].copy_from_slice(values);
        }
    }
}

/// The batch as a GPU takes it.
fn uploads<'a>(buffers: &BatchBuffers, batch: &'a Batch) -> [Upload<'a>; 12] {
    let floats = float_parts(buffers, batch).map(|(buffer, values)| Upload::floats(buffer, values));
    let ints = int_parts(buffers, batch).map(|(buffer, values)| Upload::ints(buffer, values));
    let mut uploads = [floats[0]; 12];
    uploads[..3].copy_from_slice(&floats);
    uploads[3..].copy_from_slice(&ints);
    uploads
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
            Self::Gpu(gpu) => Ok(gpu.allocate_floats(len)?),
        }
    }

    fn allocate_input(&mut self, len: usize) -> Result<Floats, EngineError> {
        match self {
            Self::Cpu(cpu) => cpu.memory.allocate_input(len).map_err(|never| match never {}),
            Self::Gpu(gpu) => Ok(gpu.allocate_input(len)?),
        }
    }

    fn allocate_ints(&mut self, len: usize) -> Result<Ints, EngineError> {
        match self {
            Self::Cpu(cpu) => cpu.memory.allocate_ints(len).map_err(|never| match never {}),
            Self::Gpu(gpu) => Ok(gpu.allocate_ints(len)?),
        }
    }

    fn max_shard_elements(&self) -> usize {
        match self {
            Self::Cpu(cpu) => cpu.memory.max_shard_elements(),
            Self::Gpu(gpu) => gpu.max_shard_elements(),
        }
    }
}
