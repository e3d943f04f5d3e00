//! Tables and factors: of any rank, with repeated rows, with zero rows, and out of f32.

use super::SIZES;
use crate::theory::exact::{from_float, integer};
use crate::theory::number::{Matrix, Rational, inline};
use proptest::collection::vec;
use proptest::num::f32::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
use proptest::prop_oneof;
use proptest::strategy::Strategy;
use std::fmt;
use std::ops::RangeInclusive;

/// Integer entries of the exact cases.
const ENTRIES: RangeInclusive<i32> = -9..=9;

/// A table and an inner width to write it through.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// W (n×d).
    pub w: Matrix<Rational>,
    /// k.
    pub inner_dim: usize,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, k = {}, W = {}", size(&self.w), self.inner_dim, inline(&self.w))
    }
}

/// Two factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    /// W₁ (n×k).
    pub w1: Matrix<Rational>,
    /// W₂ (k×d).
    pub w2: Matrix<Rational>,
}

impl fmt::Display for Factors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W1 = {}, W2 = {}", inline(&self.w1), inline(&self.w2))
    }
}

fn size(w: &Matrix<Rational>) -> String {
    format!("n = {}, d = {}", w.nrows(), w.ncols())
}

/// A matrix of small integers.
pub fn integers(rows: usize, cols: usize) -> impl Strategy<Value = Matrix<Rational>> {
    vec(ENTRIES, rows * cols)
        .prop_map(move |entries| Matrix::from_iterator(rows, cols, entries.into_iter().map(integer)))
}

/// A matrix of one of the kinds that tables come in.
pub fn tables_of(rows: usize, cols: usize) -> impl Strategy<Value = Matrix<Rational>> {
    let low_rank = (integers(rows, 2), integers(2, cols), 1usize..=2).prop_map(|(left, right, rank)| {
        left.columns(0, rank) * right.rows(0, rank) // rank 1 or 2, or less
    });
    // Row i is a copy of row `from[i]`, or zero.
    let repeated = (integers(rows, cols), vec(0..=rows, rows)).prop_map(move |(table, from)| {
        Matrix::from_fn(rows, cols, |i, j| match from[i] {
            zero if zero == rows => integer(0),
            other => table[(other, j)].clone(),
        })
    });
    prop_oneof![integers(rows, cols), low_rank, repeated, dyadics(rows, cols)]
}

/// A random f32 matrix, over the type's whole range, as the rationals it holds.
fn dyadics(rows: usize, cols: usize) -> impl Strategy<Value = Matrix<Rational>> {
    let entries = vec(POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO, rows * cols);
    entries.prop_map(move |entries| {
        let floats = Matrix::from_vec(rows, cols, entries);
        from_float("W", &floats).unwrap_or_else(|_| Matrix::from_element(rows, cols, integer(0)))
    })
}

/// A table of any of the [`SIZES`].
pub fn tables() -> impl Strategy<Value = Matrix<Rational>> {
    (SIZES, SIZES).prop_flat_map(|(n, d)| tables_of(n, d))
}

/// A table and k from `least(n, d)` on, four widths.
pub fn tables_with_inner_dim(least: fn(usize, usize) -> usize) -> impl Strategy<Value = Table> {
    (SIZES, SIZES, 0usize..=3).prop_flat_map(move |(n, d, more)| {
        tables_of(n, d).prop_map(move |w| Table {
            w,
            inner_dim: least(n, d) + more,
        })
    })
}

/// Two factors that fit, of all kinds and ranks.
pub fn factors() -> impl Strategy<Value = Factors> {
    (SIZES, SIZES, SIZES)
        .prop_flat_map(|(n, k, d)| (tables_of(n, k), tables_of(k, d)))
        .prop_map(|(w1, w2)| Factors { w1, w2 })
}

/// A shape, and some tables of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// n.
    pub num_embeddings: usize,
    /// k.
    pub inner_dim: usize,
    /// d.
    pub embedding_dim: usize,
    /// Random tables (n×d).
    pub tables: Vec<Matrix<Rational>>,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, k, d) = (self.num_embeddings, self.inner_dim, self.embedding_dim);
        write!(f, "n = {n}, k = {k}, d = {d}")
    }
}

/// Any n, and k < d.
pub fn shapes_with_k_below_d() -> impl Strategy<Value = Shape> {
    (SIZES, SIZES, 1usize..=3).prop_flat_map(|(n, k, gap)| shape(n, k, k + gap))
}

/// k < n and k < d.
pub fn shapes_with_k_below_both() -> impl Strategy<Value = Shape> {
    (1usize..=3, SIZES, 1usize..=3).prop_flat_map(|(more, k, gap)| shape(k + more, k, k + gap))
}

fn shape(num_embeddings: usize, inner_dim: usize, embedding_dim: usize) -> impl Strategy<Value = Shape> {
    vec(tables_of(num_embeddings, embedding_dim), 3).prop_map(move |tables| Shape {
        num_embeddings,
        inner_dim,
        embedding_dim,
        tables,
    })
}
