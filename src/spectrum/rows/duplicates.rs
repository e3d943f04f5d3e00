//! How many rows are distinct, from their hashes, in memory that does not grow with their number.
//!
//! The hashes of all distinct rows are kept with their counts while they are at most [`CAPACITY`]: then everything is exact. Beyond that
//! only hashes that are multiples of 2^s stay, s as small as the capacity allows (adaptive sampling of distinct values: Wegman's
//! method, Flajolet, *On adaptive sampling*, Computing 1990). Whether a row's hash is kept depends on nothing but the row's bits
//! and s, and s on nothing but the set of rows, so the result does not depend on the order of the rows, on threads, or on how the
//! table was cut into parts.
//!
//! The estimate is made stratum by stratum: [`STRATA`] strata by other bits of the hash, in each of which every row is counted. In an
//! ordinary stratum the repeats seen in the sample are scaled up; its error is nothing where nothing repeats. A stratum with far
//! more rows than the others holds a row that is repeated often, which the sample holds or misses as a whole: there the distinct rows
//! are scaled up, and what is left of the stratum's rows repeats. Which of the two it is depends on the strata's sizes alone, whose bits are
//! independent of the sample's, so both are unbiased.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Most distinct rows that are kept: 7/8 of 2²⁰, which a hash table of 26 MB holds.
pub const CAPACITY: usize = 7 << 17;
/// Strata of the estimate.
pub(super) const STRATA: usize = 1 << 12;

/// 128 bits of a row's hash.
pub(super) type Hash = [u64; 2];

/// What is known of the distinct rows of a table; those of its parts add up to the table's, to the bit.
#[derive(Debug, Clone)]
pub struct Distinct {
    /// s: hashes that are multiples of 2^s are kept.
    pub(super) level: u32,
    /// Hash and number of rows that have it.
    pub(super) kept: HashTable<(Hash, u64)>,
    /// All rows of each stratum.
    pub(super) strata: Vec<u64>,
    pub(super) capacity: usize,
}

impl Default for Distinct {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl PartialEq for Distinct {
    fn eq(&self, other: &Self) -> bool {
        (self.level, self.capacity, &self.strata) == (other.level, other.capacity, &other.strata)
            && self.sorted() == other.sorted()
    }
}

/// How many of a table's rows repeat others.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Duplicates {
    /// Whether the numbers are exact; else they are estimates.
    pub exact: bool,
    /// Rows left when every row is kept once.
    pub distinct_rows: u64,
    /// Rows that are equal to one that is kept: n − `distinct_rows`.
    pub repeated_rows: u64,
    /// The standard error of both estimates, in rows; 0 where they are exact.
    pub standard_error: f64,
    /// How many rows are equal to one another in the largest group; none where that is not known.
    pub largest_group: Option<u64>,
}

/// The stratum of a hash: bits that neither sampling nor the hash table uses.
#[inline(always)]
pub(super) fn stratum(hash: &Hash) -> usize {
    (hash[0] >> 52) as usize
}

/// Whether a hash is a multiple of 2^level.
#[inline(always)]
pub(super) fn sampled(hash: &Hash, level: u32) -> bool {
    hash[0].trailing_zeros() >= level
}

impl Distinct {
    /// Keeps at most so many hashes.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            level: 0,
            kept: HashTable::new(),
            strata: vec![0; STRATA],
            capacity: capacity.max(1),
        }
    }

    /// Keeps the hash of `count` equal rows; their strata are counted apart.
    #[inline]
    pub(super) fn keep(&mut self, hash: Hash, count: u64) {
        if !sampled(&hash, self.level) {
            return;
        }
        match self.kept.entry(hash[1], |kept| kept.0 == hash, |kept| kept.0[1]) {
            Entry::Occupied(mut kept) => kept.get_mut().1 += count,
            Entry::Vacant(place) => {
                place.insert((hash, count));
                while self.kept.len() > self.capacity {
                    self.raise(self.level + 1);
                }
            }
        }
    }

    fn raise(&mut self, level: u32) {
        self.level = level;
        self.kept.retain(|kept| sampled(&kept.0, level));
    }

    /// Adds what is known of other rows.
    pub(super) fn and(&mut self, other: &Distinct) {
        self.capacity = self.capacity.min(other.capacity);
        if other.level > self.level {
            self.raise(other.level);
        }
        while self.kept.len() > self.capacity {
            self.raise(self.level + 1);
        }
        other.kept.iter().for_each(|&(hash, count)| self.keep(hash, count));
        self.strata.iter_mut().zip(&other.strata).for_each(|(a, b)| *a += b);
    }

    /// The hashes that are kept and their counts, in order.
    pub(super) fn sorted(&self) -> Vec<(Hash, u64)> {
        let mut kept: Vec<_> = self.kept.iter().copied().collect();
        kept.sort_unstable();
        kept
    }

    /// Rows that went in.
    pub(super) fn rows(&self) -> u64 {
        self.strata.iter().sum()
    }

    /// What is known of repeated rows.
    pub fn duplicates(&self) -> Duplicates {
        let rows = self.rows();
        if self.level == 0 {
            let distinct_rows = self.kept.len() as u64;
            return Duplicates {
                exact: true,
                distinct_rows,
                repeated_rows: rows - distinct_rows,
                standard_error: 0.0,
                largest_group: Some(self.kept.iter().map(|kept| kept.1).max().unwrap_or(0)),
            };
        }
        let (repeated, variance) = self.estimate(rows);
        let repeated_rows = repeated.round().clamp(0.0, rows as f64) as u64;
        Duplicates {
            exact: false,
            distinct_rows: rows - repeated_rows,
            repeated_rows,
            standard_error: variance.sqrt(),
            largest_group: None,
        }
    }

    /// Estimate of the repeated rows, and of its variance. A sum over the groups, each seen with probability 2^−s, has the variance
    /// (2^s − 1)·Σ(term)², of which the sample shows 2^s(2^s − 1)·Σ(term seen)².
    fn estimate(&self, rows: u64) -> (f64, f64) {
        let scale = (self.level as f64).exp2();
        let mean = rows as f64 / STRATA as f64;
        // Six standard deviations of a stratum without a group of its own.
        let ordinary = mean + 6.0 * mean.sqrt();
        let crowded = |stratum: usize| self.strata[stratum] as f64 > ordinary;
        let (mut repeats, mut squares) = (0.0, 0.0);
        for (hash, count) in &self.kept {
            if crowded(stratum(hash)) {
                repeats -= 1.0; // one distinct row
                squares += 1.0;
            } else {
                repeats += (count - 1) as f64;
                squares += ((count - 1) as f64).powi(2);
            }
        }
        let whole: u64 = (0..STRATA).filter(|&i| crowded(i)).map(|i| self.strata[i]).sum();
        (whole as f64 + scale * repeats, scale * (scale - 1.0) * squares)
    }
}
