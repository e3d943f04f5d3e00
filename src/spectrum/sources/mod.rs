//! Files → tables: `.safetensors`, `.npy`, `.npz`, and the folder of a run.

use std::path::{Path, PathBuf};

use super::table::Table;

mod numpy;
mod tensors;

/// A tensor that no table was made of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// Its name in the file.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What one input holds.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file's stem or the folder's name.
    pub name: String,
    /// The path as given.
    pub path: PathBuf,
    /// The tables, by name. At least one.
    pub tables: Vec<Table>,
    /// What is in the file but in no table, by name.
    pub left_out: Vec<LeftOut>,
}

/// Why an input could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file could not be opened or read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder without a checkpoint.
    #[error("{}: no checkpoint.safetensors in this folder: is it a run of `mlet train`?", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A file of a kind that is not read.
    #[error("{}: not a .safetensors, .npy or .npz file nor the folder of a run", path.display())]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// The file as a whole is damaged or not what its name says.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// One tensor cannot be used.
    #[error("{}: tensor `{tensor}`: {message}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        message: String,
    },
    /// A product with a hole.
    #[error("{}: feature `{feature}` has factors up to {last} but no `embedding.{feature}.factor.{missing}`", path.display())]
    MissingFactor {
        /// The file.
        path: PathBuf,
        /// The categorical feature.
        feature: String,
        /// The number of the factor that is not there, from 1.
        missing: usize,
        /// The greatest factor number found.
        last: usize,
    },
    /// Nothing to measure.
    #[error("{}: no embedding table in it{}", path.display(), listed(left_out))]
    NoTable {
        /// The file.
        path: PathBuf,
        /// What is in it instead.
        left_out: Vec<LeftOut>,
    },
}

fn listed(left_out: &[LeftOut]) -> String {
    let names: Vec<String> = left_out
        .iter()
        .take(5)
        .map(|l| format!("`{}` ({})", l.name, l.reason))
        .collect();
    match (names.is_empty(), left_out.len().saturating_sub(5)) {
        (true, _) => ": it holds no tensor at all".into(),
        (_, 0) => format!("; it holds {}", names.join(", ")),
        (_, more) => format!("; it holds {} and {more} more", names.join(", ")),
    }
}

/// Reads every table of an input.
///
/// - A folder: `checkpoint.safetensors` in it.
/// - `.safetensors` (f64, f32, f16, bf16): where a name starts with `embedding.`, the tensors
///   `embedding.<feature>.factor.<j>` (j = 1…N, in the order of the product) form one table a feature, as does
///   `embedding.<feature>.weight`; all else is named as left out. Otherwise every two-dimensional tensor is a table.
/// - `.npy` (f8, f4, f2; C or Fortran order, either byte order): one two-dimensional array.
/// - `.npz`: every two-dimensional array of floats.
///
/// # Errors
/// [`SourceError`], which names the file and the tensor.
pub fn open(path: &Path) -> Result<Source, SourceError> {
    let file = if path.is_dir() {
        path.join("checkpoint.safetensors")
    } else {
        path.to_path_buf()
    };
    if path.is_dir() && !file.is_file() {
        return Err(SourceError::NotARun {
            path: path.to_path_buf(),
        });
    }
    let extension = file
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (mut tables, mut left_out) = match extension.as_str() {
        "safetensors" => tensors::read(&file)?,
        "npy" => numpy::read_npy(&file, &name_of(path))?,
        "npz" => numpy::read_npz(&file)?,
        // Looked at first, or a mistyped path would be called a file of an unknown kind.
        _ => match std::fs::metadata(&file) {
            Err(source) => return Err(SourceError::Io { path: file, source }),
            Ok(_) => return Err(SourceError::UnknownKind { path: file }),
        },
    };
    tables.retain(|table| {
        let empty = table.num_embeddings() == 0 || table.embedding_dim() == 0;
        if empty {
            left_out.push(LeftOut {
                name: table.name.clone(),
                reason: "has no entry".into(),
            });
        }
        !empty
    });
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    left_out.sort_by(|a, b| a.name.cmp(&b.name));
    if tables.is_empty() {
        return Err(SourceError::NoTable { path: file, left_out });
    }
    Ok(Source {
        name: name_of(path),
        path: path.to_path_buf(),
        tables,
        left_out,
    })
}

/// The stem of a file, the name of a folder (also of `.`).
fn name_of(path: &Path) -> String {
    let part = if path.is_dir() {
        path.canonicalize()
            .ok()
            .and_then(|p| p.file_name().map(|n| n.to_owned()))
    } else {
        path.file_stem().map(|n| n.to_owned())
    };
    part.map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}
