//! How narrow a table could be: the bytes of its truncations, and the least of them that keep a share of its energy.
//!
//! A table W (n×d) is stored in one of three forms. *Kept*: the factors as they are. *Multiplied*: one n×d matrix; only smaller
//! for a product whose inner dimension is large. *Factored* at rank d': n×d' and d'×d, whose product is the closest matrix of
//! that rank in every unitarily invariant norm (Eckart and Young 1936, Mirsky 1960), with `Σ_{i>d'} σᵢ²` of the energy
//! `‖W‖_F² = Σσᵢ²` lost. Bytes are those of the numbers, each in the type of the first factor; no form is advised that takes
//! more than what is stored.

mod budget;

pub use budget::{Candidate, Plan, TooSmall, within_budget};

use super::measures::energy_dim;
use super::table::{Factor, Float, Table, Values};

/// The shares of energy that a report gives advice for.
pub const SHARES: [f64; 4] = [0.9, 0.95, 0.99, 0.999];

/// How a table is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// All factors as they are.
    Kept,
    /// One n×d matrix.
    Multiplied,
    /// n×d' and d'×d, with d' at least 1.
    Factored(usize),
}

/// What decides the bytes of a table's forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// n.
    pub rows: usize,
    /// d.
    pub cols: usize,
    /// Bytes of one number of the first factor.
    pub number: usize,
    /// Bytes of all numbers as they are stored.
    pub stored: u64,
}

impl Size {
    /// The sizes of a table.
    pub fn of(table: &Table) -> Self {
        let bytes = |factor: &Factor| (factor.len() as u64).saturating_mul(stored_type(factor).size() as u64);
        Self {
            rows: table.num_embeddings(),
            cols: table.embedding_dim(),
            number: table.factors.first().map_or(0, |first| stored_type(first).size()),
            stored: table.factors.iter().map(bytes).sum(),
        }
    }

    /// Bytes of a form.
    pub fn bytes(&self, form: Form) -> u64 {
        let numbers = |rows: u64, cols: u64| rows.saturating_mul(cols).saturating_mul(self.number as u64);
        let (n, d) = (self.rows as u64, self.cols as u64);
        match form {
            Form::Kept => self.stored,
            Form::Multiplied => numbers(n, d),
            Form::Factored(rank) => numbers(n + d, rank as u64),
        }
    }

    /// The smallest form without loss.
    pub fn whole(&self) -> Form {
        if self.bytes(Form::Multiplied) < self.stored {
            Form::Multiplied
        } else {
            Form::Kept
        }
    }

    /// The smallest form that keeps the `rank` leading directions: never more bytes than [`Size::whole`]. A table has at least
    /// one column.
    pub fn smallest(&self, rank: usize) -> Form {
        let factored = Form::Factored(rank.max(1));
        if self.bytes(factored) < self.bytes(self.whole()) {
            factored
        } else {
            self.whole()
        }
    }
}

/// The type that a factor's numbers have in its file, also where they were copied into a wider one.
pub fn stored_type(factor: &Factor) -> Float {
    match &factor.values {
        Values::Mapped(mapped) => mapped.float(),
        Values::F32(_) | Values::F64(_) => [Float::F16, Float::Bf16, Float::F32]
            .into_iter()
            .find(|float| float.epsilon() == factor.epsilon)
            .unwrap_or(Float::F64),
    }
}

/// What a share of energy costs.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Advice {
    /// The share of `Σσᵢ²` to be kept.
    pub energy: f64,
    /// The least d' that keeps it; at least 1.
    pub rank: usize,
    /// Bytes of the table in its smallest form that keeps it.
    pub bytes: u64,
    /// How much less that is than what is stored; 0: the table stays as it is.
    pub bytes_saved: u64,
}

impl Advice {
    /// Names and values of its columns in a table: `advice_0.99_rank`, ….
    pub fn cells(&self) -> [(String, String); 3] {
        let name = |what: &str| format!("advice_{}_{what}", self.energy);
        [
            (name("rank"), self.rank.to_string()),
            (name("bytes"), self.bytes.to_string()),
            (name("bytes_saved"), self.bytes_saved.to_string()),
        ]
    }
}

/// The least d' for each share of energy, σ descending, and what it saves.
pub fn advice(sigma: &[f64], size: &Size, shares: &[f64]) -> Vec<Advice> {
    let of = |&energy: &f64| {
        let rank = energy_dim(sigma, energy).max(1);
        let bytes = size.bytes(size.smallest(rank));
        Advice {
            energy,
            rank,
            bytes,
            bytes_saved: size.stored - bytes,
        }
    };
    shares.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(rows: usize, cols: usize, number: usize) -> Size {
        let stored = (rows * cols * number) as u64;
        Size {
            rows,
            cols,
            number,
            stored,
        }
    }

    #[test]
    fn the_least_rank_that_keeps_the_share() {
        // Energies 900, 90, 9, 1: 90 %, 99 %, 99.9 %.
        let sigma = [30.0, 90f64.sqrt(), 3.0, 1.0];
        let found = advice(&sigma, &plain(1000, 4, 4), &[0.89, 0.98, 0.995, 1.0]);
        let ranks: Vec<usize> = found.iter().map(|a| a.rank).collect();
        assert_eq!(ranks, [1, 2, 3, 4]);
        assert_eq!((found[1].bytes, found[1].bytes_saved), (4 * 1004 * 2, 16_000 - 8032));
        // 1004·4 numbers are more than 1000·4: the table stays.
        assert_eq!((found[3].bytes, found[3].bytes_saved), (16_000, 0));
    }

    #[test]
    fn nothing_is_advised_that_is_larger_than_what_is_stored() {
        for (n, d, number) in [(3, 16, 4), (16, 16, 2), (17, 4, 8), (1, 1, 4)] {
            for rank in 0..=d {
                let size = plain(n, d, number);
                assert!(size.bytes(size.smallest(rank)) <= size.stored);
            }
        }
        // A factor of width 1 and 3 rows: (3 + 16)·1 numbers are fewer than 48.
        assert_eq!(plain(3, 16, 4).smallest(1), Form::Factored(1));
        assert_eq!(plain(3, 16, 4).smallest(3), Form::Kept);
    }

    #[test]
    fn a_wide_product_is_smaller_multiplied() {
        let product = Size {
            rows: 1000,
            cols: 4,
            number: 4,
            stored: 4 * (1000 * 64 + 64 * 4),
        };
        assert_eq!(product.smallest(4), Form::Multiplied);
        assert_eq!(product.smallest(3), Form::Factored(3));
        let narrow = Size {
            stored: 4 * (1000 * 2 + 2 * 4),
            ..product
        };
        assert_eq!(narrow.smallest(2), Form::Kept);
        assert_eq!(narrow.smallest(1), Form::Factored(1));
    }

    #[test]
    fn a_zero_table_keeps_one_column() {
        let found = advice(&[0.0, 0.0], &plain(10, 2, 4), &[0.99]);
        assert_eq!((found[0].rank, found[0].bytes), (1, 48));
    }

    #[test]
    fn half_precision_counts_two_bytes() {
        let mut factor = Factor::f32("w", ndarray::Array2::zeros((5, 2)));
        factor.epsilon = Float::Bf16.epsilon();
        assert_eq!(stored_type(&factor), Float::Bf16);
        let size = Size::of(&Table::new("w", vec![factor]));
        assert_eq!((size.number, size.stored), (2, 20));
    }
}
