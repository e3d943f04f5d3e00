//! Tables spread over many machines: what each part of the rows adds to the spectrum, as a file, and their sum.
//!
//! A table W = A·W₂⋯W_N cut into parts of rows of A has `AᵀA = Σ AₚᵀAₚ`. Each part's Gram matrix is kept exactly, as integers and a
//! power of two ([`ExactGram`]), so the sum is that of the whole table to the last bit: in any order, for any cut, merged at once or
//! in steps. The factors behind the first are small and kept as they are; they have to be the same in all parts.

mod file;

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::SpectrumError;
use super::advice::{Size, stored_type};
use super::gram::exact::ExactGram;
use super::sources::{LeftOut, Source};
use super::table::{Factor, Table};
use super::{CertifiedSpectrum, certified_from_gram};

/// One table of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct PartialTable {
    /// The table.
    pub name: String,
    /// The first factor's tensor, for messages.
    pub tensor: String,
    /// The spacing of 1.0 in the type of the first factor.
    pub epsilon: f64,
    /// The Gram matrix of the first factor's rows.
    pub gram: ExactGram,
    /// The factors behind the first, as f32 or f64.
    pub rest: Vec<Factor>,
}

impl PartialTable {
    /// What a table adds; one pass over its rows.
    ///
    /// # Errors
    /// [`SpectrumError::NotFinite`], [`SpectrumError::NoFactor`].
    pub fn of(table: &Table) -> Result<Self, SpectrumError> {
        let (first, rest) = table.factors.split_first().ok_or(SpectrumError::NoFactor)?;
        for factor in rest {
            factor.largest().map_err(|(row, column)| SpectrumError::NotFinite {
                tensor: factor.name.clone(),
                row,
                column,
            })?;
        }
        let part = Self {
            name: table.name.clone(),
            tensor: first.name.clone(),
            epsilon: first.epsilon,
            gram: ExactGram::of(first)?,
            rest: rest.iter().map(file::in_memory).collect(),
        };
        part.values()?; // shapes that do not fit are found before anything is written
        Ok(part)
    }

    /// Singular values and intervals of the rows that went in.
    ///
    /// # Errors
    /// As [`certified_from_gram`].
    pub fn values(&self) -> Result<CertifiedSpectrum, SpectrumError> {
        certified_from_gram(&self.gram, &self.rest, &self.tensor)
    }

    /// `embedding_dim`.
    pub fn embedding_dim(&self) -> usize {
        self.rest.last().map_or(self.gram.cols, Factor::cols)
    }

    /// The sizes of the table, as if it were stored in one place.
    pub fn size(&self) -> Size {
        let first = Factor::f32("", ndarray::Array2::zeros((0, 0)));
        let number = stored_type(&Factor {
            epsilon: self.epsilon,
            ..first
        })
        .size();
        let bytes = |factor: &Factor| (factor.len() * stored_type(factor).size()) as u64;
        let own = (self.gram.rows.saturating_mul(self.gram.cols as u64)).saturating_mul(number as u64);
        Size {
            rows: usize::try_from(self.gram.rows).unwrap_or(usize::MAX),
            cols: self.embedding_dim(),
            number,
            stored: self.rest.iter().map(bytes).fold(own, u64::saturating_add),
        }
    }
}

/// What one part, or some parts together, add.
#[derive(Debug, Clone, PartialEq)]
pub struct Partial {
    /// The tables, by name.
    pub tables: Vec<PartialTable>,
    /// Tensors of which no table was made, in any of the parts.
    pub left_out: Vec<LeftOut>,
    /// Tables that one of the parts could not measure.
    pub failed: Vec<LeftOut>,
    /// A hash of each part's name and content, ascending: a part that is added twice is found by it.
    pub parts: Vec<String>,
}

/// Why parts cannot be written, read or merged.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    /// The file cannot be read or written.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no partial file, or a damaged one, or of a version that is not known.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A table of a partial file does not hold together.
    #[error("{}: table `{table}`: {message}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// The table.
        table: String,
        /// What is wrong.
        message: String,
    },
    /// No table of an input can be measured.
    #[error("{}: no table can be measured: {reason}", path.display())]
    Nothing {
        /// The input.
        path: PathBuf,
        /// Why the first cannot.
        reason: String,
    },
    /// Nothing was given.
    #[error("no partial file to merge")]
    Empty,
    /// The same rows twice.
    #[error(
        "{}: the part {hash} in it is already in the files before: a part given twice would be counted twice. (If two parts really \
         are alike to the bit, make them from files of different names.)",
        path.display()
    )]
    Twice {
        /// The file that repeats it.
        path: PathBuf,
        /// The part's hash.
        hash: String,
    },
}

impl Partial {
    /// Measures all tables of an input; those that cannot be measured are in `failed`.
    ///
    /// # Errors
    /// [`PartialError::Nothing`] where none can.
    pub fn of(source: &Source) -> Result<Self, PartialError> {
        let (mut tables, mut failed) = (Vec::new(), Vec::new());
        for table in &source.tables {
            match PartialTable::of(table) {
                Ok(part) => tables.push(part),
                Err(error) => failed.push(LeftOut {
                    name: table.name.clone(),
                    reason: format!("{}: {error}", source.path.display()),
                }),
            }
        }
        if let (true, Some(first)) = (tables.is_empty(), failed.first()) {
            return Err(PartialError::Nothing {
                path: source.path.clone(),
                reason: first.reason.clone(),
            });
        }
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        failed.sort_by(|a, b| a.name.cmp(&b.name));
        let parts = vec![hash(&source.name, &tables)];
        Ok(Self {
            tables,
            left_out: source.left_out.clone(),
            failed,
            parts,
        })
    }

    /// Adds the rows of another part, that was read from `path`; `mine` says what this one is, in errors.
    ///
    /// # Errors
    /// [`PartialError::Twice`]; [`PartialError::Table`] where a table is missing in one of both, or does not fit.
    pub fn add(&mut self, mine: &Path, other: Partial, path: &Path) -> Result<(), PartialError> {
        if let Some(hash) = other.parts.iter().find(|hash| self.parts.contains(hash)) {
            return Err(PartialError::Twice {
                path: path.to_path_buf(),
                hash: hash.clone(),
            });
        }
        self.all_of(mine, &other, path)?;
        other.all_of(path, self, mine)?;
        self.failed.extend(other.failed);
        let failed: Vec<String> = self.failed.iter().map(|table| table.name.clone()).collect();
        self.tables.retain(|table| !failed.contains(&table.name));
        for table in other.tables {
            if let Some(to) = self.tables.iter_mut().find(|to| to.name == table.name) {
                add_table(to, &table).map_err(|message| PartialError::Table {
                    path: path.to_path_buf(),
                    table: table.name.clone(),
                    message: format!("{message} in {}", mine.display()),
                })?;
            }
        }
        self.left_out.extend(other.left_out);
        for list in [&mut self.left_out, &mut self.failed] {
            list.sort_by(|a, b| (&a.name, &a.reason).cmp(&(&b.name, &b.reason)));
            list.dedup();
        }
        self.parts.extend(other.parts);
        self.parts.sort();
        Ok(())
    }

    /// Every table that this part has is in the other, if only as one that failed.
    fn all_of(&self, mine: &Path, other: &Partial, path: &Path) -> Result<(), PartialError> {
        let has = |name: &str| {
            other.tables.iter().any(|table| table.name == name) || other.failed.iter().any(|table| table.name == name)
        };
        let names = (self.tables.iter().map(|t| &t.name)).chain(self.failed.iter().map(|t| &t.name));
        match names.into_iter().find(|name| !has(name)) {
            None => Ok(()),
            Some(name) => Err(PartialError::Table {
                path: path.to_path_buf(),
                table: name.clone(),
                message: format!("missing here, though {} has it", mine.display()),
            }),
        }
    }

    /// Reads partial files and adds them up. The result does not depend on their order.
    ///
    /// # Errors
    /// [`PartialError`].
    pub fn merge(paths: &[PathBuf]) -> Result<Self, PartialError> {
        let (first, others) = paths.split_first().ok_or(PartialError::Empty)?;
        let mut sum = Self::read(first)?;
        for path in others {
            sum.add(first, Self::read(path)?, path)?;
        }
        Ok(sum)
    }
}

/// Adds a table's rows, or says what does not fit.
fn add_table(to: &mut PartialTable, from: &PartialTable) -> Result<(), String> {
    if to.gram.cols != from.gram.cols {
        return Err(format!(
            "{} columns in the first factor, but {}",
            from.gram.cols, to.gram.cols
        ));
    }
    if to.epsilon != from.epsilon {
        return Err(format!(
            "stored in a type with spacing {:e}, but {:e}",
            from.epsilon, to.epsilon
        ));
    }
    if !same_factors(&to.rest, &from.rest) {
        return Err("the factors behind the first are not those".into());
    }
    if to.gram.rows.checked_add(from.gram.rows).is_none() {
        return Err("more rows together than can be counted, with those".into());
    }
    to.gram = to.gram.and(&from.gram);
    Ok(())
}

/// The same bits, whatever the tensors are called.
fn same_factors(a: &[Factor], b: &[Factor]) -> bool {
    let same = |(a, b): (&Factor, &Factor)| {
        (a.rows(), a.cols()) == (b.rows(), b.cols()) && a.epsilon == b.epsilon && file::bits_of(a) == file::bits_of(b)
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// Of the part's name and all that its tables are.
fn hash(name: &str, tables: &[PartialTable]) -> String {
    let mut hasher = Xxh3::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    put(name.as_bytes());
    for table in tables {
        put(table.name.as_bytes());
        put(&table.gram.rows.to_le_bytes());
        put(&table.gram.exponent.to_le_bytes());
        for entry in &table.gram.entries {
            put(&entry.to_signed_bytes_le());
        }
        for factor in &table.rest {
            put(&file::bits_of(factor));
        }
    }
    format!("{:032x}", hasher.digest128())
}
