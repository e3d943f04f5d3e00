//! The file of a compressed model.

use super::{CompressError, Compressed, Model};
use crate::model::architecture::{collapsed_name, factor_name};
use crate::model::checkpoint::Metadata;
use crate::model::tensor_file::{self, Entry};
use crate::spectrum::advice::Form;
use crate::spectrum::sources::Raw;
use crate::spectrum::table::{Factor, Float};
use crate::spectrum::truncate::{self, Truncation, Written};
use safetensors::tensor::Dtype;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a tensor of the file is made of.
enum Part<'a> {
    /// A tensor that is no table's.
    Raw(&'a Raw),
    /// A factor of a table that is kept.
    Factor(&'a Factor),
    /// L, or W, of a table.
    First(usize),
    /// R of a table.
    Second(usize),
}

/// Writes a model; see [`Model::write`].
pub(super) fn write(
    model: &Model,
    forms: &[Form],
    out: &Path,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<Vec<Compressed>, CompressError> {
    let inputs = [super::file_of(&model.source.path), model.source.path.clone()];
    if out.exists() && inputs.iter().any(|input| same(input, out)) {
        return Err(CompressError::Same(out.into()));
    }
    let parts = parts(model, forms);
    let (entries, parts): (Vec<Entry>, Vec<Part<'_>>) = parts.into_iter().unzip();
    let tables = &model.source.tables;
    let mut cuts: Vec<Option<Truncation<'_>>> = tables.iter().map(|_| None).collect();
    let mut written = vec![Written::default(); tables.len()];
    let mut done = 0;
    tensor_file::write(out, &metadata(model)?, &entries, |at, put| {
        let put = &mut |bytes: &[u8]| match stop.load(Ordering::Relaxed) {
            true => Err(CompressError::Stopped),
            false => put(bytes),
        };
        let t = match parts[at] {
            Part::Raw(raw) => return put(raw.bytes()),
            Part::Factor(factor) => return truncate::copy(factor, put),
            Part::First(t) | Part::Second(t) => t,
        };
        if cuts[t].is_none() {
            progress(done, tables.len(), &tables[t].name);
            done += 1;
        }
        let cut = match cuts[t].take() {
            Some(cut) => cut,
            None => Truncation::of(&tables[t], forms[t]).map_err(|error| CompressError::table(&tables[t], error))?,
        };
        match parts[at] {
            Part::First(_) => written[t] = cut.first(put)?,
            _ => put(&cut.second())?,
        }
        cuts[t] = Some(cut);
        if written[t].overflow {
            return Err(CompressError::Overflow(tables[t].name.clone()));
        }
        Ok(())
    })?;
    Ok((0..tables.len())
        .map(|t| described(model, t, forms[t], written[t]))
        .collect())
}

/// Whether two paths that exist mean one file.
fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn parts<'a>(model: &'a Model, forms: &[Form]) -> Vec<(Entry, Part<'a>)> {
    let mut parts = Vec::new();
    let tables = &model.source.tables;
    let of_tables: BTreeSet<&str> = (tables.iter().flat_map(|table| &table.factors))
        .map(|factor| factor.name.as_str())
        .collect();
    for raw in model.raw.iter().flat_map(|raw| &raw.tensors) {
        let state = model.own.is_some() && raw.name.starts_with("optimizer.");
        if !state && !of_tables.contains(raw.name.as_str()) {
            let (name, dtype, shape) = (raw.name.clone(), raw.dtype, raw.shape.clone());
            parts.push((Entry { name, dtype, shape }, Part::Raw(raw)));
        }
    }
    for (t, (table, &form)) in tables.iter().zip(forms).enumerate() {
        let (n, d) = (table.num_embeddings(), table.embedding_dim());
        let number = table
            .factors
            .first()
            .map_or(Float::F32, crate::spectrum::advice::stored_type);
        let entry = |name: String, rows, cols| Entry {
            name,
            dtype: dtype(number),
            shape: vec![rows, cols],
        };
        let factor = |index: usize| match &model.own {
            Some(_) => factor_name(&table.name, index),
            None => format!("{}.factor.{}", table.name, index + 1),
        };
        match form {
            Form::Kept => parts.extend(table.factors.iter().map(|factor| {
                let entry = Entry {
                    name: factor.name.clone(),
                    dtype: dtype(crate::spectrum::advice::stored_type(factor)),
                    shape: vec![factor.rows(), factor.cols()],
                };
                (entry, Part::Factor(factor))
            })),
            Form::Multiplied => parts.push((entry(collapsed_name(&table.name), n, d), Part::First(t))),
            Form::Factored(rank) => {
                parts.push((entry(factor(0), n, rank), Part::First(t)));
                parts.push((entry(factor(1), rank, d), Part::Second(t)));
            }
        }
    }
    parts
}

fn dtype(float: Float) -> Dtype {
    match float {
        Float::F16 => Dtype::F16,
        Float::Bf16 => Dtype::BF16,
        Float::F32 => Dtype::F32,
        Float::F64 => Dtype::F64,
    }
}

/// The header's: as it was, but that an mlet model's tables are no longer those that were trained.
fn metadata(model: &Model) -> Result<BTreeMap<String, String>, CompressError> {
    let mut all = model.raw.as_ref().map(|raw| raw.metadata.clone()).unwrap_or_default();
    if let Some(own) = &model.own {
        let mut config = own.config.clone();
        (config.model.inner_dim, config.model.depth) = (None, None);
        config.optimizer.freeze_further_factors = false;
        let compressed = Metadata {
            config,
            collapsed: true,
            ..own.clone()
        };
        let json =
            serde_json::to_string(&compressed).map_err(|error| crate::model::checkpoint::CheckpointError::Io {
                path: model.source.path.clone(),
                source: error.into(),
            })?;
        all.insert("mlet".into(), json);
    }
    Ok(all)
}

fn described(model: &Model, t: usize, form: Form, written: Written) -> Compressed {
    let (table, sigma, size) = (&model.source.tables[t], &model.sigma[t], &model.sizes[t]);
    let (rank, name) = match form {
        Form::Kept => (None, "kept"),
        Form::Multiplied => (None, "multiplied"),
        Form::Factored(rank) => (Some(rank), "factored"),
    };
    let first = sigma.first().copied().filter(|&s| s > 0.0).unwrap_or(1.0);
    let squares = |sigma: &[f64], from: usize| sigma.iter().skip(from).rev().map(|s| (s / first).powi(2)).sum::<f64>();
    let total = squares(sigma, 0);
    let lost = |sigma: &[f64]| match (rank, total > 0.0) {
        (Some(rank), true) => squares(sigma, rank) / total,
        _ => 0.0,
    };
    Compressed {
        name: table.name.clone(),
        n: table.num_embeddings(),
        d: table.embedding_dim(),
        rank,
        form: name,
        stored_bytes: size.stored,
        bytes: size.bytes(form),
        energy: 1.0 - lost(sigma),
        error: if written.norm > 0.0 {
            written.error / written.norm
        } else {
            0.0
        },
        least_error: lost(&model.low[t]).sqrt(),
    }
}
