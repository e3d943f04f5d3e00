//! How a parameter steps along its gradient: what every product that ends in a parameter ends with
//! (shaders/common/step.wgsl).

use crate::backend::Floats;
use crate::backend::cpu::{Memory, Real};
use crate::backend::numbers::Numbers;
use pulp::Arch;

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

impl Rule {
    /// The entry point of a shader that has one a rule.
    pub(super) fn entry(self, sgd: &'static str, adagrad: &'static str) -> &'static str {
        match self {
            Self::Sgd => sgd,
            Self::Adagrad { .. } => adagrad,
        }
    }

    /// Adagrad's s.
    pub(super) fn sum(self) -> Option<Floats> {
        match self {
            Self::Sgd => None,
            Self::Adagrad { sum } => Some(sum),
        }
    }

    /// Takes s out of the memory; empty where there is none. [`Rule::put_sum`] brings it back.
    pub(super) fn take_sum<T: Real>(self, memory: &mut Memory<T>) -> Numbers<T> {
        self.sum().map(|sum| memory.take(sum)).unwrap_or_default()
    }

    /// Brings back what [`Rule::take_sum`] took.
    pub(super) fn put_sum<T: Real>(self, memory: &mut Memory<T>, sum: Numbers<T>) {
        if let Some(handle) = self.sum() {
            memory.put(handle, sum);
        }
    }
}

/// p −= η·g.
pub(super) fn sgd<T: Real>(parameter: &mut [T], grad: &[T], rate: T) {
    Arch::new().dispatch(|| {
        for (p, &g) in parameter.iter_mut().zip(grad) {
            *p -= rate * g;
        }
    });
}

/// s += g²; p −= η·g / (√s + ε).
pub(super) fn adagrad<T: Real>(parameter: &mut [T], sums: &mut [T], grad: &[T], rate: T) {
    let epsilon = T::from_f64(ADAGRAD_EPSILON);
    Arch::new().dispatch(|| {
        for ((p, s), &g) in parameter.iter_mut().zip(sums).zip(grad) {
            *s += g * g;
            *p -= rate * g / (Real::sqrt(*s) + epsilon);
        }
    });
}

/// A parameter's step by either rule: Adagrad's where there are sums.
pub(super) fn step<T: Real>(parameter: &mut [T], sums: &mut [T], grad: &[T], rate: T) {
    match sums {
        [] => sgd(parameter, grad, rate),
        sums => adagrad(parameter, sums, grad, rate),
    }
}
