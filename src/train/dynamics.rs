//! How the leading singular values of a table move in a training step, and how they were predicted to (theory, E5 and Eq. 6).
//!
//! Everything is read from the run as it goes, before and after a step that is taken anyway: the run itself stays the same to
//! the last bit.

pub mod checkpoint;

use super::engine::{Engine, EngineError};
use super::error::TrainError;
use super::state::Model;
use crate::backend::Matrix as Buffer;
use crate::data::loader::Batch;
use crate::model::Config;
use crate::model::architecture::{Architecture, factor_name};
use crate::spectrum;
use crate::spectrum::table::Factor;
use crate::theory::Matrix;
use crate::theory::velocity::{Gradient, Velocity, VelocityError, velocities};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Tables that are looked at where no feature is named.
const LARGEST: usize = 3;

/// A line of `metrics.jsonl` about one feature's singular values in one step; the lists have an entry a singular value, the
/// greatest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dynamics {
    /// Steps done, the one looked at included.
    pub step: u64,
    /// The feature.
    pub feature: String,
    /// η of the tables in this step.
    pub learning_rate: f64,
    /// σ before the step.
    pub sigma: Vec<f64>,
    /// The distance of each to the nearest other one or to 0: a prediction is good where the step is small beside it.
    pub gap: Vec<f64>,
    /// η·σ̇ by E5; null where σ is multiple or zero, and so has no velocity.
    pub predicted: Vec<Option<f64>>,
    /// η·σ̇ by Eq. 6 of the paper, which is right where the factors are balanced.
    pub predicted_balanced: Vec<Option<f64>>,
    /// σ after the step less σ before it.
    pub actual: Vec<f64>,
}

/// Who is looked at, and when.
pub(super) struct Monitor {
    every: u64,
    values: usize,
    /// Indices of the tables.
    tables: Vec<usize>,
    /// Where a step leaves the gradient of the batch's rows.
    grad_rows: Buffer,
}

/// A monitored table's factors as they were before a step.
pub(super) struct Before {
    table: usize,
    factors: Vec<Factor>,
}

impl Monitor {
    /// The monitor that the configuration asks for, if any; `grad_rows` is the training step's.
    pub(super) fn new(
        config: &Config,
        architecture: &Architecture,
        grad_rows: Option<Buffer>,
    ) -> Result<Option<Self>, TrainError> {
        let training = &config.training;
        let Some(grad_rows) = grad_rows.filter(|_| training.monitor_dynamics > 0) else {
            return Ok(None);
        };
        Ok(Some(Self {
            grad_rows,
            every: training.monitor_dynamics,
            values: training.monitor_values,
            tables: tables(&training.monitor_features, architecture)?,
        }))
    }

    /// Whether the step that makes `done` steps is looked at.
    pub(super) fn due(&self, done: u64) -> bool {
        done.is_multiple_of(self.every)
    }

    /// Reads the factors before a step.
    pub(super) fn before(&self, engine: &mut Engine, model: &Model) -> Result<Vec<Before>, EngineError> {
        let read = |&table: &usize| {
            let factors = factors_of(engine, model, table)?;
            Ok(Before { table, factors })
        };
        self.tables.iter().map(read).collect()
    }

    /// What the step did to the singular values, beside what was to be expected; a line a feature.
    pub(super) fn after(
        &self,
        before: Vec<Before>,
        engine: &mut Engine,
        model: &Model,
        batch: &Batch,
        done: u64,
    ) -> Result<Vec<Dynamics>, TrainError> {
        let mut lines = Vec::new();
        for Before { table, factors } in before {
            let feature = model.architecture.tables[table].feature.clone();
            let because = |source: VelocityError| TrainError::Dynamics {
                feature: feature.clone(),
                step: done,
                source,
            };
            let gradient = gradient_of(engine, model, self.grad_rows, batch, table)?;
            let found = velocities(&factors, &gradient, self.values).map_err(because)?;
            drop(factors); // a large table is held once, not twice
            let after = factors_of(engine, model, table)?;
            let after = spectrum::leading(&after, self.values).map_err(|error| because(error.into()))?;
            let learning_rate = f64::from(batch.scalars[super::network::TABLE_RATE]);
            lines.push(line(done, feature, learning_rate, &found, &after.sigma));
        }
        Ok(lines)
    }
}

fn line(step: u64, feature: String, learning_rate: f64, found: &[Velocity], after: &[f64]) -> Dynamics {
    let predicted = |of: fn(&Velocity) -> Option<f64>| -> Vec<Option<f64>> {
        found
            .iter()
            .map(|velocity| Some(learning_rate * of(velocity)?))
            .collect()
    };
    Dynamics {
        step,
        feature,
        learning_rate,
        sigma: found.iter().map(|velocity| velocity.sigma).collect(),
        gap: found.iter().map(|velocity| velocity.gap).collect(),
        predicted: predicted(|velocity| velocity.general),
        predicted_balanced: predicted(|velocity| velocity.balanced),
        actual: after
            .iter()
            .zip(found)
            .map(|(after, before)| after - before.sigma)
            .collect(),
    }
}

/// The tables of the features named, or the largest, in the order of the tables.
fn tables(features: &[String], architecture: &Architecture) -> Result<Vec<usize>, TrainError> {
    let all = &architecture.tables;
    let mut tables: Vec<usize> = (0..all.len()).collect();
    if features.is_empty() {
        tables.sort_by_key(|&t| std::cmp::Reverse(all[t].num_embeddings)); // stable: the first of equal ones
        tables.truncate(LARGEST);
    } else {
        let unknown = |name: &&String| !all.iter().any(|table| table.feature == **name);
        if let Some(feature) = features.iter().find(unknown) {
            let known: Vec<&str> = all.iter().map(|table| table.feature.as_str()).collect();
            return Err(TrainError::NoFeature {
                feature: feature.clone(),
                known: known.join(", "),
            });
        }
        tables.retain(|&t| features.contains(&all[t].feature));
    }
    tables.sort_unstable();
    Ok(tables)
}

/// Table `t`'s factors as they are now, in the order of the product, under their checkpoint's names.
///
/// # Errors
/// [`EngineError`] of the device.
pub fn factors_of(engine: &mut Engine, model: &Model, t: usize) -> Result<Vec<Factor>, EngineError> {
    let feature = &model.architecture.tables[t].feature;
    let shapes = model.architecture.factor_shapes(t);
    let mut factors = Vec::with_capacity(shapes.len());
    for (j, [rows, cols]) in shapes.into_iter().enumerate() {
        let name = factor_name(feature, j);
        let Some(named) = model.parameters.named.iter().find(|named| named.name == name) else {
            unreachable!("every factor is a named parameter");
        };
        let values = engine.read_region(&named.region)?;
        let Ok(values) = Array2::from_shape_vec((rows, cols), values) else {
            unreachable!("a region has its tensor's shape");
        };
        factors.push(Factor::f32(name, values));
    }
    Ok(factors)
}

/// The rows of ∂loss/∂(W₁⋯W_N) of table `t` in the step that was just taken on `batch`: one for each row the batch uses.
/// `grad` is the step's `grad_rows`.
///
/// # Errors
/// [`EngineError`] of the device.
pub fn gradient_of(
    engine: &mut Engine,
    model: &Model,
    grad: Buffer,
    batch: &Batch,
    t: usize,
) -> Result<Gradient, EngineError> {
    let unique = batch.table_start[t] as usize..batch.table_start[t + 1] as usize;
    let first = model.parameters.base[t];
    let rows: Vec<usize> = batch.unique_rows[unique.clone()]
        .iter()
        .map(|&row| row as usize - first)
        .collect();
    let d = model.architecture.embedding_dim;
    let stride = grad.stride();
    let padded = engine.read(grad.buffer, unique.start * stride..unique.end * stride)?;
    let values = Matrix::from_fn(rows.len(), d, |i, j| f64::from(padded[i * stride + j]));
    Ok(Gradient { rows, values })
}
