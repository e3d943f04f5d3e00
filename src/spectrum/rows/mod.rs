//! What the rows of a table are like: how long, how many of them zero, untrained or equal to others, and what they have in common.
//!
//! - [`count_rows`]: one pass → [`RowCounts`], which add up over the parts of a table; [`RowCounts::statistics`] reads them.
//! - [`Norms`]: quantiles of the row norms. [`Distinct`]: rows that repeat others.
//! - [`centred_values`]: the spectrum without the mean row. [`weighted_values`]: the spectrum as training uses the rows.

mod block;
mod duplicates;
mod norms;
mod scan;
mod spectra;

pub use duplicates::{CAPACITY, Distinct, Duplicates};
pub use norms::{BIN_WIDTH, Norms};
pub use scan::count_rows;
pub use spectra::{centred_values, weighted_values};

use super::SpectrumError;
use super::table::{Factor, Table};
use serde::Serialize;

/// The shares whose quantiles are reported.
pub const SHARES: [f64; 9] = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];

/// What is counted over the rows of a table. Counts, norms and distinct rows of a table's parts add up to those of the table, to
/// the bit; the two sums in f64 to within their rounding.
#[derive(Debug, Clone, PartialEq)]
pub struct RowCounts {
    /// n.
    pub rows: u64,
    /// Norms of the end-to-end rows.
    pub norms: Norms,
    /// Σ‖row‖² over the end-to-end rows: the squared Frobenius norm.
    pub squares: f64,
    /// The columns of the first factor, each summed.
    pub sums: Vec<f64>,
    /// Rows of the first factor that hold nothing but zeros.
    pub zero_rows: u64,
    /// Rows of the first factor that have the bits they had before training; none where the start is not known.
    pub initial_rows: Option<u64>,
    /// Rows that do not occur in the training data; none where frequencies are not known.
    pub unused_rows: Option<u64>,
    /// Rows that are both.
    pub unused_initial_rows: Option<u64>,
    /// Distinct rows of the first factor, −0 taken as 0.
    pub distinct: Distinct,
}

impl RowCounts {
    fn empty(cols: usize, initial: bool, frequencies: bool) -> Self {
        RowCounts {
            rows: 0,
            norms: Norms::default(),
            squares: 0.0,
            sums: vec![0.0; cols],
            zero_rows: 0,
            initial_rows: initial.then_some(0),
            unused_rows: frequencies.then_some(0),
            unused_initial_rows: (initial && frequencies).then_some(0),
            distinct: Distinct::default(),
        }
    }

    fn add(&mut self, other: &RowCounts) {
        self.rows += other.rows;
        self.norms.and(&other.norms);
        self.squares += other.squares;
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| *a += b);
        self.zero_rows += other.zero_rows;
        // What one part does not know is not known of the whole.
        let both = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a + b);
        self.initial_rows = both(self.initial_rows, other.initial_rows);
        self.unused_rows = both(self.unused_rows, other.unused_rows);
        self.unused_initial_rows = both(self.unused_initial_rows, other.unused_initial_rows);
        self.distinct.and(&other.distinct);
    }

    /// The counts over the rows of both: parts of one table, with the same columns and the same further factors.
    #[must_use]
    pub fn and(mut self, other: &RowCounts) -> Self {
        self.add(other);
        self
    }

    /// The mean row μ of the first factor (for a product, the mean end-to-end row is μ·W₂⋯).
    pub fn mean(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.rows.max(1) as f64).collect()
    }

    /// What is reported of a table whose factors these are.
    ///
    /// # Errors
    /// [`SpectrumError`]: factors that do not fit, a further factor that is not finite.
    pub fn statistics(&self, factors: &[Factor]) -> Result<RowStatistics, SpectrumError> {
        let centre_norm = spectra::centre_norm(factors, self)?;
        let root_mean_square = (self.squares / self.rows.max(1) as f64).sqrt();
        let quantile = |&share: &f64| self.norms.quantile(share).map(|norm| Quantile { share, norm });
        Ok(RowStatistics {
            rows: self.rows,
            norms: SHARES.iter().filter_map(quantile).collect(),
            zero_rows: self.zero_rows,
            initial_rows: self.initial_rows,
            unused_rows: self.unused_rows,
            unused_initial_rows: self.unused_initial_rows,
            duplicates: self.distinct.duplicates(),
            centre_norm,
            centre_share: match root_mean_square > 0.0 && root_mean_square.is_finite() {
                true => Some((centre_norm / root_mean_square).min(1.0)),
                false => None,
            },
        })
    }
}

/// A quantile of the row norms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantile {
    /// Share of the rows that are not longer, 0 to 1.
    pub share: f64,
    /// The norm, to within 2⁻⁹ of itself; exact for shares of 0 and 1.
    pub norm: f64,
}

/// What a report says of the rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowStatistics {
    /// n.
    pub rows: u64,
    /// Norms of the end-to-end rows at [`SHARES`], ascending; empty where there is no row.
    pub norms: Vec<Quantile>,
    /// Rows of zeros (of the first factor, for a product; so are those below).
    pub zero_rows: u64,
    /// Rows with the bits they had before training; null where the start is not known.
    pub initial_rows: Option<u64>,
    /// Rows that do not occur in the training data; null where frequencies are not known.
    pub unused_rows: Option<u64>,
    /// Rows that are both: never trained.
    pub unused_initial_rows: Option<u64>,
    /// Rows that repeat others.
    pub duplicates: Duplicates,
    /// ‖μ‖, μ the mean end-to-end row.
    pub centre_norm: f64,
    /// ‖μ‖ over the root mean square of the row norms, 0 to 1: 1 where all rows are equal. Null where all are zero.
    pub centre_share: Option<f64>,
}

/// The statistics of a table's rows, from one pass.
///
/// # Errors
/// As [`count_rows`].
pub fn row_statistics(table: &Table) -> Result<RowStatistics, SpectrumError> {
    count_rows(table)?.statistics(&table.factors)
}
