//! Every tensor of safetensors files as bytes, whatever it holds: what is copied and not looked at.

use super::{Index, tensor_error};
use crate::spectrum::sources::{SourceError, file_of, is_index, map};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A tensor as it lies in its file.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: Dtype,
    /// Its sizes.
    pub shape: Vec<usize>,
    map: Arc<Mmap>,
    range: Range<usize>,
}

impl Raw {
    /// Its bytes, in the file.
    pub fn bytes(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }
}

/// All of a safetensors file, or of the shards of an index.
#[derive(Debug, Clone, Default)]
pub struct RawFile {
    /// The tensors, by name.
    pub tensors: Vec<Raw>,
    /// What the header says beside the tensors; of shards that do not agree, the last one's.
    pub metadata: BTreeMap<String, String>,
}

/// Every tensor of a `.safetensors` file, a run's folder or a sharded set; none for files of another kind.
///
/// # Errors
/// [`SourceError`], as [`crate::spectrum::sources::open`].
pub fn raw(path: &Path) -> Result<Option<RawFile>, SourceError> {
    let file = file_of(path)?;
    let mut all = RawFile::default();
    if is_index(&file) {
        let index = Index::read(&file)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        for shard in index.weight_map.values().collect::<BTreeSet<_>>() {
            add(&folder.join(shard), &mut all, |name| {
                index.weight_map.get(name) == Some(shard)
            })?;
        }
    } else if file.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
        add(&file, &mut all, |_| true)?;
    } else {
        return Ok(None);
    }
    all.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Some(all))
}

fn add(path: &Path, all: &mut RawFile, wanted: impl Fn(&str) -> bool) -> Result<(), SourceError> {
    let map = map::map(path)?;
    let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| SourceError::File {
        path: path.to_path_buf(),
        message: format!("not a whole safetensors file ({e})"),
    })?;
    for (name, info) in metadata.tensors().into_iter().filter(|(name, _)| wanted(name)) {
        let (from, to) = info.data_offsets;
        let range = header + 8 + from..header + 8 + to;
        if map.get(range.clone()).is_none() {
            return Err(tensor_error(path, &name, "does not fit in the file".into()));
        }
        all.tensors.push(Raw {
            name,
            dtype: info.dtype,
            shape: info.shape.clone(),
            map: map.clone(),
            range,
        });
    }
    all.metadata.extend(metadata.metadata().clone().into_iter().flatten());
    Ok(())
}
