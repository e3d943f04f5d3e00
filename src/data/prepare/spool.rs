//! The numbered columns on their way into a scratch file.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_ipc::writer::StreamWriter;
use arrow_schema::Schema;
use rayon::prelude::*;

use super::PrepareError;
use super::columns::{BagColumn, Columns, batch_schema};
use super::number::Read;
use super::numbering::{Full, Numbering};
use super::rows::{RawBags, Rows};
use crate::data::examples::BATCH_ROWS;
use crate::data::source::RawFeatures;

/// The numbered columns on their way into the scratch file.
pub(super) struct Spool {
    path: PathBuf,
    schema: Arc<Schema>,
    writer: StreamWriter<BufWriter<File>>,
    columns: Columns,
    numberings: Vec<Numbering>,
    longest_bags: Vec<usize>,
    /// Rows appended.
    pub rows: u64,
}

impl Spool {
    pub fn create(path: PathBuf, features: &RawFeatures) -> Result<Spool, PrepareError> {
        let schema = Arc::new(batch_schema(features, true));
        let file = File::create(&path).map_err(|source| PrepareError::Io {
            path: path.clone(),
            source,
        })?;
        let writer = StreamWriter::try_new_buffered(file, &schema).map_err(|source| PrepareError::Arrow {
            path: path.clone(),
            source,
        })?;
        Ok(Spool {
            path,
            schema,
            writer,
            columns: Columns::new(features),
            numberings: features.categorical.iter().map(|_| Numbering::default()).collect(),
            longest_bags: vec![0; features.categorical.len()],
            rows: 0,
        })
    }

    /// Numbers and appends the rows of some blocks.
    pub fn push(&mut self, parsed: &[Rows], features: &RawFeatures) -> Result<(), PrepareError> {
        self.rows += parsed.iter().map(|rows| rows.labels.len() as u64).sum::<u64>();
        let columns = &mut self.columns;
        let bags = columns
            .bags
            .par_iter_mut()
            .zip(&mut self.numberings)
            .zip(&mut self.longest_bags);
        let (numbered, ()) = rayon::join(
            || {
                let number = |(feature, ((column, numbering), longest)): (usize, ((_, _), &mut usize))| {
                    let blocks = parsed.iter().map(|rows| &rows.bags[feature]);
                    number_column(blocks, column, numbering, longest)
                        .map_err(|Full| numbering_error(&features.categorical[feature].name))
                };
                bags.enumerate().map(number).collect::<Result<(), _>>()
            },
            || {
                for rows in parsed {
                    columns.labels.extend_from_slice(&rows.labels);
                    for (column, dense) in columns.dense.iter_mut().zip(&rows.dense) {
                        column.extend_from_slice(dense);
                    }
                    columns.splits.extend_from_slice(&rows.splits);
                }
            },
        );
        numbered?;
        if self.columns.len() >= BATCH_ROWS {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), PrepareError> {
        let batch = self
            .columns
            .take(&self.schema)
            .and_then(|batch| self.writer.write(&batch));
        batch.map_err(|source| PrepareError::Arrow {
            path: self.path.clone(),
            source,
        })
    }

    /// Writes what is left.
    pub fn finish(mut self, rejected: u64) -> Result<Read, PrepareError> {
        if self.columns.len() > 0 {
            self.flush()?;
        }
        self.writer.finish().map_err(|source| PrepareError::Arrow {
            path: self.path.clone(),
            source,
        })?;
        Ok(Read {
            spool: self.path,
            rows: self.rows,
            rejected,
            // the tables that found the numbers are of no use any more
            categories: self.numberings.into_iter().map(Numbering::into_values).collect(),
            longest_bags: self.longest_bags,
        })
    }
}

fn number_column<'a>(
    blocks: impl Iterator<Item = &'a RawBags>,
    column: &mut BagColumn,
    numbering: &mut Numbering,
    longest: &mut usize,
) -> Result<(), Full> {
    for bags in blocks {
        let numbers = match (&mut *column, &bags.lengths) {
            (BagColumn::Plain(numbers), _) => numbers,
            (BagColumn::List { lengths, entries }, new) => {
                let new = new.as_deref().unwrap_or_default();
                *longest = new.iter().copied().max().unwrap_or(0).max(*longest);
                lengths.extend_from_slice(new);
                entries
            }
        };
        numbering.number(&bags.values, numbers)?;
    }
    Ok(())
}

fn numbering_error(name: &str) -> PrepareError {
    PrepareError::Feature {
        name: name.to_owned(),
        message: "more than 2³² − 1 different categories".to_owned(),
    }
}
