//! How long the rows are: a histogram over the leading bits of the norms.

/// Leading bits of the significand that tell two bins apart.
const BITS: u32 = 8;
/// Bins of one binary exponent.
const BINS: usize = 1 << BITS;
/// Exponents of an f64, without its sign.
const EXPONENTS: usize = 1 << 11;

/// The relative width of a bin, 2⁻⁸: a quantile lies within half of it of the row it stands for.
pub const BIN_WIDTH: f64 = 1.0 / BINS as f64;

/// The distribution of row norms; those of the parts of a table add up to the table's, to the bit.
///
/// A bin holds the norms that agree in their exponent and the first 8 bits behind the point, so that a bin is at most 2⁻⁸ of its
/// norms wide (norms below 2⁻¹⁰²² aside). The least and the greatest norm are kept as they are. At most 4 MiB, whatever the number of
/// rows; a few kB for most tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Norms {
    /// By exponent: the counts of its bins, where there is any.
    pub(super) bins: Vec<Option<Box<[u64; BINS]>>>,
    pub(super) count: u64,
    /// Norms of 0, which are in no bin.
    pub(super) zeros: u64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

impl Default for Norms {
    fn default() -> Self {
        Self {
            bins: vec![None; EXPONENTS],
            count: 0,
            zeros: 0,
            least: f64::INFINITY,
            greatest: 0.0,
        }
    }
}

impl Norms {
    /// Counts a norm, which is not negative.
    #[inline(always)]
    pub(super) fn add(&mut self, norm: f64) {
        self.least = self.least.min(norm);
        self.greatest = self.greatest.max(norm);
        if norm == 0.0 {
            self.zeros += 1;
            self.count += 1;
            return;
        }
        self.add_bin((norm.to_bits() >> (52 - BITS)) as usize % (EXPONENTS * BINS), 1);
    }

    #[inline(always)]
    pub(super) fn add_bin(&mut self, bin: usize, count: u64) {
        self.bins[bin / BINS].get_or_insert_with(|| Box::new([0; BINS]))[bin % BINS] += count;
        self.count += count;
    }

    /// Every bin that is not empty and its count, from the shortest norms on.
    pub(super) fn filled(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let pages = self.bins.iter().enumerate();
        let of_page = |(page, bins): (usize, &'_ Option<Box<[u64; BINS]>>)| {
            let first = page * BINS;
            bins.iter()
                .flat_map(move |bins| bins.iter().enumerate().map(move |(i, &count)| (first + i, count)))
                .collect::<Vec<_>>()
        };
        pages.flat_map(of_page).filter(|&(_, count)| count > 0)
    }

    /// Adds the norms of other rows.
    pub(super) fn and(&mut self, other: &Norms) {
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.zeros += other.zeros;
        self.count += other.zeros;
        other.filled().for_each(|(bin, count)| self.add_bin(bin, count));
    }

    /// The norm of the row that stands at place ⌈share·n⌉ when rows are sorted by their norm (at place 1 for a share of 0): the middle
    /// of its bin; exact for the first and the last place. None where there is no row.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let place = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        if place == 1 || self.count == 0 {
            return (self.count > 0).then_some(self.least);
        }
        if place == self.count {
            return Some(self.greatest);
        }
        if place <= self.zeros {
            return Some(0.0);
        }
        let mut below = self.zeros;
        let (bin, _) = self.filled().find(|&(_, count)| {
            below += count;
            below >= place
        })?;
        let edge = |bin: usize| f64::from_bits((bin as u64) << (52 - BITS));
        // Sums of two edges would overflow at the end of the range.
        Some((0.5 * edge(bin) + 0.5 * edge(bin + 1)).clamp(self.least, self.greatest))
    }
}
