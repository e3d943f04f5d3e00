//! What `mlet bench` needs of a backend beyond a run: each operation's time, the product's best rate, tables filled fast.

use super::{Engine, EngineError, Program, uploads};
use crate::backend::product::{Form, View, columns_of, pack, packed_len, product, product_packed};
use crate::data::loader::Batch;
use crate::train::network::BatchBuffers;
use crate::train::parameters::Region;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::num::NonZero;
use std::time::Instant;

/// Elements of the pieces in which a GPU's tables are filled.
const PIECE: usize = 1 << 20;

/// Matrix products that the floor may be set by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gemm {
    /// The step's own, the right matrix row-major.
    Rows,
    /// The step's own, the right matrix packed before ([`pack`]); packing it is not timed.
    Packed,
    /// faer's, in blocks of rows as the step's own.
    Faer,
}

impl Gemm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rows, Self::Packed, Self::Faer];

    /// The right matrix (n, n), as this product takes it.
    pub fn right(self, b: &[f32], n: usize) -> Vec<f32> {
        match self {
            Self::Rows | Self::Faer => b.to_vec(),
            Self::Packed => {
                let mut panels = vec![0.0; packed_len(n, n)];
                // As bᵀ's rows: what the numbers are does not matter.
                pack(&mut panels, View::rows_of(b, 0..n, n, n));
                panels
            }
        }
    }

    /// Whose it is.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows | Self::Packed => "the step's own product",
            Self::Faer => "faer's product",
        }
    }
}

impl Engine {
    /// As [`Engine::enqueue`], and waits; gives the seconds of each operation, in the order of the program. `None` on a
    /// GPU whose driver has no timestamps.
    ///
    /// # Errors
    /// As [`Engine::enqueue`].
    pub fn timed(
        &mut self,
        buffers: &BatchBuffers,
        batch: &Batch,
        program: &Program,
    ) -> Result<Option<Vec<f64>>, EngineError> {
        match (self, program) {
            (Self::Cpu(cpu), Program::Cpu(operations)) => {
                cpu.write(buffers, batch);
                let memory = &mut cpu.memory;
                let seconds = cpu.threads.install(|| {
                    let mut last = Instant::now();
                    let timed = operations.iter().map(|operation| {
                        operation.cpu(memory);
                        let now = Instant::now();
                        let seconds = (now - last).as_secs_f64();
                        last = now;
                        seconds
                    });
                    timed.collect()
                });
                Ok(Some(seconds))
            }
            (Self::Gpu(gpu), Program::Gpu(_, program)) => Ok(gpu.timed(&uploads(buffers, batch), program)?),
            _ => Err(EngineError::OtherBackend),
        }
    }

    /// Threads of the CPU backend; `None` on a GPU.
    pub fn threads(&self) -> Option<usize> {
        match self {
            Self::Cpu(cpu) => Some(cpu.threads.current_num_threads()),
            Self::Gpu(_) => None,
        }
    }

    /// Whether buffers lie in the machine's own memory: the CPU backend, and drivers that compute on the CPU.
    pub fn in_host_memory(&self) -> bool {
        match self {
            Self::Cpu(_) => true,
            Self::Gpu(gpu) => gpu.description().kind == crate::backend::gpu::Kind::Software,
        }
    }

    /// Threads that prepare batches: one where the steps need the processors themselves; beside a GPU half of them, at most
    /// eight.
    pub fn loader_threads(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        match self.in_host_memory() {
            true => 1,
            false => (processors / 2).clamp(1, 8),
        }
    }

    /// Seconds of one product of two n × n matrices on all threads of the CPU backend, in blocks of `rows` rows of the
    /// result a task; `None` on a GPU. `b` is as `gemm` takes it.
    pub fn square_product(&self, n: usize, rows: usize, gemm: Gemm, [a, b, out]: [&mut [f32]; 3]) -> Option<f64> {
        let Self::Cpu(cpu) = self else { return None };
        let (a, b) = (&*a, &*b);
        let begin = Instant::now();
        cpu.threads.install(|| {
            out.par_chunks_mut(rows * n).enumerate().for_each(|(block, out)| {
                let (first, count) = (block * rows, out.len() / n);
                let a = View::rows_of(a, first..first + count, n, n);
                match gemm {
                    Gemm::Rows => product(columns_of(out, n, n), Form::Plain, a, View::rows_of(b, 0..n, n, n)),
                    Gemm::Packed => product_packed(columns_of(out, n, n), a, b),
                    Gemm::Faer => {
                        let out = MatMut::from_column_major_slice_mut(out, n, count).transpose_mut();
                        let (a, b) = (
                            MatRef::from_row_major_slice(a.data, count, n),
                            MatRef::from_row_major_slice(b, n, n),
                        );
                        matmul(out, Accum::Replace, a, b, 1.0, Par::Seq);
                    }
                }
            });
        });
        Some(begin.elapsed().as_secs_f64())
    }

    /// Writes a named tensor row by row, on all threads: `fill(row, numbers)` must depend on the row alone. On the CPU
    /// every page is touched here for the first time, and no second copy exists.
    ///
    /// # Errors
    /// What the device reports.
    pub fn fill_region(&mut self, region: &Region, fill: impl Fn(usize, &mut [f32]) + Sync) -> Result<(), EngineError> {
        let (stride, cols) = (region.matrix.stride(), region.matrix.cols);
        let rows_of = |first: usize, padded: &mut [f32]| {
            padded
                .par_chunks_mut(stride)
                .with_min_len(256)
                .enumerate()
                .for_each(|(row, out)| fill(first + row, &mut out[..cols]));
        };
        for (buffer, within, tensor_rows) in region.pieces() {
            match self {
                Self::Cpu(cpu) => {
                    let padded = &mut cpu.memory.floats_mut(buffer)[within.start * stride..within.end * stride];
                    cpu.threads.install(|| rows_of(tensor_rows.start, padded));
                }
                Self::Gpu(_) => {
                    let step = (PIECE / stride).max(1);
                    for first in within.clone().step_by(step) {
                        let rows = step.min(within.end - first);
                        let mut padded = vec![0.0; rows * stride];
                        rows_of(tensor_rows.start + first - within.start, &mut padded);
                        self.write(buffer, first * stride, &padded)?;
                    }
                }
            }
        }
        Ok(())
    }
}
