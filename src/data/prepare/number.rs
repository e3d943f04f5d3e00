//! First pass: read the source, number the categories, spool the columns.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_ipc::writer::StreamWriter;
use arrow_schema::Schema;
use rayon::prelude::*;

use super::columns::{BagColumn, Columns, batch_schema, split_code};
use super::numbering::{Numbering, NumberingError};
use super::rejected::Rejected;
use super::staging::Staging;
use super::{BadRows, OnProgress, Options, Phase, PrepareError, Progress};
use crate::data::examples::BATCH_ROWS;
use crate::data::schema::Split;
use crate::data::source::{RawExample, RawFeatures, RowError, Source, SourceError, SplitRule};

/// Rows that are read at once, while those before them are numbered. Divides [`BATCH_ROWS`].
const CHUNK_ROWS: usize = 4096;

/// What the first pass found.
pub(super) struct Read {
    /// The spooled columns.
    pub spool: PathBuf,
    /// Good rows.
    pub rows: u64,
    /// Bad rows left out.
    pub rejected: u64,
    /// The categories of each feature.
    pub numberings: Vec<Numbering>,
    /// The longest bag of each feature.
    pub longest_bags: Vec<usize>,
}

/// Reads all of `source`. One thread parses a chunk of rows while the others number the chunk before it, feature by
/// feature: the numbers depend on the order of the rows alone.
pub(super) fn number(
    source: &mut dyn Source,
    features: &RawFeatures,
    options: &Options,
    staging: &Staging,
    on_progress: &mut OnProgress<'_>,
) -> Result<Read, PrepareError> {
    let rejected = match options.bad_rows {
        BadRows::Fail => None,
        BadRows::Skip => Some(Rejected::create(&staging.output().join("rejected.tsv"))?),
    };
    let splitter = Splitter {
        rule: source.split_rule(),
        seed: options.seed,
    };
    let mut reader = Reader {
        source,
        rejected,
        ordinal: 0,
    };
    let mut spool = Spool::create(staging.scratch("spool"), features)?;
    let (mut current, mut next) = (Chunk::default(), Chunk::default());
    let mut rows = 0;
    reader.read(&mut current)?;
    while current.len > 0 {
        rows += current.len as u64;
        let progress = Progress {
            phase: Phase::Read,
            work: reader.source.progress(),
            rows,
        };
        if on_progress(progress).is_break() {
            return Err(PrepareError::Interrupted);
        }
        let (read, numbered) = rayon::join(|| reader.read(&mut next), || spool.push(&current, features, splitter));
        numbered?;
        read?;
        std::mem::swap(&mut current, &mut next);
    }
    let rejected = reader.rejected.map_or(Ok(0), Rejected::finish)?;
    let Spool {
        path,
        numberings,
        longest_bags,
        ..
    } = spool.finish()?;
    Ok(Read {
        spool: path,
        rows,
        rejected,
        numberings,
        longest_bags,
    })
}

/// Some raw examples and the place of each in the source, rejected rows counted.
#[derive(Default)]
struct Chunk {
    examples: Vec<RawExample>,
    ordinals: Vec<u64>,
    len: usize,
}

struct Reader<'a> {
    source: &'a mut dyn Source,
    rejected: Option<Rejected>,
    ordinal: u64,
}

impl Reader<'_> {
    /// Fills `chunk` with the next rows; none at the end.
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), PrepareError> {
        chunk.len = 0;
        chunk.ordinals.clear();
        chunk.examples.resize_with(CHUNK_ROWS, RawExample::default);
        while chunk.len < CHUNK_ROWS {
            match self.source.next(&mut chunk.examples[chunk.len]) {
                Ok(false) => break,
                Ok(true) => {
                    chunk.ordinals.push(self.ordinal);
                    chunk.len += 1;
                }
                Err(RowError::Bad(row)) => match &mut self.rejected {
                    Some(rejected) => rejected.push(&row)?,
                    None => return Err(PrepareError::BadRow(row)),
                },
                Err(RowError::Fatal(error)) => return Err(error.into()),
            }
            self.ordinal += 1;
        }
        Ok(())
    }
}

/// Decides the split of a row where the row alone decides.
#[derive(Clone, Copy)]
struct Splitter {
    rule: SplitRule,
    seed: u64,
}

impl Splitter {
    fn split(&self, example: &RawExample, ordinal: u64) -> Option<Split> {
        match self.rule {
            SplitRule::Given => example.split,
            SplitRule::InOrder(_) => None,
            SplitRule::Random(weights) => Some(random_split(example.hash(ordinal, self.seed), weights)),
        }
    }
}

/// The split of a hash: its high bits scaled to the sum of the weights.
fn random_split(hash: u64, weights: [u32; 3]) -> Split {
    let [train, validation, _] = weights.map(u128::from);
    let place = (u128::from(hash) * weights.iter().map(|&weight| u128::from(weight)).sum::<u128>()) >> 64;
    match place {
        place if place < train => Split::Train,
        place if place < train + validation => Split::Validation,
        _ => Split::Test,
    }
}

/// The numbered columns on their way into the scratch file.
struct Spool {
    path: PathBuf,
    schema: Arc<Schema>,
    writer: StreamWriter<BufWriter<File>>,
    columns: Columns,
    numberings: Vec<Numbering>,
    longest_bags: Vec<usize>,
}

impl Spool {
    fn create(path: PathBuf, features: &RawFeatures) -> Result<Spool, PrepareError> {
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

    fn push(&mut self, chunk: &Chunk, features: &RawFeatures, splitter: Splitter) -> Result<(), PrepareError> {
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

    fn finish(mut self) -> Result<Spool, PrepareError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_splits_have_their_shares() {
        let counts = (0..100_000u64).fold([0u32; 3], |mut counts, row| {
            let example = RawExample::default();
            let split = random_split(example.hash(row, 3), [8, 1, 1]);
            counts[split_code(Some(split)) as usize] += 1;
            counts
        });
        // five standard deviations of a binomial count: √(100,000·p·(1 − p))
        for (count, share) in counts.into_iter().zip([0.8, 0.1, 0.1]) {
            let (mean, deviation) = (100_000.0 * share, (100_000.0 * share * (1.0 - share) as f64).sqrt());
            assert!((f64::from(count) - mean).abs() < 5.0 * deviation, "{counts:?}");
        }
        assert_eq!(random_split(0, [1, 0, 0]), Split::Train);
        assert_eq!(random_split(u64::MAX, [1, 1, 0]), Split::Validation);
        assert_eq!(random_split(u64::MAX, [1, 1, 1]), Split::Test);
    }
}
