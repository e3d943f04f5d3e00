//! Parsed rows by column, their categories not numbered yet.

use std::mem;

use super::columns::split_code;
use super::rejected;
use super::values::Values;
use super::{BadRows, PrepareError};
use crate::data::schema::Split;
use crate::data::source::{Block, RawExample, RawFeatures, RowError, SourceError, SplitRule};

/// A block of a source, and how many rows of the source come before it, bad ones counted.
pub(super) struct Unparsed {
    pub block: Box<dyn Block>,
    pub first: u64,
}

/// The rows of one block.
pub(super) struct Rows {
    pub labels: Vec<f32>,
    pub dense: Vec<Vec<f32>>,
    pub bags: Vec<RawBags>,
    /// A code of [`split_code`] for each row.
    pub splits: Vec<u8>,
    /// The lines of `rejected.tsv`, and how many.
    pub rejected: (Vec<u8>, u64),
    /// What ends the preparation behind these rows.
    pub failure: Option<PrepareError>,
    example: RawExample,
}

/// One categorical column.
pub(super) struct RawBags {
    pub values: Values,
    /// The length of each bag; nothing for a plain feature, where all are one.
    pub lengths: Option<Vec<usize>>,
}

/// How blocks are parsed.
#[derive(Clone, Copy)]
pub(super) struct Parser {
    pub rule: SplitRule,
    pub seed: u64,
    pub bad_rows: BadRows,
}

impl Rows {
    pub fn new(features: &RawFeatures) -> Rows {
        let bags = features.categorical.iter().map(|feature| RawBags {
            values: Values::default(),
            lengths: feature.is_bag.then(Vec::new),
        });
        Rows {
            labels: Vec::new(),
            dense: features.dense.iter().map(|_| Vec::new()).collect(),
            bags: bags.collect(),
            splits: Vec::new(),
            rejected: Default::default(),
            failure: None,
            example: RawExample::default(),
        }
    }

    /// Forgets everything but the memory.
    fn clear(&mut self) {
        self.labels.clear();
        self.dense.iter_mut().for_each(Vec::clear);
        for bags in &mut self.bags {
            bags.values.clear();
            bags.lengths.iter_mut().for_each(Vec::clear);
        }
        self.splits.clear();
        self.rejected.0.clear();
        self.rejected.1 = 0;
        self.failure = None;
    }

    /// Replaces the rows by those of a block, up to its end or to what ends the preparation.
    pub fn parse(&mut self, unparsed: Unparsed, parser: Parser) {
        self.clear();
        self.failure = self.parse_all(unparsed, parser).err();
    }

    fn parse_all(&mut self, Unparsed { mut block, first }: Unparsed, parser: Parser) -> Result<(), PrepareError> {
        let end = first + block.rows();
        let mut example = mem::take(&mut self.example);
        loop {
            let row = end - block.rows();
            match block.next(&mut example) {
                Ok(false) => break,
                Ok(true) => {
                    self.push(&example, parser.rule)?;
                    self.splits.push(split_code(parser.split(&example, row)));
                }
                Err(RowError::Bad(row)) if parser.bad_rows == BadRows::Skip => {
                    rejected::write(&row, &mut self.rejected.0);
                    self.rejected.1 += 1;
                }
                Err(RowError::Bad(row)) => return Err(PrepareError::BadRow(row)),
                Err(RowError::Fatal(error)) => return Err(error.into()),
            }
        }
        self.example = example;
        Ok(())
    }

    /// A source that breaks its own promise is reported as such: what follows relies on it.
    fn push(&mut self, example: &RawExample, rule: SplitRule) -> Result<(), SourceError> {
        let mut sound = example.dense.len() == self.dense.len()
            && example.num_features() == self.bags.len()
            && (rule != SplitRule::Given || example.split.is_some());
        self.labels.push(f32::from(u8::from(example.label)));
        for (column, &value) in self.dense.iter_mut().zip(&example.dense) {
            sound &= value.is_finite();
            column.push(value);
        }
        for (feature, bags) in self.bags.iter_mut().enumerate().take(example.num_features()) {
            let bag = example.bag(feature);
            match &mut bags.lengths {
                Some(lengths) => lengths.push(bag.len()),
                None => sound &= bag.len() == 1,
            }
            bag.for_each(|category| bags.values.push(category));
        }
        if sound {
            return Ok(());
        }
        let message = "the source yielded a row that is not of its own shape".to_owned();
        Err(SourceError::Other(message))
    }
}

impl Parser {
    /// Decides the split of a row where the row alone decides.
    fn split(&self, example: &RawExample, row: u64) -> Option<Split> {
        match self.rule {
            SplitRule::Given => example.split,
            SplitRule::InOrder(_) => None,
            SplitRule::Random(weights) => Some(random_split(example.hash(row, self.seed), weights)),
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
