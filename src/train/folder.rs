//! The files of a run.

use super::error::TrainError;
use super::summary::Summary;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The files of a run.
#[derive(Debug, Clone)]
pub struct RunFolder(pub PathBuf);

impl RunFolder {
    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }
    /// One object a log interval.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }
    /// The result.
    pub fn summary(&self) -> PathBuf {
        self.0.join("summary.json")
    }
    /// The whole state.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The result of a finished run.
    pub fn read_summary(&self) -> Result<Summary, TrainError> {
        let path = self.summary();
        let text = std::fs::read(&path).map_err(TrainError::io(&path))?;
        serde_json::from_slice(&text).map_err(|error| TrainError::io(&path)(error.into()))
    }
}

/// Writes a small file beside and renames it over.
pub(super) fn write_beside(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(directory).map_err(TrainError::io(path))?;
    beside.write_all(bytes).map_err(TrainError::io(path))?;
    crate::model::publish(beside, path).map_err(TrainError::io(path))
}
