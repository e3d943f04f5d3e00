//! Checkpoint files: safetensors, written beside and renamed over, every number f32, no padding. The metadata is one JSON
//! object under the key `mlet` (a map of several keys would be written in an order that changes from run to run).

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The resolved configuration.
    pub config: super::Config,
    /// Steps done: with the batch size and the seed this is also the place in the data and in every random stream.
    pub step: u64,
    /// Hash of the data set's raw source, so that a run is not continued on other data.
    pub data_sha256: String,
    /// The features of the data set, in the order of the tables.
    pub features: Vec<String>,
    /// Whether the factors were multiplied into one table a feature.
    pub collapsed: bool,
}

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file
        path: PathBuf,
        /// Why
        source: std::io::Error,
    },
    /// It is not a safetensors file, or a broken one.
    #[error("{path} is not a readable safetensors file: {message}")]
    Format {
        /// The file
        path: PathBuf,
        /// What is wrong
        message: String,
    },
    /// It was not written by mlet.
    #[error("{path} has no mlet metadata ({message}): it was not written by `mlet train` or `mlet collapse`")]
    Metadata {
        /// The file
        path: PathBuf,
        /// What is wrong
        message: String,
    },
    /// A tensor is missing or of another shape.
    #[error("{path}: tensor {tensor}: {message}")]
    Tensor {
        /// The file
        path: PathBuf,
        /// Its name
        tensor: String,
        /// What is wrong
        message: String,
    },
}

/// A tensor to write; its numbers are fetched when they are written, one tensor at a time.
pub struct Tensor<'a, E> {
    /// Name in the file.
    pub name: String,
    /// Sizes.
    pub shape: Vec<usize>,
    /// Fetches the numbers, row-major, without padding.
    pub values: Box<dyn Fn() -> Result<Vec<f32>, E> + 'a>,
}

/// A tensor as the file format's writer wants it: it cannot fail, so the first failure is kept beside.
struct Written<'a, E> {
    tensor: Tensor<'a, E>,
    failed: &'a RefCell<Option<E>>,
}

impl<E> View for Written<'_, E> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        match (self.tensor.values)() {
            Ok(values) => Cow::Owned(bytemuck::cast_slice(&values).to_vec()),
            Err(error) => {
                self.failed.borrow_mut().get_or_insert(error);
                Cow::Owned(vec![0; self.data_len()])
            }
        }
    }
    fn data_len(&self) -> usize {
        4 * self.tensor.shape.iter().product::<usize>()
    }
}

/// Writes a checkpoint beside `path` and renames it over; if a tensor cannot be fetched, nothing is left behind.
pub fn write<E: From<CheckpointError>>(path: &Path, metadata: &Metadata, tensors: Vec<Tensor<'_, E>>) -> Result<(), E> {
    let io = |source| CheckpointError::Io {
        path: path.into(),
        source,
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let beside = tempfile::Builder::new()
        .prefix(".checkpoint")
        .tempfile_in(directory)
        .map_err(io)?;
    let json = serde_json::to_string(metadata).map_err(|error| io(error.into()))?;
    let info = HashMap::from([("mlet".to_string(), json)]);
    let failed = RefCell::new(None);
    let written = tensors.into_iter().map(|tensor| {
        (
            tensor.name.clone(),
            Written {
                tensor,
                failed: &failed,
            },
        )
    });
    safetensors::serialize_to_file(written, Some(info), beside.path()).map_err(|error| CheckpointError::Format {
        path: path.into(),
        message: error.to_string(),
    })?;
    if let Some(error) = failed.take() {
        return Err(error);
    }
    // By its path: the writer replaced the file that the handle still means.
    File::open(beside.path()).and_then(|file| file.sync_all()).map_err(io)?;
    Ok(crate::model::publish(beside, path).map_err(io)?)
}

/// A checkpoint file, mapped into memory.
pub struct Checkpoint {
    path: PathBuf,
    map: memmap2::Mmap,
}

impl Checkpoint {
    /// Maps a file and checks that it is safetensors.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        // SAFETY: the file is only read; checkpoints are replaced by renaming, never written in place.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        let checkpoint = Self { path: path.into(), map };
        checkpoint.tensors()?;
        Ok(checkpoint)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The parsed header over the mapped data.
    pub fn tensors(&self) -> Result<SafeTensors<'_>, CheckpointError> {
        SafeTensors::deserialize(&self.map).map_err(|error| CheckpointError::Format {
            path: self.path.clone(),
            message: error.to_string(),
        })
    }

    /// What the checkpoint says of itself.
    pub fn metadata(&self) -> Result<Metadata, CheckpointError> {
        let problem = |message: String| CheckpointError::Metadata {
            path: self.path.clone(),
            message,
        };
        let (_, header) = SafeTensors::read_metadata(&self.map).map_err(|error| problem(error.to_string()))?;
        let json = header.metadata().as_ref().and_then(|map| map.get("mlet"));
        let json = json.ok_or_else(|| problem("the key `mlet` is missing".into()))?;
        serde_json::from_str(json).map_err(|error| problem(error.to_string()))
    }

    /// Whether a tensor of this name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors().is_ok_and(|tensors| tensors.tensor(name).is_ok())
    }

    /// A tensor's numbers; its shape must be the one expected.
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let problem = |message: String| CheckpointError::Tensor {
            path: self.path.clone(),
            tensor: name.into(),
            message,
        };
        let tensors = self.tensors()?;
        let view = tensors.tensor(name).map_err(|error| problem(error.to_string()))?;
        if view.shape() != shape || view.dtype() != Dtype::F32 {
            let found = format!("{:?} {:?}", view.dtype(), view.shape());
            return Err(problem(format!("found {found}, expected F32 {shape:?}")));
        }
        let numbers = view
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap_or_default()));
        Ok(numbers.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        Metadata {
            config: super::super::Config::default(),
            step: 7,
            data_sha256: "00".into(),
            features: vec!["C1".into()],
            collapsed: false,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoint.safetensors");
        let tensor = Tensor {
            name: "a".into(),
            shape: vec![2, 3],
            values: Box::new(|| Ok::<_, CheckpointError>(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        };
        write(&path, &metadata(), vec![tensor]).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.metadata().unwrap(), metadata());
        assert_eq!(checkpoint.read("a", &[2, 3]).unwrap()[5], 6.0);
        let error = checkpoint.read("a", &[3, 2]).unwrap_err().to_string();
        assert!(error.contains("tensor a") && error.contains("[3, 2]"), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o644, "others cannot read the checkpoint");
        }
    }

    #[test]
    fn a_tensor_that_cannot_be_fetched_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoint.safetensors");
        let io = || std::io::Error::other("gone");
        let tensor = Tensor {
            name: "a".into(),
            shape: vec![2],
            values: Box::new(|| {
                Err(CheckpointError::Io {
                    path: "device".into(),
                    source: io(),
                })
            }),
        };
        assert!(write(&path, &metadata(), vec![tensor]).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_another_kind_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.safetensors");
        std::fs::write(&path, b"not a checkpoint, but long enough").unwrap();
        let error = Checkpoint::open(&path).err().unwrap().to_string();
        assert!(error.contains("x.safetensors"), "{error}");
    }
}
