//! The numbered columns on their way into a scratch file.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_ipc::writer::StreamWriter;
use arrow_schema::Schema;
use rayon::prelude::*;

use super::PrepareError;
use super::columns::{BagColumn, Columns, batch_schema, split_code};
use super::number::{Chunk, Splitter};
use super::numbering::{Numbering, NumberingError};
use crate::data::examples::BATCH_ROWS;
use crate::data::source::{RawExample, RawFeatures, SourceError, SplitRule};

/// The numbered columns on their way into the scratch file.
pub(super) struct Spool {
    pub path: PathBuf,
    schema: Arc<Schema>,
    writer: StreamWriter<BufWriter<File>>,
    columns: Columns,
    pub numberings: Vec<Numbering>,
    pub longest_bags: Vec<usize>,
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
        })
    }

    /// Numbers and appends a chunk.
    pub fn push(&mut self, chunk: &Chunk, features: &RawFeatures, splitter: Splitter) -> Result<(), PrepareError> {
        let examples = &chunk.examples[..chunk.len];
        examples
            .iter()
            .try_for_each(|example| check_shape(example, features, splitter.rule))?;
        let columns = &mut self.columns;
        let bags = columns
            .bags
            .par_iter_mut()
            .zip(&mut self.numberings)
            .zip(&mut self.longest_bags);
        let (numbered, ()) = rayon::join(
            || {
                let number = |(feature, ((column, numbering), longest)): (usize, ((_, _), &mut usize))| {
                    number_column(examples, feature, column, numbering, longest)
                        .map_err(|error| numbering_error(error, &features.categorical[feature].name))
                };
                bags.enumerate().map(number).collect::<Result<(), _>>()
            },
            || {
                columns
                    .labels
                    .extend(examples.iter().map(|example| f32::from(u8::from(example.label))));
                for (column, dense) in columns.dense.iter_mut().enumerate() {
                    dense.extend(examples.iter().map(|example| example.dense[column]));
                }
                let splits = examples.iter().zip(&chunk.ordinals);
                columns
                    .splits
                    .extend(splits.map(|(example, &row)| split_code(splitter.split(example, row))));
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
    pub fn finish(mut self) -> Result<Spool, PrepareError> {
        if self.columns.len() > 0 {
            self.flush()?;
        }
        self.writer.finish().map_err(|source| PrepareError::Arrow {
            path: self.path.clone(),
            source,
        })?;
        Ok(self)
    }
}

fn number_column(
    examples: &[RawExample],
    feature: usize,
    column: &mut BagColumn,
    numbering: &mut Numbering,
    longest: &mut usize,
) -> Result<(), NumberingError> {
    for example in examples {
        let bag = example.bag(feature);
        *longest = bag.len().max(*longest);
        match column {
            BagColumn::Plain(numbers) => {
                for category in bag {
                    numbers.push(numbering.number(category)?);
                }
            }
            BagColumn::List { lengths, entries } => {
                lengths.push(bag.len());
                for category in bag {
                    entries.push(numbering.number(category)?);
                }
            }
        }
    }
    Ok(())
}

fn numbering_error(error: NumberingError, name: &str) -> PrepareError {
    let message = match error {
        NumberingError::Full => "more than 2³² − 1 different categories".to_owned(),
        NumberingError::NotUtf8 => "a category that is not UTF-8 was let through".to_owned(),
    };
    PrepareError::Feature {
        name: name.to_owned(),
        message,
    }
}

/// A source that breaks its own promise is reported as such: what follows relies on it.
fn check_shape(example: &RawExample, features: &RawFeatures, rule: SplitRule) -> Result<(), SourceError> {
    let sound = example.dense.len() == features.dense.len()
        && example.num_features() == features.categorical.len()
        && features
            .categorical
            .iter()
            .enumerate()
            .all(|(index, feature)| feature.is_bag || example.bag(index).len() == 1)
        && (rule != SplitRule::Given || example.split.is_some())
        && example.dense.iter().all(|value| value.is_finite());
    if sound {
        Ok(())
    } else {
        Err(SourceError::Other(
            "the source yielded a row that is not of its own shape".into(),
        ))
    }
}
