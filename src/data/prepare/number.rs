//! First pass: read the source, number the categories, spool the columns.

use std::path::PathBuf;

use super::numbering::Numbering;
use super::rejected::Rejected;
use super::spool::Spool;
use super::staging::Staging;
use super::{BadRows, OnProgress, Options, Phase, PrepareError, Progress};
use crate::data::schema::Split;
use crate::data::source::{RawExample, RawFeatures, RowError, Source, SplitRule};

/// Rows that are read at once, while those before them are numbered.
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
    loop {
        rows += current.len as u64;
        let progress = Progress {
            phase: Phase::Read,
            work: reader.source.progress(),
            rows,
        };
        if on_progress(progress).is_break() {
            return Err(PrepareError::Interrupted);
        }
        let mut number = || spool.push(&current, features, splitter);
        let (read, numbered) = match current.last {
            true => (Ok(()), number()),
            false => rayon::join(|| reader.read(&mut next), number),
        };
        numbered?;
        if current.last {
            break;
        }
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
pub(super) struct Chunk {
    pub examples: Vec<RawExample>,
    pub ordinals: Vec<u64>,
    pub len: usize,
    /// Nothing comes behind it.
    last: bool,
}

struct Reader<'a> {
    source: &'a mut dyn Source,
    rejected: Option<Rejected>,
    ordinal: u64,
}

impl Reader<'_> {
    /// Fills `chunk` from the next [`CHUNK_ROWS`] rows, of which some may be bad.
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), PrepareError> {
        (chunk.len, chunk.last) = (0, false);
        chunk.ordinals.clear();
        chunk.examples.resize_with(CHUNK_ROWS, RawExample::default);
        for _ in 0..CHUNK_ROWS {
            match self.source.next(&mut chunk.examples[chunk.len]) {
                Ok(false) => {
                    chunk.last = true;
                    break;
                }
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
pub(super) struct Splitter {
    pub rule: SplitRule,
    seed: u64,
}

impl Splitter {
    pub fn split(&self, example: &RawExample, ordinal: u64) -> Option<Split> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::prepare::columns::split_code;

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
            let (mean, deviation) = (100_000.0 * share, (100_000.0_f64 * share * (1.0 - share)).sqrt());
            assert!((f64::from(count) - mean).abs() < 5.0 * deviation, "{counts:?}");
        }
        assert_eq!(random_split(0, [1, 0, 0]), Split::Train);
        assert_eq!(random_split(u64::MAX, [1, 1, 0]), Split::Validation);
        assert_eq!(random_split(u64::MAX, [1, 1, 1]), Split::Test);
    }
}
