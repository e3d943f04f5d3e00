//! First pass: read the source, number the categories, spool the columns.

use std::path::PathBuf;

use rayon::prelude::*;

use super::rejected::Rejected;
use super::rows::{Parser, Rows, Unparsed};
use super::spool::Spool;
use super::staging::Staging;
use super::values::Values;
use super::{BadRows, OnProgress, Options, Phase, PrepareError, Progress};
use crate::data::source::{RawFeatures, Source};

/// Blocks of a round for each thread: some take longer than others.
const BLOCKS_PER_THREAD: usize = 2;

/// What the first pass found.
pub(super) struct Read {
    /// The spooled columns.
    pub spool: PathBuf,
    /// Good rows.
    pub rows: u64,
    /// Bad rows left out.
    pub rejected: u64,
    /// The categories of each feature, by number.
    pub categories: Vec<Values>,
    /// The longest bag of each feature.
    pub longest_bags: Vec<usize>,
}

/// Reads all of `source`, round by round: while one thread reads the blocks of the next round, the others parse those of
/// this one, each into columns of its own, and then number the columns, feature by feature and block after block: the
/// numbers depend on the order of the rows alone.
pub(super) fn number(
    source: &mut dyn Source,
    features: &RawFeatures,
    options: &Options,
    staging: &Staging,
    on_progress: &mut OnProgress<'_>,
) -> Result<Read, PrepareError> {
    let mut rejected = match options.bad_rows {
        BadRows::Fail => None,
        BadRows::Skip => Some(Rejected::create(&staging.output().join("rejected.tsv"))?),
    };
    let parser = Parser {
        rule: source.split_rule(),
        seed: options.seed,
        bad_rows: options.bad_rows,
    };
    let blocks = BLOCKS_PER_THREAD * rayon::current_num_threads();
    let mut reader = Reader {
        source,
        blocks,
        first: 0,
    };
    let mut parsed: Vec<Rows> = (0..blocks).map(|_| Rows::new(features)).collect();
    let mut spool = Spool::create(staging.scratch("spool"), features)?;
    let mut next = reader.read();
    while !next.is_empty() {
        let progress = Progress {
            phase: Phase::Read,
            work: reader.source.progress(),
            rows: spool.rows,
        };
        if on_progress(progress).is_break() {
            return Err(PrepareError::Interrupted);
        }
        let parsed = &mut parsed[..next.len()];
        let mut number = |round: Vec<Unparsed>| {
            let blocks = round.into_par_iter().zip(&mut *parsed).with_max_len(1);
            blocks.for_each(|(block, rows)| rows.parse(block, parser));
            for rows in &mut *parsed {
                rejected
                    .iter_mut()
                    .try_for_each(|rejected| rejected.push(&rows.rejected))?;
                // the first in the order of the source, whichever was found first
                rows.failure.take().map_or(Ok(()), Err)?;
            }
            spool.push(parsed, features)
        };
        let round = std::mem::take(&mut next);
        let (read, numbered) = rayon::join(|| reader.read(), || number(round));
        numbered?;
        next = read;
    }
    let rejected = rejected.map_or(Ok(0), Rejected::finish)?;
    spool.finish(rejected)
}

struct Reader<'a> {
    source: &'a mut dyn Source,
    blocks: usize,
    first: u64,
}

impl Reader<'_> {
    /// The blocks of a round; none at the end.
    fn read(&mut self) -> Vec<Unparsed> {
        let mut round = Vec::with_capacity(self.blocks);
        while round.len() < self.blocks
            && let Some(block) = self.source.read()
        {
            let first = self.first;
            self.first += block.rows();
            round.push(Unparsed { block, first });
        }
        round
    }
}
