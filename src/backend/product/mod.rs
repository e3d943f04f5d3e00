//! The CPU's matrix products, on slices, one thread a call. Every number is its sum in ascending order, a fused multiply-add
//! a term, wherever it stands: so callers may cut the rows of a product as they like, in multiples of [`GROUP`], and no bit
//! depends on the number of threads.
//!
//! Where many numbers of the left matrix are zero, as in what comes out of a ReLU and in the gradient that passes back
//! through one, their terms are left out (`zeros.rs`). That changes no finite sum; but 0·∞ is then 0.

mod masks;
mod panels;
mod tiles;
mod zeros;

pub use panels::{PANEL, pack, packed_len};

use super::cpu::Real;
use pulp::Arch;
use std::ops::Range;

/// Rows that are computed in one way. Callers that cut the rows of a product in other multiples get the same numbers, but the
/// signs of zeros may differ.
pub const GROUP: usize = 8;

/// A view of rows in a row-major slice: `rows` × `cols`, rows `stride` apart.
#[derive(Clone, Copy)]
pub struct View<'a, T> {
    /// The numbers, from the first row's first one.
    pub data: &'a [T],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Distance between rows.
    pub stride: usize,
}

impl<'a, T> View<'a, T> {
    /// The rows `range` of a row-major slice.
    pub fn rows_of(data: &'a [T], range: Range<usize>, cols: usize, stride: usize) -> Self {
        Self {
            data: &data[range.start * stride..range.end * stride],
            rows: range.len(),
            cols,
            stride,
        }
    }
}

/// A whole or half transposed product of views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// a·b
    Plain,
    /// a·bᵀ
    RightTransposed,
    /// aᵀ·b
    LeftTransposed,
}

/// Writes the product into `out`, whose rows lie `stride` apart; columns past `cols` keep what they hold.
pub fn product<T: Real>(out: &mut [T], cols: usize, stride: usize, form: Form, a: View<'_, T>, b: View<'_, T>) {
    multiply(out, cols, stride, form, a, b, true);
}

/// Adds aᵀ·b to `out`: the terms of sums that [`product`] or this began. So a long product may be computed in parts, with
/// the bits of the whole one where they are cut at multiples of 64 terms.
pub fn add_transposed<T: Real>(out: &mut [T], cols: usize, stride: usize, a: View<'_, T>, b: View<'_, T>) {
    multiply(out, cols, stride, Form::LeftTransposed, a, b, false);
}

fn multiply<T: Real>(
    out: &mut [T],
    cols: usize,
    stride: usize,
    form: Form,
    a: View<'_, T>,
    b: View<'_, T>,
    begin: bool,
) {
    let (rows, inner, left) = match form {
        Form::Plain => (a.rows, a.cols, Left::new(a.data, a.stride, 1)),
        Form::LeftTransposed => (a.cols, a.rows, Left::new(a.data, 1, a.stride)),
        Form::RightTransposed => {
            return T::with_scratch(packed_len(b.rows, b.cols), |panels| {
                pack(panels, b);
                product_packed(out, cols, stride, a, panels);
            });
        }
    };
    let sums = Sums {
        out,
        rows,
        cols,
        stride,
        inner,
        begin,
    };
    run(sums, left, Right::Rows(b.data, b.stride));
}

/// a·bᵀ where b is packed already: see [`pack`].
pub fn product_packed<T: Real>(out: &mut [T], cols: usize, stride: usize, a: View<'_, T>, panels: &[T]) {
    let sums = Sums {
        out,
        rows: a.rows,
        cols,
        stride,
        inner: a.cols,
        begin: true,
    };
    run(sums, Left::new(a.data, a.stride, 1), Right::Panels(panels));
}

/// The most rows of a product that one task computes: no more than stay in a core's cache.
pub const MOST_ROWS: usize = 256;

/// Rows of a product over `rows` rows that one task computes: one task a thread, and at most [`MOST_ROWS`].
pub fn rows_a_task(rows: usize) -> usize {
    let share = rows.div_ceil(rayon::current_num_threads());
    share.next_multiple_of(GROUP).min(MOST_ROWS)
}

/// The left matrix: element (row, k) lies at `row·row_step + k·inner_step`.
#[derive(Clone, Copy)]
struct Left<'a, T> {
    data: &'a [T],
    row_step: usize,
    inner_step: usize,
}

impl<'a, T> Left<'a, T> {
    fn new(data: &'a [T], row_step: usize, inner_step: usize) -> Self {
        Self {
            data,
            row_step,
            inner_step,
        }
    }

    /// The same rows from term k on.
    #[inline(always)]
    fn terms_from(self, k: usize) -> Self {
        Self {
            data: &self.data[k * self.inner_step..],
            ..self
        }
    }

    /// What lies from element (row, k) on.
    #[inline(always)]
    fn from(self, row: usize, k: usize) -> &'a [T] {
        &self.data[row * self.row_step + k * self.inner_step..]
    }
}

/// The right matrix (inner, cols).
#[derive(Clone, Copy)]
enum Right<'a, T> {
    /// Row-major, with the distance of its rows.
    Rows(&'a [T], usize),
    /// As [`pack`] leaves it.
    Panels(&'a [T]),
}

/// Where the sums of `inner` terms each go: (rows, cols), rows `stride` apart.
struct Sums<'a, T> {
    out: &'a mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
    inner: usize,
    /// Whether these terms begin the sums; otherwise `out` holds those before.
    begin: bool,
}

impl<T> Sums<'_, T> {
    /// `width` sums of a row.
    #[inline(always)]
    fn at(&mut self, row: usize, col: usize, width: usize) -> &mut [T] {
        let start = row * self.stride + col;
        &mut self.out[start..start + width]
    }
}

fn run<T: Real>(sums: Sums<'_, T>, left: Left<'_, T>, right: Right<'_, T>) {
    match masks::worth_it(&sums, left) {
        true => zeros::multiply(sums, left, right),
        false => Arch::new().dispatch(tiles::Multiply { sums, left, right }),
    }
}

#[cfg(test)]
mod tests;
