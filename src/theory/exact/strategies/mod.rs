//! Random exact cases, with the sizes and entries that proptest shrinks towards: one row, one column, zeros and ones.
//!
//! Every strategy has at most one flat map: what proptest tries while shrinking multiplies with each that is nested.

mod near;
mod planted;
mod steps;
mod tables;

pub use near::{Approximation, Perturbed, approximations, perturbed, rotated_steps};
pub use planted::{Product, RationalSvd, balanced_products, orthogonals, rational_svds, svds_of, unbalanced_products};
pub use steps::{steps, steps_with_unseen_rows};
pub use tables::{
    Factors, Shape, Table, factors, integers, shapes_with_k_below_both, shapes_with_k_below_d, tables, tables_of,
    tables_with_inner_dim,
};

use std::ops::RangeInclusive;

/// Sizes n, k, d of the exact cases: n < d, n = d and n > d all occur, and k on both sides of each.
pub const SIZES: RangeInclusive<usize> = 1..=5;

/// Sizes where a case carries rational orthogonal matrices, whose entries are long.
pub const SMALL_SIZES: RangeInclusive<usize> = 1..=4;
