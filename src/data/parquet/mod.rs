//! Any Parquet files, with a TOML file that says which columns are what.

mod cells;
mod config;
mod file;

use std::fs::File;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::hashing::hexadecimal;
use super::schema::SourceInfo;
use super::source::{RawExample, RawFeatures, RowError, Source, SourceError, SourceProgress, SplitRule};
pub use config::{Columns, SplitColumns};
use file::OpenFile;

/// Reads one Parquet file, or every `*.parquet` file of a directory in the order of their names.
///
/// A dense null is 0, a categorical null the category `""`, a null list the empty bag, and a null in a list the category
/// `""`; a null label is a bad row. Dense values are taken as they are.
pub struct Parquet {
    name: String,
    files: Vec<(PathBuf, u64)>,
    columns: Columns,
    features: RawFeatures,
    /// Files opened so far.
    opened: usize,
    open: Option<OpenFile>,
}

impl Parquet {
    /// Lists the files of `path` and looks at the columns of the first.
    ///
    /// # Errors
    /// If there is no Parquet file, or it lacks a column or has it in a type that cannot be used.
    pub fn open(path: &Path, columns: Columns) -> Result<Parquet, SourceError> {
        let failed = |source| SourceError::Open {
            file: path.display().to_string(),
            source,
        };
        let files = list(path).map_err(failed)?;
        if files.is_empty() {
            let message = "there is no .parquet file in it".to_owned();
            return Err(SourceError::Format {
                file: path.display().to_string(),
                message,
            });
        }
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        let features = RawFeatures::default();
        let mut source = Parquet {
            name,
            files,
            columns,
            features,
            opened: 0,
            open: None,
        };
        source.open_next()?;
        Ok(source)
    }

    /// Opens the next file; its columns must be those of the first.
    fn open_next(&mut self) -> Result<(), SourceError> {
        let (file, features) = OpenFile::open(&self.files[self.opened].0, &self.columns)?;
        if self.opened == 0 {
            self.features = features;
        } else if self.features != features {
            let message = format!("its columns have other types than in {}", self.files[0].0.display());
            return Err(SourceError::Format {
                file: file.name,
                message,
            });
        }
        self.open = Some(file);
        self.opened += 1;
        Ok(())
    }
}

/// The Parquet files with their sizes.
fn list(path: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
    if path.is_file() {
        return Ok(vec![(path.to_owned(), path.metadata()?.len())]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let metadata = path.metadata()?;
        if metadata.is_file() && path.extension().is_some_and(|extension| extension == "parquet") {
            files.push((path, metadata.len()));
        }
    }
    files.sort();
    Ok(files)
}

impl Source for Parquet {
    fn kind(&self) -> &'static str {
        "parquet"
    }

    fn features(&self) -> &RawFeatures {
        &self.features
    }

    fn split_rule(&self) -> SplitRule {
        self.columns.split_rule()
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        loop {
            if let Some(file) = &mut self.open
                && file.next(&self.columns, example)?
            {
                return Ok(true);
            }
            if self.opened == self.files.len() {
                self.open = None;
                return Ok(false);
            }
            self.open_next()?;
        }
    }

    fn progress(&self) -> SourceProgress {
        let bytes = |files: &[(PathBuf, u64)]| files.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let done = match &self.open {
            None => bytes(&self.files[..self.opened]),
            Some(file) => {
                let (_, size) = self.files[self.opened - 1];
                let part = u128::from(size) * u128::from(file.taken) / u128::from(file.num_rows.max(1));
                bytes(&self.files[..self.opened - 1]) + part as u64
            }
        };
        SourceProgress {
            done,
            total: Some(bytes(&self.files)),
        }
    }

    /// The hash is that of the file; for a directory, of the lines that `sha256sum *.parquet` prints there (in the order of the names' bytes).
    fn info(&mut self) -> Result<SourceInfo, SourceError> {
        let mut listing = String::new();
        let mut bytes = 0;
        for (path, _) in &self.files {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let failed = |source| SourceError::Open {
                file: name.to_string(),
                source,
            };
            let mut hasher = Sha256::new();
            let mut file = File::open(path).map_err(failed)?;
            bytes += std::io::copy(&mut file, &mut HashWriter(&mut hasher)).map_err(failed)?;
            let hash = hexadecimal(&hasher.finalize());
            if self.files.len() == 1 && self.name == name {
                return Ok(SourceInfo {
                    name: self.name.clone(),
                    sha256: hash,
                    bytes,
                });
            }
            listing += &format!("{hash}  {name}\n");
        }
        Ok(SourceInfo {
            name: self.name.clone(),
            sha256: hexadecimal(&Sha256::digest(listing)),
            bytes,
        })
    }
}

/// Hashes what is written to it.
struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.update(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
