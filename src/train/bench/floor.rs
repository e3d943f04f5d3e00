//! What the machine could do at best: the rate of a matrix product at the size that suits it most, measured between the steps,
//! in the same process, on the same threads. On the CPU the step's own product and faer's are tried, and the faster one counts:
//! a slow product must not make a low floor. It multiplies numbers that are not zero: a step that leaves out the terms of zeros
//! may take less than its floor.

use crate::backend::{Allocate, Matrix, stride};
use crate::kernels::Operation;
use crate::kernels::linear;
use crate::train::engine::timed::Gemm;
use crate::train::engine::{Engine, EngineError, Program};
use std::time::Instant;

/// Sides of the square products that are tried on the CPU.
const SIDES: [usize; 3] = [256, 512, 1024];
/// Rows of the result a task, on the CPU: one to a few tasks a thread.
const TASKS_A_THREAD: [usize; 3] = [1, 2, 8];
/// Products of one submission, on a GPU.
const BLOCK: u32 = 4;
/// Seconds of the product that one measurement takes, at least.
const SECONDS: f64 = 0.03;

/// The product that sets the floor.
pub struct Floor {
    /// Whose product, and the side of its square matrices.
    pub product: (&'static str, usize),
    work: Work,
}

enum Work {
    Cpu {
        gemm: Gemm,
        /// a, b, the result.
        buffers: [Vec<f32>; 3],
        /// Rows of the result a task.
        rows: usize,
    },
    Gpu(Program),
}

impl Floor {
    /// Finds the best product and size on this engine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn new(engine: &mut Engine) -> Result<Self, EngineError> {
        match engine.threads() {
            Some(threads) => Ok(engine.crew().run(|| Self::cpu(engine, threads))),
            None => Self::gpu(engine),
        }
    }

    fn cpu(engine: &mut Engine, threads: usize) -> Self {
        let mut best = (0.0, SIDES[0], SIDES[0], Gemm::Rows);
        for (side, gemm) in SIDES.into_iter().flat_map(|side| Gemm::ALL.map(|gemm| (side, gemm))) {
            let mut buffers = buffers(side, gemm);
            for tasks in TASKS_A_THREAD {
                let rows = side.div_ceil(threads * tasks);
                // The first one warms up: pages, caches, threads.
                let rate = (0..4).filter_map(|_| {
                    let [a, b, out] = &mut buffers;
                    Some(flops(side) / engine.square_product(side, rows, gemm, [a, b, out])?)
                });
                let rate = rate.fold(0.0, f64::max);
                if rate > best.0 {
                    best = (rate, side, rows, gemm);
                }
            }
        }
        let (_, side, rows, gemm) = best;
        let buffers = buffers(side, gemm);
        Self {
            product: (gemm.name(), side),
            work: Work::Cpu { gemm, buffers, rows },
        }
    }

    fn gpu(engine: &mut Engine) -> Result<Self, EngineError> {
        // A driver that computes on the CPU would take seconds for the larger one.
        let side = if engine.in_host_memory() { 1024 } else { 2048 };
        let mut matrix = || -> Result<Matrix, EngineError> {
            Ok(Matrix {
                buffer: engine.allocate_floats(side * stride(side))?,
                rows: side,
                cols: side,
            })
        };
        let (x, weight, y) = (matrix()?, matrix()?, matrix()?);
        let bias = engine.allocate_floats(side)?;
        for of in [x, weight] {
            for row in 0..side {
                engine.write(of.buffer, row * side, &numbers(side))?;
            }
        }
        let product = Operation::LinearForward(linear::Forward {
            x,
            weight,
            bias,
            y,
            relu: false,
        });
        let program = engine.compile(vec![product])?;
        let mut floor = Self {
            product: ("the product shader", side),
            work: Work::Gpu(program),
        };
        floor.rate(engine)?;
        Ok(floor)
    }

    /// FLOP/s now, over at least a few hundredths of a second.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn rate(&mut self, engine: &mut Engine) -> Result<f64, EngineError> {
        engine.crew().run(|| self.rate_here(engine))
    }

    fn rate_here(&mut self, engine: &mut Engine) -> Result<f64, EngineError> {
        let (_, side) = self.product;
        let (mut products, mut seconds) = (0u32, 0.0);
        while seconds < SECONDS {
            match &mut self.work {
                Work::Cpu { gemm, buffers, rows } => {
                    let [a, b, out] = buffers;
                    seconds += engine
                        .square_product(side, *rows, *gemm, [a, b, out])
                        .unwrap_or(SECONDS);
                    products += 1;
                }
                Work::Gpu(program) => {
                    engine.finish()?;
                    let begin = Instant::now();
                    for _ in 0..BLOCK {
                        engine.run(program)?;
                    }
                    engine.finish()?;
                    seconds += begin.elapsed().as_secs_f64();
                    products += BLOCK;
                }
            }
        }
        Ok(f64::from(products) * flops(side) / seconds)
    }
}

fn flops(side: usize) -> f64 {
    2.0 * (side as f64).powi(3)
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i % 7) as f32 * 0.1 - 0.3).collect()
}

fn buffers(side: usize, gemm: Gemm) -> [Vec<f32>; 3] {
    let all = side * side;
    [numbers(all), gemm.right(&numbers(all), side), vec![0.0; all]]
}
