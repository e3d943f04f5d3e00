//! Files → tables, whoever wrote them: safetensors, NumPy, Parquet, Arrow, word vectors as text, PyTorch, the folder of a run.
//!
//! No file is trusted. Sizes are checked against the bytes that are there before anything is allocated for them, and nothing that
//! a file says is executed. What is stored as it is used stays in the mapped file (safetensors, NumPy, PyTorch); lists in Parquet
//! and Arrow files and text are copied, once.

use std::path::{Path, PathBuf};

use super::table::Table;

mod archive;
mod choose;
mod columns;
mod map;
mod names;
mod numpy;
mod rule;
mod tensors;
mod text;
mod torch;

pub use choose::Options;
pub use tensors::{Raw, RawFile, raw};

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
    #[error("{}: not a file that is read ({KINDS}) nor the folder of a run", path.display())]
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
    /// A pattern of [`Options`] is none.
    #[error("`{pattern}` is not a glob: {message}")]
    Glob {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        message: String,
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

/// Reads every table of an input by the rule alone: [`open_with`] without options.
///
/// # Errors
/// As [`open_with`].
pub fn open(path: &Path) -> Result<Source, SourceError> {
    open_with(path, &Options::default())
}

/// The files that are read, for messages.
const KINDS: &str =
    ".safetensors, .safetensors.index.json, .npy, .npz, .parquet, .arrow, .feather, .pt, .pth, .txt, .vec";

/// Reads every table of an input.
///
/// - A folder: `checkpoint.safetensors` in it, or the one `*.safetensors.index.json`.
/// - `.safetensors` (f64, f32, f16, bf16), and `.safetensors.index.json`, which names the files of a sharded set beside it. Mapped.
/// - `.npy` (f8, f4, f2; C or Fortran order, either byte order): one two-dimensional array. Mapped.
/// - `.npz`: every two-dimensional array of floats; mapped where it is stored, else inflated into a temporary file.
/// - `.parquet`, `.pq`, `.arrow`, `.feather`, `.ipc` (the Arrow file format): every column of lists of floats (f16, f32, f64) whose lists all
///   have one length, and none of which is null. Copied, batch by batch, into one f32 or f64 array.
/// - `.pt`, `.pth`, `.ckpt` (PyTorch's zip format, default pickle protocol): every tensor in nested dictionaries, lists and tuples, under
///   its dotted path. Mapped. The pickle is read without executing it: an opcode or global that state dictionaries do not need is an error.
/// - `.txt`, `.vec`, `.w2v`, `.glove`: word vectors as text, with word2vec's first line `n d` or without. Copied, as f32.
///
/// # Which tensors are tables
/// In a file with mlet's own names (all start with `embedding.`, `bottom_mlp.`, `top_mlp.` or `optimizer.`), the tensors
/// `embedding.<feature>.factor.<j>` (j = 1…N, in the order of the product) form one table a feature, as does
/// `embedding.<feature>.weight`. In a file of another model or an archive (`.safetensors`, `.npz`, `.pt`), a table is a matrix of floats that
///
/// 1. is not an optimiser's (a part of its name is `optimizer`, `optim` …, or the last one `exp_avg` …),
/// 2. has at least as many rows as columns,
/// 3. has a word in its name that holds `embed`, starts or ends with `emb`, starts with `lookup`, `table` or `factor`, or is
///    `lut`, `wte` or `syn0` — where no matrix that passes 1 and 2 has such a name, all of them are tables.
///
/// [`Options`] override the rule. What is no table is listed with its reason.
///
/// # Errors
/// [`SourceError`], which names the file and the tensor.
pub fn open_with(path: &Path, options: &Options) -> Result<Source, SourceError> {
    let file = file_of(path)?;
    let (mut tables, mut left_out) = choose::choose(&file, contents(path, &file)?, options)?;
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

/// The file that an input means.
fn file_of(path: &Path) -> Result<PathBuf, SourceError> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let checkpoint = path.join("checkpoint.safetensors");
    if checkpoint.is_file() {
        return Ok(checkpoint);
    }
    let entries = std::fs::read_dir(path).map_err(|source| SourceError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut indices: Vec<PathBuf> = files.filter(|file| is_index(file)).collect();
    match (indices.pop(), indices.pop()) {
        (Some(index), None) => Ok(index),
        _ => Err(SourceError::NotARun {
            path: path.to_path_buf(),
        }),
    }
}

/// Whether a file's name is that of the index of a sharded set.
fn is_index(file: &Path) -> bool {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    name.ends_with(".safetensors.index.json")
}

/// What is in a file; `path` is how it was asked for.
fn contents(path: &Path, file: &Path) -> Result<choose::Contents, SourceError> {
    // Looked at first, or a mistyped path would be called a file of an unknown kind.
    std::fs::metadata(file).map_err(|source| SourceError::Io {
        path: file.to_path_buf(),
        source,
    })?;
    if is_index(file) {
        return tensors::read_index(file);
    }
    let extension = file
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let name = name_of(path);
    match extension.as_str() {
        "safetensors" => tensors::read(file),
        "npy" => numpy::read_npy(file, &name),
        "npz" => numpy::read_npz(file),
        "parquet" | "pq" => columns::read_parquet(file),
        "arrow" | "feather" | "ipc" => columns::read_arrow(file),
        "pt" | "pth" | "ckpt" => torch::read(file, &name),
        "txt" | "vec" | "w2v" | "glove" => text::read(file, &name),
        _ => Err(SourceError::UnknownKind {
            path: file.to_path_buf(),
        }),
    }
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
