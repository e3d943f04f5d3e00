//! A model in a backend's memory: started from the seed, loaded from a checkpoint, written to one.

use super::collapse::{end_to_end, read_factors};
use super::engine::{Engine, EngineError};
use super::error::TrainError;
use super::initialize::{TableInitial, mlp_bias, mlp_weight};
use super::parameters::{Named, Parameters};
use crate::data::dataset::Dataset;
use crate::data::loader::Batch;
use crate::data::schema::Schema;
use crate::model::architecture::{TableShape, collapsed_name, factor_name};
use crate::model::checkpoint::{self, Checkpoint, CheckpointError, Metadata, Tensor};
use crate::model::config::Training;
use crate::model::{Architecture, Config};
use ndarray::Array2;
use std::cell::RefCell;
use std::path::Path;

/// A model in a backend's memory.
pub struct Model {
    /// Its shapes.
    pub architecture: Architecture,
    /// Where its numbers lie.
    pub parameters: Parameters,
}

/// The network of a configuration over a data set.
pub fn architecture(config: &Config, schema: &Schema) -> Architecture {
    let tables = schema.categorical.iter().map(|feature| TableShape {
        feature: feature.name.clone(),
        num_embeddings: feature.num_embeddings,
        max_bag: feature.max_bag,
    });
    // Without dense features the bottom MLP has one input that is always zero: it then only learns its biases.
    Architecture::new(config, schema.dense.len().max(1), tables.collect())
}

/// The network of a configuration over a data set, if it can be trained.
pub(super) fn checked(config: &Config, schema: &Schema) -> Result<Architecture, TrainError> {
    let architecture = architecture(config, schema);
    check(config, &architecture)?;
    Ok(architecture)
}

/// Refuses what the loader's 32-bit numbers cannot count, and data without a table.
fn check(config: &Config, architecture: &Architecture) -> Result<(), TrainError> {
    if architecture.tables.is_empty() {
        return Err(TrainError::NoTables(config.data.clone()));
    }
    let entries: usize = architecture.tables.iter().map(|table| table.max_bag).sum();
    let batch_entries = (config.training.batch_size as u64).saturating_mul(entries as u64);
    let rows = architecture.total_rows() as u64;
    let sizes = [
        (
            "the number of rows of all tables",
            rows,
            "prepare it with --min-count or --max-rows-per-table",
        ),
        (
            "the number of categories in a batch",
            batch_entries,
            "choose a smaller --batch-size",
        ),
    ];
    for (what, size, remedy) in sizes {
        if size > u64::from(u32::MAX) {
            let data = config.data.clone();
            return Err(TrainError::TooLarge {
                data,
                what,
                size,
                remedy,
            });
        }
    }
    Ok(())
}

impl Model {
    fn allocate(config: &Config, dataset: &Dataset, engine: &mut Engine) -> Result<Self, TrainError> {
        let architecture = checked(config, &dataset.schema)?;
        let parameters = Parameters::allocate(&architecture, &config.optimizer, engine)?;
        Ok(Self {
            architecture,
            parameters,
        })
    }

    /// The model as the seed starts it.
    pub fn initial(config: &Config, dataset: &Dataset, engine: &mut Engine) -> Result<Self, TrainError> {
        let model = Self::allocate(config, dataset, engine)?;
        let depth = model.architecture.factor_widths.len();
        let (mlps, factors) = {
            let tables = model.architecture.tables.len() * depth;
            model.parameters.named.split_at(model.parameters.named.len() - tables)
        };
        for named in mlps {
            let values = match named.shape[..] {
                [outputs, inputs] => mlp_weight(config.seed, &named.name, [outputs, inputs]),
                _ => mlp_bias(config.seed, &named.name, named.shape[0]),
            };
            write_array(engine, named, &values)?;
        }
        // The first factors of all tables come first, then the second factors of all, ….
        let num_tables = model.architecture.tables.len();
        for (t, table) in model.architecture.tables.iter().enumerate() {
            let initial = TableInitial::new(config, &table.feature, table.num_embeddings).map_err(|source| {
                let feature = table.feature.clone();
                TrainError::Initialize { feature, source }
            })?;
            engine.write_region::<EngineError>(&factors[t].region, |rows, out| {
                initial.first_rows(rows, out);
                Ok(())
            })?;
            for (j, values) in initial.further.iter().enumerate() {
                write_array(engine, &factors[(j + 1) * num_tables + t], values)?;
            }
        }
        Ok(model)
    }

    /// The model of a checkpoint, with the optimiser's sums where it has them. A collapsed model has one table a
    /// feature; where a compressed one has factors, of whatever inner dimension, they are multiplied here.
    pub fn load(
        config: &Config,
        dataset: &Dataset,
        checkpoint: &Checkpoint,
        engine: &mut Engine,
    ) -> Result<Self, TrainError> {
        let model = Self::allocate(config, dataset, engine)?;
        let collapsed = checkpoint.metadata()?.collapsed;
        for named in &model.parameters.named {
            let table = named
                .name
                .strip_suffix(".factor.1")
                .and_then(|name| name.strip_prefix("embedding."));
            let values = match table {
                Some(feature) if collapsed => collapsed_table(checkpoint, feature, &named.shape)?,
                _ => checkpoint.read(&named.name, &named.shape)?,
            };
            write_values(engine, named, &values)?;
        }
        if !collapsed {
            for named in &model.parameters.sums {
                let values = checkpoint.read(&named.name, &named.shape)?;
                write_values(engine, named, &values)?;
            }
        }
        Ok(model)
    }

    /// An empty batch for this model.
    pub fn empty_batch(&self, batch_size: usize, capacity: usize) -> Batch {
        let num_dense = self.architecture.num_dense_features;
        Batch::new(batch_size, num_dense, &self.parameters.row_layout(), capacity)
    }

    /// Writes the whole state after `step` steps.
    pub fn write(
        &self,
        config: &Config,
        dataset: &Dataset,
        engine: &mut Engine,
        step: u64,
        path: &Path,
    ) -> Result<(), TrainError> {
        let features = self.architecture.tables.iter().map(|table| table.feature.clone());
        let metadata = Metadata {
            config: checkpoint_config(config),
            step,
            data_sha256: dataset.schema.source.sha256.clone(),
            features: features.collect(),
            collapsed: false,
        };
        let engine = RefCell::new(engine); // tensors are fetched one by one, while the file is written
        let tensors = self
            .parameters
            .named
            .iter()
            .chain(&self.parameters.sums)
            .map(|named| Tensor::<TrainError> {
                name: named.name.clone(),
                shape: named.shape.clone(),
                values: Box::new(|| Ok(engine.borrow_mut().read_region(&named.region)?)),
            });
        checkpoint::write(path, &metadata, tensors.collect())
    }
}

/// A collapsed model's table: `embedding.<feature>.weight`, or the product of its factors, in f64 and rounded once.
fn collapsed_table(checkpoint: &Checkpoint, feature: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
    let name = collapsed_name(feature);
    if checkpoint.contains(&name) || !checkpoint.contains(&factor_name(feature, 0)) {
        return checkpoint.read(&name, shape);
    }
    let table = end_to_end(&read_factors(checkpoint, feature)?);
    if table.shape() != shape {
        return Err(CheckpointError::Tensor {
            path: checkpoint.path().into(),
            tensor: factor_name(feature, 0),
            message: format!("the product of the factors is {:?}, expected {shape:?}", table.shape()),
        });
    }
    Ok(table.into_raw_vec_and_offset().0)
}

/// The part of the configuration that decides the numbers: where it was computed, where the data lay and what was looked at on
/// the way must not change the checkpoint's bytes.
fn checkpoint_config(config: &Config) -> Config {
    let mut config = config.clone();
    (config.data, config.device, config.threads) = (Default::default(), "auto".into(), 0);
    let unwatched = Training::default();
    config.training.monitor_dynamics = unwatched.monitor_dynamics;
    config.training.spectrum_every = unwatched.spectrum_every;
    config.training.monitor_features = unwatched.monitor_features;
    config.training.monitor_values = unwatched.monitor_values;
    config
}

fn write_array(engine: &mut Engine, named: &Named, values: &Array2<f32>) -> Result<(), EngineError> {
    let dense: Vec<f32> = values.iter().copied().collect();
    write_values(engine, named, &dense)
}

fn write_values(engine: &mut Engine, named: &Named, values: &[f32]) -> Result<(), EngineError> {
    let cols = named.region.matrix.cols;
    engine.write_region(&named.region, |rows, out| {
        out.copy_from_slice(&values[rows.start * cols..rows.end * cols]);
        Ok(())
    })
}
