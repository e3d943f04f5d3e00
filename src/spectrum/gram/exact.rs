//! Gram matrices AᵀA without any rounding: big integers and one power of two.

mod digits;

use crate::spectrum::SpectrumError;
use crate::spectrum::table::Factor;
use digits::Task;
use num_bigint::BigInt;
use num_traits::Zero;
use rayon::prelude::*;

/// AᵀA of a stored n×d matrix A, exactly: `entries · 2^exponent`.
///
/// A sum of integers has no order: the same matrix gives the same numbers for any number of threads and any split into parts.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactGram {
    /// n: rows that went in.
    pub rows: u64,
    /// d.
    pub cols: usize,
    /// The common power of two; 0 for the zero matrix, else as great as can be.
    pub exponent: i64,
    /// d×d, row-major, symmetric.
    pub entries: Vec<BigInt>,
}

impl ExactGram {
    /// The Gram matrix of a factor, one pass over its rows in parallel; memory does not grow with the rows.
    ///
    /// Rows are taken 2¹⁴ at a time: their entries become integers over the smallest exponent among them, cut into
    /// digits of 53 bits, and products of digits are summed in 128 bits; one digit does for most tables of f32.
    ///
    /// # Errors
    /// [`SpectrumError::NotFinite`].
    pub fn of(factor: &Factor) -> Result<Self, SpectrumError> {
        let (rows, cols) = (factor.rows(), factor.cols());
        let starts: Vec<usize> = (0..rows).step_by(digits::ROWS).collect();
        let task = |start: &usize| {
            let end = rows.min(start + digits::ROWS);
            factor.with_rows(*start..end, |entries| Task { entries, cols }.run(*start))
        };
        let not_finite = |(row, column)| SpectrumError::NotFinite {
            tensor: factor.name.clone(),
            row,
            column,
        };
        let sum = (starts.par_iter())
            .map(|start| task(start).map_err(not_finite))
            .try_reduce(
                || Triangle::empty(cols),
                |mut sum, part| {
                    sum.add(part);
                    Ok(sum)
                },
            )?;
        Ok(sum.symmetric(rows as u64))
    }

    /// The Gram matrix of the rows of both, which have the same columns.
    #[must_use]
    pub fn and(&self, other: &ExactGram) -> Self {
        let mut sum = Triangle::of(self);
        sum.add(Triangle::of(other));
        sum.symmetric(self.rows + other.rows)
    }

    /// Entry (i, j), without the power of two.
    pub fn at(&self, i: usize, j: usize) -> &BigInt {
        &self.entries[i * self.cols + j]
    }
}

/// The upper triangle of a part's Gram matrix, row by row.
#[derive(Debug, Clone)]
struct Triangle {
    cols: usize,
    exponent: i64,
    entries: Vec<BigInt>,
}

impl Triangle {
    fn empty(cols: usize) -> Self {
        Self {
            cols,
            exponent: 0,
            entries: Vec::new(), // zeros
        }
    }

    fn of(gram: &ExactGram) -> Self {
        let pairs = (0..gram.cols).flat_map(|i| (i..gram.cols).map(move |j| (i, j)));
        Self {
            cols: gram.cols,
            exponent: gram.exponent,
            entries: pairs.map(|(i, j)| gram.at(i, j).clone()).collect(),
        }
    }

    fn add(&mut self, mut other: Self) {
        if other.entries.is_empty() {
            return;
        }
        if self.entries.is_empty() {
            *self = other;
            return;
        }
        if other.exponent < self.exponent {
            std::mem::swap(self, &mut other);
        }
        let shift = (other.exponent - self.exponent).unsigned_abs();
        for (mine, other) in self.entries.iter_mut().zip(other.entries) {
            *mine += other << shift;
        }
    }

    fn symmetric(mut self, rows: u64) -> ExactGram {
        let cols = self.cols;
        self.entries.resize(cols * (cols + 1) / 2, BigInt::zero());
        let spare = self.entries.iter().filter_map(BigInt::trailing_zeros).min();
        for entry in &mut self.entries {
            *entry >>= spare.unwrap_or(0);
        }
        // Row i of the triangle starts behind cols, cols − 1, … entries.
        let place = |i: usize, j: usize| i * cols - i * i.saturating_sub(1) / 2 + j - i;
        let entry = |i: usize, j: usize| self.entries[place(i.min(j), i.max(j))].clone();
        ExactGram {
            rows,
            cols,
            exponent: spare.map_or(0, |spare| self.exponent + spare as i64),
            entries: (0..cols * cols).map(|at| entry(at / cols, at % cols)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
