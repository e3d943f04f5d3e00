//! safetensors files, alone or as the shards of an index; the tensors stay in their files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo};

mod raw;

pub use raw::{Raw, RawFile, raw};

use super::choose::{Contents, Names, Tensor, tensor_error};
use super::{SourceError, map};
use crate::spectrum::table::{Factor, Float, Mapped, Order};

/// The longest index that is read: serde_json builds all of it. A shard's own header may have 100 MB.
const MAX_INDEX: u64 = 100_000_000;

/// Every tensor of a safetensors file.
pub(super) fn read(path: &Path) -> Result<Contents, SourceError> {
    Ok(Contents {
        names: Names::Say,
        tensors: tensors(path)?,
    })
}

/// `{"weight_map": {tensor: file}}`, what else there is apart.
#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    /// Reads an index; its shards are names of files beside it.
    fn read(path: &Path) -> Result<Self, SourceError> {
        let file_error = |message: String| SourceError::File {
            path: path.to_path_buf(),
            message,
        };
        let map = map::map(path)?;
        if map.len() as u64 > MAX_INDEX {
            return Err(file_error(format!(
                "an index of {} bytes; {MAX_INDEX} are read at most",
                map.len()
            )));
        }
        let index: Index = serde_json::from_slice(&map)
            .map_err(|e| file_error(format!("not the index of a sharded model, {{\"weight_map\": …}} ({e})")))?;
        for shard in index.weight_map.values() {
            // A name from a file that anyone may have written is not followed out of the folder.
            let mut parts = Path::new(shard).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
                return Err(file_error(format!(
                    "shard `{shard}` is not the name of a file beside the index"
                )));
            }
        }
        Ok(index)
    }
}

/// Every tensor of the shards that an index names.
pub(super) fn read_index(path: &Path) -> Result<Contents, SourceError> {
    let index = Index::read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for shard in index.weight_map.values().collect::<BTreeSet<_>>() {
        let of_shard = tensors(&folder.join(shard))?;
        let missing = index
            .weight_map
            .iter()
            .find(|(name, file)| *file == shard && !of_shard.iter().any(|tensor| tensor.name == **name));
        if let Some((name, _)) = missing {
            return Err(tensor_error(
                &folder.join(shard),
                name,
                format!("is not there, though {} says so", path.display()),
            ));
        }
        found.extend(
            of_shard
                .into_iter()
                .map(|tensor| match index.weight_map.get(&tensor.name) {
                    Some(file) if file == shard => tensor,
                    _ => Tensor::none(
                        &tensor.name,
                        format!("is in {shard}, where the index does not look for it"),
                    ),
                }),
        );
    }
    Ok(Contents {
        names: Names::Say,
        tensors: found,
    })
}

fn tensors(path: &Path) -> Result<Vec<Tensor>, SourceError> {
    let map = map::map(path)?;
    // Neither the header nor a tensor reaches beyond the file: that is looked at before anything is allocated for them.
    let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| SourceError::File {
        path: path.to_path_buf(),
        message: format!("not a whole safetensors file ({e})"),
    })?;
    let tensors = metadata.tensors();
    Ok(tensors
        .iter()
        .map(|(name, info)| tensor(&map, header + 8, name, info))
        .collect())
}

fn tensor(map: &Arc<Mmap>, data: usize, name: &str, info: &TensorInfo) -> Tensor {
    let &[rows, cols] = &info.shape[..] else {
        return Tensor::none(name, format!("has {} dimensions, not two", info.shape.len()));
    };
    let float = match info.dtype {
        Dtype::F64 => Float::F64,
        Dtype::F32 => Float::F32,
        Dtype::F16 => Float::F16,
        Dtype::BF16 => Float::Bf16,
        other => return Tensor::none(name, format!("holds {other:?}, not f64, f32, f16 or bf16")),
    };
    let start = data + info.data_offsets.0;
    match Mapped::new(map.clone(), start, (rows, cols), float, Order::Rows, false) {
        Some(mapped) => {
            let owned = name.to_string();
            Tensor::new(name, (rows, cols), move || Ok(Ok(Factor::mapped(owned, mapped))))
        }
        None => Tensor::none(name, "does not fit in the file".into()),
    }
}
