//! safetensors files whose tensors are larger than memory: the header first, then the bytes as they come.

use super::checkpoint::CheckpointError;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A tensor of a file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: Dtype,
    /// Its sizes.
    pub shape: Vec<usize>,
}

impl Entry {
    /// Bytes of its numbers; none where they are more than can be counted.
    pub fn bytes(&self) -> Option<usize> {
        let numbers = self.shape.iter().try_fold(1usize, |all, &size| all.checked_mul(size))?;
        Some(numbers.checked_mul(self.dtype.bitsize())? / 8)
    }
}

/// Where a tensor's bytes go, in order.
pub type Put<'a, E> = &'a mut dyn FnMut(&[u8]) -> Result<(), E>;

/// Writes a file beside `path` and renames it over. `fill` is called once a tensor, by its place in `entries`, and hands on exactly
/// its bytes (little-endian, row-major). On any error nothing is left behind, and what stood at `path` before still stands.
///
/// # Errors
/// [`CheckpointError`] of the file system, of names that come twice, of a tensor of more or fewer bytes; whatever `fill` returns.
pub fn write<E: From<CheckpointError>>(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    entries: &[Entry],
    mut fill: impl FnMut(usize, Put<'_, E>) -> Result<(), E>,
) -> Result<(), E> {
    let io = |source| CheckpointError::Io {
        path: path.into(),
        source,
    };
    let (header, order) = header(path, metadata, entries)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let beside = tempfile::Builder::new()
        .prefix(".compress")
        .tempfile_in(directory)
        .map_err(io)?;
    let mut file = BufWriter::with_capacity(1 << 20, beside.as_file());
    file.write_all(&header).map_err(io)?;
    for at in order {
        let mut left = entries[at].bytes().unwrap_or(0);
        let wrong = |message: &str| CheckpointError::Tensor {
            path: path.into(),
            tensor: entries[at].name.clone(),
            message: message.into(),
        };
        fill(at, &mut |bytes| {
            left = left
                .checked_sub(bytes.len())
                .ok_or_else(|| wrong("more bytes than its shape has"))?;
            Ok(file.write_all(bytes).map_err(io)?)
        })?;
        if left > 0 {
            return Err(wrong("fewer bytes than its shape has").into());
        }
    }
    file.flush().map_err(io)?;
    drop(file);
    beside.as_file().sync_all().map_err(io)?;
    Ok(super::publish(beside, path).map_err(io)?)
}

/// The file's first bytes, and the order in which the tensors follow: wide types first, so that each is aligned, then by name.
fn header(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    entries: &[Entry],
) -> Result<(Vec<u8>, Vec<usize>), CheckpointError> {
    let format = |message: String| CheckpointError::Format {
        path: path.into(),
        message,
    };
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&entries[a], &entries[b]);
        b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(&b.name))
    });
    let (mut infos, mut offset) = (Vec::new(), 0usize);
    // A map sorted by name: the same entries give the same bytes.
    let mut json = serde_json::Map::new();
    if !metadata.is_empty() {
        json.insert("__metadata__".into(), serde_json::json!(metadata));
    }
    for entry in order.iter().map(|&at| &entries[at]) {
        let end = entry.bytes().and_then(|bytes| offset.checked_add(bytes));
        let end = end.ok_or_else(|| format(format!("{} is larger than a file can be", entry.name)))?;
        let info = TensorInfo {
            dtype: entry.dtype,
            shape: entry.shape.clone(),
            data_offsets: (offset, end),
        };
        let value = serde_json::to_value(&info).map_err(|error| format(error.to_string()))?;
        if json.insert(entry.name.clone(), value).is_some() {
            return Err(format(format!("two tensors would be called {}", entry.name)));
        }
        infos.push((entry.name.clone(), info));
        offset = end;
    }
    // The format's own check of what it will read back.
    Metadata::new(None, infos).map_err(|error| format(error.to_string()))?;
    let mut text = serde_json::Value::Object(json).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    Ok((bytes, order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    fn entry(name: &str, dtype: Dtype, shape: &[usize]) -> Entry {
        Entry {
            name: name.into(),
            dtype,
            shape: shape.to_vec(),
        }
    }

    #[test]
    fn what_is_streamed_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.safetensors");
        let entries = [
            entry("b", Dtype::F16, &[3]),
            entry("a", Dtype::F64, &[1, 2]),
            entry("c", Dtype::F16, &[0, 4]),
        ];
        let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
        write::<CheckpointError>(&path, &metadata, &entries, |at, put| {
            (0..entries[at].bytes().unwrap()).try_for_each(|byte| put(&[(16 * at + byte) as u8]))
        })
        .unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(read.tensor("b").unwrap().data(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(read.tensor("a").unwrap().shape(), [1, 2]);
        assert_eq!(read.tensor("a").unwrap().data()[15], 31);
        assert_eq!(read.tensor("a").unwrap().data().as_ptr().align_offset(8), 0);
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
    }

    #[test]
    fn what_does_not_fit_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.safetensors");
        for (bytes, said) in [(3usize, "fewer"), (5, "more")] {
            let result =
                write::<CheckpointError>(&path, &BTreeMap::new(), &[entry("a", Dtype::F32, &[1])], |_, put| {
                    put(&vec![0; bytes])
                });
            assert!(result.unwrap_err().to_string().contains(said));
        }
        let twice = [entry("a", Dtype::F32, &[1]), entry("a", Dtype::F32, &[1])];
        let result = write::<CheckpointError>(&path, &BTreeMap::new(), &twice, |_, put| put(&[0; 4]));
        assert!(result.unwrap_err().to_string().contains("called a"));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
