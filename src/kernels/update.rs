//! The step of a dense parameter.

use super::encode::{items, word};
use crate::backend::Floats;
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Gpu, GpuError, Handle, shaders};
use rayon::prelude::*;

/// Elements that one task updates.
const ELEMENTS: usize = 16384;

/// Added to Adagrad's root, as PyTorch does.
pub const ADAGRAD_EPSILON: f64 = 1e-10;

/// How a dense parameter steps along its gradient g with rate η.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// p −= η·g
    Sgd,
    /// s += g²; p −= η·g / (√s + ε) (Duchi et al. 2011); `sum` has the parameter's layout
    Adagrad {
        /// s
        sum: Floats,
    },
}

/// One step of one dense parameter, padding included (zero stays zero).
#[derive(Debug, Clone, Copy)]
pub struct Update {
    /// The rule
    pub rule: Rule,
    /// (len), read and written
    pub parameter: Floats,
    /// (len)
    pub grad: Floats,
    /// Elements
    pub len: usize,
    /// (4), travels with the batch
    pub scalars: Floats,
    /// Which of the scalars is η
    pub rate: usize,
}

impl Update {
    /// The CPU twin of `sgd` and `adagrad`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let rate = memory.floats(self.scalars)[self.rate];
        let mut parameter = memory.take(self.parameter);
        match self.rule {
            Rule::Sgd => parameter
                .par_chunks_mut(ELEMENTS)
                .zip(memory.floats(self.grad).par_chunks(ELEMENTS))
                .for_each(|(parameter, grad)| {
                    for (p, &g) in parameter.iter_mut().zip(grad) {
                        *p -= rate * g;
                    }
                }),
            Rule::Adagrad { sum } => {
                let mut sums = memory.take(sum);
                let epsilon = T::from_f64(ADAGRAD_EPSILON);
                parameter
                    .par_chunks_mut(ELEMENTS)
                    .zip(sums.par_chunks_mut(ELEMENTS))
                    .zip(memory.floats(self.grad).par_chunks(ELEMENTS))
                    .for_each(|((parameter, sums), grad)| {
                        for ((p, s), &g) in parameter.iter_mut().zip(sums).zip(grad) {
                            *s += g * g;
                            *p -= rate * g / (Real::sqrt(*s) + epsilon);
                        }
                    });
                memory.put(sum, sums);
            }
        }
        memory.put(self.parameter, parameter);
    }
}

impl Update {
    /// The dispatch of `sgd` or `adagrad`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let len4 = self.len.div_ceil(4);
        let mut buffers: Vec<(u32, Handle)> = vec![
            (1, self.parameter.into()),
            (2, self.grad.into()),
            (3, self.scalars.into()),
        ];
        let entry = match self.rule {
            Rule::Sgd => "sgd",
            Rule::Adagrad { sum } => {
                buffers.push((4, sum.into()));
                "adagrad"
            }
        };
        gpu.dispatch(&Call {
            shader: &shaders::UPDATE,
            entry,
            constants: &[],
            parameters: &[len4, self.rate].map(word),
            buffers: &buffers,
            workgroups: items(len4),
        })
        .map(|made| vec![made])
    }
}
