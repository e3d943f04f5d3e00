//! One operation a file: what it computes, its CPU code, its GPU encoding. `shaders/<stem>.wgsl` holds the entry points
//! of `<stem>.rs`. Operations know slices and sizes only, never what a model is.

use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Dispatch, Gpu, GpuError, Program};

pub mod concat;
pub mod cost;
pub mod embedding;
mod encode;
pub mod factor;
pub mod gather;
pub mod gram;
pub mod interaction;
pub mod linear;
pub mod loss;
pub mod pool;
pub mod rule;
pub mod update_rows;

/// Every operation a step is made of.
#[derive(Debug, Clone)]
pub enum Operation {
    /// y = act(x·wᵀ + b)
    LinearForward(linear::Forward),
    /// grad_x = grad_y·w, through the ReLU that x came out of
    LinearBackwardInput(linear::BackwardInput),
    /// The step along grad_w = grad_yᵀ·x, grad_b = Σ grad_y
    LinearBackwardWeight(linear::BackwardWeight),
    /// The unique rows of the tables
    GatherForward(gather::Forward),
    /// y = x·W of the row's table
    FactorForward(factor::Forward),
    /// grad_x = grad_y·Wᵀ of the row's table
    FactorBackwardInput(factor::BackwardInput),
    /// The step along grad_W of each table
    FactorBackwardWeight(factor::BackwardWeight),
    /// A gather and a factor in one
    EmbeddingForward(embedding::Forward),
    /// A factor's backward pass and the step of the rows in one
    EmbeddingBackward(Box<embedding::Backward>),
    /// Sums of bags
    PoolForward(pool::Forward),
    /// Sums over the uses of a row
    PoolBackward(pool::Backward),
    /// Dot products of the feature vectors
    InteractionForward(interaction::Forward),
    /// Its gradient
    InteractionBackward(interaction::Backward),
    /// The feature vectors side by side
    ConcatForward(concat::Forward),
    /// Its gradient
    ConcatBackward(concat::Backward),
    /// Loss and gradient of the logit
    Loss(loss::Loss),
    /// A step of the touched rows
    UpdateRows(update_rows::UpdateRows),
    /// The Gram matrix of a table
    Gram(gram::Gram),
}

impl Operation {
    /// Runs the operation on the CPU.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        match self {
            Self::LinearForward(op) => op.cpu(memory),
            Self::LinearBackwardInput(op) => op.cpu(memory),
            Self::LinearBackwardWeight(op) => op.cpu(memory),
            Self::GatherForward(op) => op.cpu(memory),
            Self::FactorForward(op) => op.cpu(memory),
            Self::FactorBackwardInput(op) => op.cpu(memory),
            Self::FactorBackwardWeight(op) => op.cpu(memory),
            Self::EmbeddingForward(op) => op.cpu(memory),
            Self::EmbeddingBackward(op) => op.cpu(memory),
            Self::PoolForward(op) => op.cpu(memory),
            Self::PoolBackward(op) => op.cpu(memory),
            Self::InteractionForward(op) => op.cpu(memory),
            Self::InteractionBackward(op) => op.cpu(memory),
            Self::ConcatForward(op) => op.cpu(memory),
            Self::ConcatBackward(op) => op.cpu(memory),
            Self::Loss(op) => op.cpu(memory),
            Self::UpdateRows(op) => op.cpu(memory),
            Self::Gram(op) => op.cpu(memory),
        }
    }

    /// The operation's dispatches on a GPU, to be made once and replayed.
    ///
    /// # Errors
    /// A shader that the driver rejects, or a handle that is not this device's.
    pub fn gpu(&self, gpu: &mut Gpu) -> Result<Vec<Dispatch>, GpuError> {
        match self {
            Self::LinearForward(op) => op.gpu(gpu),
            Self::LinearBackwardInput(op) => op.gpu(gpu),
            Self::LinearBackwardWeight(op) => op.gpu(gpu),
            Self::GatherForward(op) => op.gpu(gpu),
            Self::FactorForward(op) => op.gpu(gpu),
            Self::FactorBackwardInput(op) => op.gpu(gpu),
            Self::FactorBackwardWeight(op) => op.gpu(gpu),
            Self::EmbeddingForward(op) => op.gpu(gpu),
            Self::EmbeddingBackward(op) => op.gpu(gpu),
            Self::PoolForward(op) => op.gpu(gpu),
            Self::PoolBackward(op) => op.gpu(gpu),
            Self::InteractionForward(op) => op.gpu(gpu),
            Self::InteractionBackward(op) => op.gpu(gpu),
            Self::ConcatForward(op) => op.gpu(gpu),
            Self::ConcatBackward(op) => op.gpu(gpu),
            Self::Loss(op) => op.gpu(gpu),
            Self::UpdateRows(op) => op.gpu(gpu),
            Self::Gram(op) => op.gpu(gpu),
        }
    }
}

/// A list of operations as a program for a GPU.
///
/// # Errors
/// As [`Operation::gpu`].
pub fn program(gpu: &mut Gpu, operations: &[Operation]) -> Result<Program, GpuError> {
    let mut program = Program::default();
    for operation in operations {
        let dispatches = operation.gpu(gpu)?;
        program.operations.push(dispatches.len());
        program.dispatches.extend(dispatches);
    }
    Ok(program)
}

fn dispatches(gpu: &mut Gpu, operations: &[Operation]) -> Result<Vec<Dispatch>, GpuError> {
    Ok(program(gpu, operations)?.dispatches)
}
