//! One step of a DLRM with deep linear embeddings, written once for every backend.

use super::network::{BatchBuffers, Network, Value};
use super::parameters::Parameters;
use crate::backend::{Allocate, Floats, Matrix};
use crate::kernels::Operation;
use crate::model::Architecture;
use crate::model::config::Loss;

/// The operations of a step and the buffers they meet the host in.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where a batch is written.
    pub batch: BatchBuffers,
    /// What runs, in order.
    pub operations: Vec<Operation>,
    /// (B, 1): the logits.
    pub logit: Matrix,
    /// (capacity, d): ∂loss/∂(W1·W2⋯WN) on the batch's unique rows, there until the next step; when training.
    pub grad_rows: Option<Matrix>,
    /// (slots): the mean loss of a batch goes to `losses[counts[SLOT]]`.
    pub losses: Floats,
}

/// The model of the paper (Ghaemmaghami et al. 2020, section 2, in the DLRM of Naumov et al. 2019):
///
/// ```text
/// dense  (B, M) ── bottom MLP ─────────────────────────────── v₀ (B, d) ──┐
/// sparse (B, F) ── W1[unique rows] (U, k) ─ ·W2⋯WN (U, d) ─ Σ v₁… (B, F, d) ┴ ⟨vᵢ, vⱼ⟩ ── top MLP ── logit (B, 1)
/// ```
///
/// With `train: Some(loss)` the backward pass and the parameters' steps follow; with `None` only the forward pass runs.
pub fn build<A: Allocate>(
    architecture: &Architecture,
    parameters: &Parameters,
    batch_size: usize,
    train: Option<Loss>,
    memory: &mut A,
) -> Result<Step, A::Error> {
    let mut network = Network::new(memory, train.is_some());
    let batch = network.batch(architecture, parameters, batch_size)?;

    let dense = Value {
        value: batch.dense,
        grad: None,
        relu: false,
    };
    let bottom = network.mlp(&batch, dense, &parameters.bottom, true)?;

    // W1·W2⋯WN, only for the rows that the batch uses, each once.
    let mut rows = network.gather(&batch, parameters)?;
    for factor in &parameters.factors {
        rows = network.factor(&batch, rows, factor)?;
    }
    let pooled = network.pool(&batch, rows)?;

    let features = network.interaction(architecture.interaction, bottom, pooled, architecture.top_mlp[0])?;
    let logit = network.mlp(&batch, features, &parameters.top, false)?;
    let losses = network.loss(&batch, train.unwrap_or(Loss::Bce), logit)?;

    let mut operations = std::mem::take(&mut network.forward);
    operations.extend(network.into_backward());
    Ok(Step {
        batch,
        operations,
        logit: logit.value,
        grad_rows: rows.grad,
        losses,
    })
}
