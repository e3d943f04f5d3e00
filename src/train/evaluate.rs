//! The forward pass over a split, and what it is worth.

use super::engine::{Engine, Program};
use super::error::TrainError;
use super::metrics::{self, Bucket, Quality};
use super::network::BatchBuffers;
use super::parameters::Parameters;
use super::step;
use crate::backend::Matrix;
use crate::data::dataset::Dataset;
use crate::data::examples::Examples;
use crate::data::loader::{Batch, RowLayout, Scratch};
use crate::data::schema::Split;
use crate::model::Architecture;
use serde::{Deserialize, Serialize};

/// Examples of one forward pass.
pub(super) const BATCH_SIZE: usize = 1024;

/// Measures of a model on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Over all examples.
    #[serde(flatten)]
    pub quality: Quality,
    /// By how often the example's rarest category was seen in training.
    pub by_frequency: Vec<Bucket>,
}

/// A forward pass made ready, over the parameters of a model.
pub struct Evaluator {
    buffers: BatchBuffers,
    logit: Matrix,
    program: Program,
    layout: RowLayout,
    batch: Batch,
    scratch: Scratch,
    /// Uses of each row in the training split, a list a table.
    frequencies: Vec<Vec<u64>>,
}

impl Evaluator {
    /// Builds the forward pass.
    pub fn new(
        architecture: &Architecture,
        parameters: &Parameters,
        dataset: &Dataset,
        engine: &mut Engine,
    ) -> Result<Self, TrainError> {
        let step = step::build(architecture, parameters, BATCH_SIZE, None, engine)?;
        let program = engine.compile(step.operations)?;
        let layout = parameters.row_layout();
        let batch = Batch::new(
            BATCH_SIZE,
            architecture.num_dense_features,
            &layout,
            step.batch.sparse.capacity,
        );
        let frequencies = architecture
            .tables
            .iter()
            .map(|table| dataset.frequencies(&table.feature));
        Ok(Self {
            program,
            layout,
            scratch: batch.scratch(),
            batch,
            frequencies: frequencies.collect::<Result<_, _>>()?,
            buffers: step.batch,
            logit: step.logit,
        })
    }

    /// Measures the model on a split of the data set.
    pub fn split(&mut self, dataset: &Dataset, split: Split, engine: &mut Engine) -> Result<Evaluation, TrainError> {
        let examples = dataset.split(split)?;
        let logits = self.logits(&examples, engine)?;
        let labels: Vec<f32> = (0..examples.len()).map(|row| examples.label(row)).collect();
        let rarest: Vec<u64> = (0..examples.len()).map(|row| self.rarest(&examples, row)).collect();
        Ok(Evaluation {
            quality: metrics::quality(&logits, &labels),
            by_frequency: metrics::by_frequency(&logits, &labels, &rarest),
        })
    }

    /// The logit of every example.
    pub fn logits(&mut self, examples: &Examples, engine: &mut Engine) -> Result<Vec<f32>, TrainError> {
        let stride = self.logit.stride();
        let mut logits = Vec::with_capacity(examples.len());
        for first in (0..examples.len()).step_by(BATCH_SIZE) {
            let rows = first..(first + BATCH_SIZE).min(examples.len());
            let count = rows.len();
            self.batch.fill_with(examples, rows, &self.layout, &mut self.scratch)?;
            engine.enqueue(&self.buffers, &self.batch, &self.program)?;
            let padded = engine.read(self.logit.buffer, 0..count * stride)?;
            logits.extend(padded.iter().step_by(stride));
        }
        Ok(logits)
    }

    /// How often the example's rarest category was seen in training; an example without any category counts as never.
    fn rarest(&self, examples: &Examples, row: usize) -> u64 {
        let counts = self.frequencies.iter().enumerate().flat_map(|(feature, frequencies)| {
            let bag = examples.bag(row, feature);
            bag.iter().map(|&row| frequencies[row as usize])
        });
        counts.min().unwrap_or(0)
    }
}
