//! safetensors files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use ndarray::Array2;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::{LeftOut, SourceError};
use crate::spectrum::table::{Factor, Table, Values};

/// The tables of a safetensors file and what is in none of them.
pub(super) fn read(path: &Path) -> Result<(Vec<Table>, Vec<LeftOut>), SourceError> {
    let io = |source| SourceError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    // SAFETY: the map is only read, and dropped before this function returns. A program that cuts the file short meanwhile
    // would end this one with SIGBUS, as with every mapped file; mlet itself replaces files by renaming and never in place.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
    let tensors = SafeTensors::deserialize(&map).map_err(|e| SourceError::File {
        path: path.to_path_buf(),
        message: format!("not a whole safetensors file ({e})"),
    })?;
    let mut names = tensors.names();
    names.sort_unstable();
    let of_model = names.iter().any(|name| name.starts_with("embedding."));
    let mut left_out = Vec::new();
    let mut features: BTreeMap<&str, BTreeMap<usize, Factor>> = BTreeMap::new();
    for name in names {
        let view = tensors
            .tensor(name)
            .map_err(|e| tensor_error(path, name, e.to_string()))?;
        let place = if of_model { place_in_model(name) } else { Ok((name, 1)) };
        let made = place.and_then(|place| Ok((place, matrix(name, &view)?)));
        match made {
            Err(reason) => left_out.push(LeftOut {
                name: name.into(),
                reason,
            }),
            Ok(((feature, j), factor)) => {
                if let Some(other) = features.entry(feature).or_default().insert(j, factor) {
                    return Err(tensor_error(
                        path,
                        name,
                        format!("`{}` is the same factor of `{feature}`", other.name),
                    ));
                }
            }
        }
    }
    let tables = features
        .into_iter()
        .map(|(feature, factors)| table(path, feature, factors))
        .collect::<Result<_, _>>()?;
    Ok((tables, left_out))
}

fn tensor_error(path: &Path, tensor: &str, message: String) -> SourceError {
    SourceError::Tensor {
        path: path.to_path_buf(),
        tensor: tensor.into(),
        message,
    }
}

/// The feature and factor number of a tensor of a model, or why it belongs to no table. The feature's name may hold dots.
fn place_in_model(name: &str) -> Result<(&str, usize), String> {
    let Some(rest) = name.strip_prefix("embedding.") else {
        return Err(match name.split('.').next() {
            Some("bottom_mlp" | "top_mlp") => "part of an MLP, not of an embedding".into(),
            Some("optimizer") => "optimiser state".into(),
            _ => "not named `embedding.…`".into(),
        });
    };
    if let Some(feature) = rest.strip_suffix(".weight") {
        return Ok((feature, 1));
    }
    let factor = rest
        .rsplit_once(".factor.")
        .and_then(|(feature, j)| Some((feature, j.parse().ok()?)));
    factor
        .filter(|&(_, j)| j > 0)
        .ok_or_else(|| "neither `….weight` nor `….factor.<j>`".into())
}

/// The factors of one feature, 1…N without a hole.
fn table(path: &Path, feature: &str, factors: BTreeMap<usize, Factor>) -> Result<Table, SourceError> {
    let last = factors.keys().copied().max().unwrap_or(0);
    if let Some(missing) = (1..=factors.len()).find(|j| !factors.contains_key(j)) {
        return Err(SourceError::MissingFactor {
            path: path.to_path_buf(),
            feature: feature.into(),
            missing,
            last,
        });
    }
    let factors: Vec<Factor> = factors.into_values().collect();
    for pair in factors.windows(2) {
        if pair[0].cols() != pair[1].rows() {
            let message = format!(
                "has {} columns, but the next factor of the product, `{}`, has {} rows",
                pair[0].cols(),
                pair[1].name,
                pair[1].rows()
            );
            return Err(tensor_error(path, &pair[0].name, message));
        }
    }
    Ok(Table::new(feature, factors))
}

/// A tensor as a matrix, or why it is none.
fn matrix(name: &str, view: &TensorView<'_>) -> Result<Factor, String> {
    let &[rows, cols] = view.shape() else {
        return Err(format!("has {} dimensions, not two", view.shape().len()));
    };
    let data = view.data();
    let (values, epsilon) = match view.dtype() {
        Dtype::F64 => (Values::F64(array(rows, cols, data, f64::from_le_bytes)?), f64::EPSILON),
        Dtype::F32 => (
            Values::F32(array(rows, cols, data, f32::from_le_bytes)?),
            f32::EPSILON.into(),
        ),
        Dtype::F16 => (
            Values::F32(array(rows, cols, data, |b| half::f16::from_le_bytes(b).to_f32())?),
            half::f16::EPSILON.to_f64(),
        ),
        Dtype::BF16 => (
            Values::F32(array(rows, cols, data, |b| half::bf16::from_le_bytes(b).to_f32())?),
            half::bf16::EPSILON.to_f64(),
        ),
        other => return Err(format!("holds {other:?}, not f64, f32, f16 or bf16")),
    };
    Ok(Factor {
        name: name.into(),
        values,
        epsilon,
    })
}

fn array<const S: usize, T>(
    rows: usize,
    cols: usize,
    data: &[u8],
    read: impl Fn([u8; S]) -> T,
) -> Result<Array2<T>, String> {
    let (chunks, _) = data.as_chunks::<S>();
    Array2::from_shape_vec((rows, cols), chunks.iter().map(|&b| read(b)).collect()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::place_in_model;

    #[test]
    fn names_of_a_model() {
        assert_eq!(place_in_model("embedding.tailnum.factor.2"), Ok(("tailnum", 2)));
        assert_eq!(place_in_model("embedding.a.factor.1.factor.12"), Ok(("a.factor.1", 12)));
        assert_eq!(place_in_model("embedding.a.b.weight"), Ok(("a.b", 1)));
        for name in [
            "embedding.a.factor.0",
            "embedding.a.factor.x",
            "embedding.a",
            "top_mlp.0.weight",
            "optimizer.x.sum",
        ] {
            assert!(place_in_model(name).is_err(), "{name}");
        }
    }
}
