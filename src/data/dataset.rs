//! A prepared data set on disk.

use std::path::{Path, PathBuf};

use super::examples::Examples;
use super::schema::FORMAT;
pub use super::schema::{CategoricalFeature, PerSplit, RARE, Schema, SourceInfo, Split};
pub use super::vocabulary::Vocabulary;

/// Why a prepared data set could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `dataset.toml` is not what `mlet prepare` writes.
    #[error("{}: {message}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file is not a readable Arrow IPC file.
    #[error("{}", path.display())]
    Arrow {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: arrow_schema::ArrowError,
    },
    /// A column of a split file is missing, or of another type than `dataset.toml` says.
    #[error("{}: column {column:?}: {message}; prepare the data set again", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// What was found.
        message: String,
    },
    /// A row of a split file holds a value that cannot be.
    #[error("{}: row {row}, column {column:?}: {message}; prepare the data set again", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Row, from 0.
        row: usize,
        /// The column's name.
        column: String,
        /// What was found.
        message: String,
    },
    /// The files of the data set disagree with each other.
    #[error("{}: {message}; prepare the data set again", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// There is no categorical feature of this name.
    #[error("no categorical feature is called {name:?}; there are {known}")]
    UnknownFeature {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
}

/// A prepared data set: a directory with `dataset.toml`, one Arrow file a split, and the vocabularies.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The directory.
    pub path: PathBuf,
    /// The content of `dataset.toml`.
    pub schema: Schema,
}

impl Dataset {
    /// Reads `dataset.toml` of the directory `path`; the splits and vocabularies are opened when asked for.
    ///
    /// # Errors
    /// If the file is missing, is not a schema, or is of another [`FORMAT`].
    pub fn open(path: impl AsRef<Path>) -> Result<Dataset, DatasetError> {
        let path = path.as_ref();
        let file = path.join("dataset.toml");
        let text = std::fs::read_to_string(&file).map_err(|source| DatasetError::Io {
            path: file.clone(),
            source,
        })?;
        let invalid = |message| DatasetError::Schema {
            path: file.clone(),
            message,
        };
        let schema: Schema = toml::from_str(&text).map_err(|error| invalid(error.to_string().trim_end().to_owned()))?;
        if schema.format != FORMAT {
            return Err(invalid(format!(
                "format {} where this version reads {FORMAT}; prepare the data set again",
                schema.format
            )));
        }
        Ok(Dataset {
            path: path.to_owned(),
            schema,
        })
    }

    /// The file of a split.
    pub fn split_path(&self, split: Split) -> PathBuf {
        self.path.join(format!("{split}.arrow"))
    }

    /// Maps the examples of a split and checks them (types, lengths, every value) against the schema: one pass.
    ///
    /// # Errors
    /// If the file cannot be read or holds anything that `dataset.toml` does not announce.
    pub fn split(&self, split: Split) -> Result<Examples, DatasetError> {
        let path = self.split_path(split);
        let examples = Examples::open(&path, &self.schema)?;
        let expected = self.schema.rows.get(split);
        if examples.len() as u64 != expected {
            let message = format!("{} rows where dataset.toml says {expected}", examples.len());
            return Err(DatasetError::Inconsistent { path, message });
        }
        Ok(examples)
    }

    /// The vocabulary of the categorical feature called `feature`.
    ///
    /// # Errors
    /// If there is no such feature, or its file cannot be read or disagrees with the schema.
    pub fn vocabulary(&self, feature: &str) -> Result<Vocabulary, DatasetError> {
        let (path, rows) = self.vocabulary_path(feature)?;
        Vocabulary::read(&path, rows)
    }

    /// How often each row of a feature's table is used in the training split; reads only that column.
    ///
    /// # Errors
    /// As [`Dataset::vocabulary`].
    pub fn frequencies(&self, feature: &str) -> Result<Vec<u64>, DatasetError> {
        let (path, rows) = self.vocabulary_path(feature)?;
        Vocabulary::read_frequencies(&path, rows)
    }

    fn vocabulary_path(&self, feature: &str) -> Result<(PathBuf, usize), DatasetError> {
        let Some(index) = self.schema.categorical_index(feature) else {
            let known: Vec<&str> = self
                .schema
                .categorical
                .iter()
                .map(|feature| feature.name.as_str())
                .collect();
            return Err(DatasetError::UnknownFeature {
                name: feature.to_owned(),
                known: known.join(", "),
            });
        };
        let file = super::vocabulary::file_name(feature);
        Ok((
            self.path.join("vocabulary").join(file),
            self.schema.categorical[index].num_embeddings,
        ))
    }
}
