//! The loss of a batch and its gradient with respect to the logits. Padded examples have gradient zero: everything behind
//! the loss is then exact for a short batch.

use super::encode::word;
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Gpu, GpuError, shaders};
use crate::backend::layout::{BATCH, SLOT};
use crate::backend::{Floats, Ints, Matrix};

/// Which loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Mean binary cross-entropy of the logit z and the label y: max(z, 0) − z·y + ln(1 + e^{−|z|}).
    Bce,
    /// Mean of (σ(z) − y)², DLRM's `--loss-function=mse`.
    Mse,
}

/// losses[counts[SLOT]] = mean loss; grad_logit = its gradient.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// Which loss
    pub kind: Kind,
    /// (4): the true batch size and the slot
    pub counts: Ints,
    /// (B, 1)
    pub logit: Matrix,
    /// (B)
    pub label: Floats,
    /// (B, 1), written
    pub grad_logit: Matrix,
    /// (slots), one number written
    pub losses: Floats,
}

impl Loss {
    /// The CPU twin of `forward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut grad_logit = memory.take(self.grad_logit.buffer);
        let count = memory.ints(self.counts)[BATCH] as usize;
        let slot = memory.ints(self.counts)[SLOT] as usize;
        let (logit, label) = (memory.floats(self.logit.buffer), memory.floats(self.label));
        let scale = T::one() / T::from_f64(count as f64);
        let stride = self.logit.stride();
        let mut sum = T::zero();
        grad_logit.fill(T::zero());
        for b in 0..count {
            let (loss, grad) = self.kind.of(logit[b * stride], label[b]);
            sum += loss;
            grad_logit[b * stride] = grad * scale;
        }
        memory.floats_mut(self.losses)[slot] = sum * scale;
        memory.put(self.grad_logit.buffer, grad_logit);
    }
}

impl Kind {
    /// Loss of one example and its derivative by the logit.
    fn of<T: Real>(self, logit: T, label: T) -> (T, T) {
        let small = Real::exp(-Real::abs(logit)); // e^{-|z|} ≤ 1: never overflows
        let denominator = T::one() + small;
        let probability = if logit >= T::zero() {
            T::one() / denominator
        } else {
            small / denominator
        };
        let error = probability - label;
        match self {
            Self::Bce => {
                let loss = Real::max(logit, T::zero()) - logit * label + small.ln_1p();
                (loss, error)
            }
            Self::Mse => {
                let slope = small / (denominator * denominator); // σ(1 − σ)
                (error * error, (error + error) * slope)
            }
        }
    }
}

impl Loss {
    /// The dispatch of `forward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        gpu.dispatch(&Call {
            shader: &shaders::LOSS,
            entry: "forward",
            constants: &[("MSE", f64::from(self.kind == Kind::Mse))],
            parameters: &[word(self.logit.rows)],
            buffers: &[
                (1, self.counts.into()),
                (2, self.logit.buffer.into()),
                (3, self.label.into()),
                (4, self.grad_logit.buffer.into()),
                (5, self.losses.into()),
            ],
            workgroups: [1, 1, 1],
        })
        .map(|made| vec![made])
    }
}
