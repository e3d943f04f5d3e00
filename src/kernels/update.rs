//! The step of a dense parameter.

use crate::backend::Floats;
use crate::backend::cpu::{Memory, Real};
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
