//! What is stored beside a planted data set: `teacher.safetensors` and `teacher.toml`.

use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Serialize;

use super::super::schema::{Schema, Split};
use super::super::source::SourceError;
use super::super::vocabulary::{Vocabulary, file_name};
use super::teacher::{Layer, Teacher};
use super::{Attainable, PlantedConfig};

/// The content of `teacher.toml`.
#[derive(Debug, Serialize)]
struct TeacherFile<'a> {
    settings: &'a PlantedConfig,
    train: SplitRecord,
    validation: SplitRecord,
    test: SplitRecord,
    table: Vec<TableRecord<'a>>,
}

/// What can be attained on a split, in nats.
#[derive(Debug, Serialize)]
struct SplitRecord {
    bayes_log_loss: f64,
    teacher_log_loss: f64,
    base_rate_log_loss: f64,
}

/// One table of the teacher.
#[derive(Debug, Serialize)]
struct TableRecord<'a> {
    name: &'a str,
    /// Categories that were drawn from.
    drawn_from: usize,
    /// Categories that occur: rows of the stored table.
    num_embeddings: usize,
    rank: usize,
    /// Of the table with all its rows.
    singular_values: &'a [f64],
}

impl From<&Attainable> for SplitRecord {
    fn from(attainable: &Attainable) -> Self {
        Self {
            bayes_log_loss: attainable.bayes_log_loss(),
            teacher_log_loss: attainable.teacher_log_loss(),
            base_rate_log_loss: attainable.base_rate_log_loss(),
        }
    }
}

fn other(what: &Path) -> impl Fn(String) -> SourceError + '_ {
    move |message| SourceError::Other(format!("{}: {message}", what.display()))
}

/// The settings as TOML.
pub(super) fn settings(config: &PlantedConfig) -> Result<String, SourceError> {
    toml::to_string(config).map_err(|error| SourceError::Other(format!("settings of the planted data: {error}")))
}

/// Writes both files.
pub(super) fn write(
    directory: &Path,
    schema: &Schema,
    config: &PlantedConfig,
    teacher: &Teacher,
    attainable: &[Attainable; 3],
) -> Result<(), SourceError> {
    let tables = (0..teacher.tables.len())
        .map(|at| seen_rows(directory, schema, teacher, at))
        .collect::<Result<Vec<_>, _>>()?;
    write_tensors(&directory.join("teacher.safetensors"), schema, config, teacher, &tables)?;
    let split = |split: Split| SplitRecord::from(&attainable[split as usize]);
    let content = TeacherFile {
        settings: config,
        train: split(Split::Train),
        validation: split(Split::Validation),
        test: split(Split::Test),
        table: table_records(schema, config, teacher),
    };
    let path = directory.join("teacher.toml");
    let text = toml::to_string(&content).map_err(|error| other(&path)(error.to_string()))?;
    std::fs::write(&path, text).map_err(|error| other(&path)(error.to_string()))
}

fn table_records<'a>(schema: &'a Schema, config: &PlantedConfig, teacher: &'a Teacher) -> Vec<TableRecord<'a>> {
    let features = schema.categorical.iter().zip(&config.tables).zip(&teacher.tables);
    features
        .map(|((feature, planted), table)| TableRecord {
            name: &feature.name,
            drawn_from: planted.num_embeddings,
            num_embeddings: feature.num_embeddings,
            rank: planted.rank,
            singular_values: &table.singular_values,
        })
        .collect()
}

/// The rows of a table that occur in the data, in the order of the vocabulary (num_embeddings, d).
fn seen_rows(directory: &Path, schema: &Schema, teacher: &Teacher, at: usize) -> Result<Vec<f32>, SourceError> {
    let feature = &schema.categorical[at];
    let path = directory.join("vocabulary").join(file_name(&feature.name));
    let vocabulary =
        Vocabulary::read(&path, feature.num_embeddings).map_err(|error| SourceError::Other(error.to_string()))?;
    let d = teacher.embedding_dim;
    let table = &teacher.tables[at].weight;
    let mut rows = Vec::with_capacity(vocabulary.values.len() * d);
    for value in &vocabulary.values {
        let row = value
            .parse::<usize>()
            .ok()
            .and_then(|row| table.get(row * d..(row + 1) * d));
        let row = row.ok_or_else(|| {
            let reason =
                "the teacher has no row for it: planted data is prepared without --min-count, --max-rows-per-table";
            SourceError::Other(format!("feature {}, category {value:?}: {reason}", feature.name))
        })?;
        rows.extend_from_slice(row);
    }
    Ok(rows)
}

/// What a collapsed model says of itself (`model::checkpoint`, which `data` does not look up to): with it, `mlet evaluate`
/// measures the teacher as it does any model.
fn metadata(schema: &Schema, config: &PlantedConfig) -> String {
    let features: Vec<&str> = schema.categorical.iter().map(|feature| feature.name.as_str()).collect();
    serde_json::json!({
        "config": {
            "seed": config.seed,
            "model": {
                "bottom_mlp": config.bottom_mlp,
                "top_mlp": config.top_mlp,
                "embedding_dim": config.embedding_dim,
                "interaction": "dot",
            },
        },
        "step": 0,
        "data_sha256": schema.source.sha256,
        "features": features,
        "collapsed": true,
    })
    .to_string()
}

fn write_tensors(
    path: &Path,
    schema: &Schema,
    config: &PlantedConfig,
    teacher: &Teacher,
    tables: &[Vec<f32>],
) -> Result<(), SourceError> {
    let mut tensors: Vec<(String, Vec<usize>, &[f32])> = Vec::new();
    for (feature, table) in schema.categorical.iter().zip(tables) {
        let shape = vec![feature.num_embeddings, teacher.embedding_dim];
        tensors.push((format!("embedding.{}.weight", feature.name), shape, table));
    }
    for (mlp, layers) in [("bottom_mlp", &teacher.bottom_mlp), ("top_mlp", &teacher.top_mlp)] {
        for (at, Layer { weight, bias }) in layers.iter().enumerate() {
            let shape = vec![bias.len(), weight.len() / bias.len()];
            tensors.push((format!("{mlp}.{}.weight", 2 * at), shape, weight));
            tensors.push((format!("{mlp}.{}.bias", 2 * at), vec![bias.len()], bias));
        }
    }
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .into_iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| Ok((name, TensorView::new(Dtype::F32, shape, bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| other(path)(error.to_string()))?;
    // One key: several would be written in an order that changes from run to run.
    let information = std::collections::HashMap::from([("mlet".to_owned(), metadata(schema, config))]);
    let file = safetensors::serialize(views, Some(information)).map_err(|error| other(path)(error.to_string()))?;
    std::fs::write(path, file).map_err(|error| other(path)(error.to_string()))
}
