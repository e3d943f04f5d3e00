//! The CPU's matrix products, on slices, one thread a call. Every number is its sum in ascending order, a fused multiply-add
//! a term, wherever it stands: so callers may cut the rows of a product as they like, in multiples of [`GROUP`], and no bit
//! depends on the number of threads.
//!
//! Where many numbers of the left matrix are zero, as in what comes out of a ReLU and in the gradient that passes back
//! through one, their terms are left out, and of every 64 terms those come first that two rows share (`zeros.rs`,
//! `pairs.rs`): in an order that depends on the numbers alone. 0·∞ is then 0.

mod masks;
mod pairs;
mod panels;
mod tiles;
mod zeros;

pub use masks::INNER as MASKED;
pub use panels::{PANEL, pack, packed_len};

use super::cpu::Real;
use ndarray::{ArrayViewMut2, s};
use pulp::Arch;
use std::ops::Range;

/// Rows that are computed in one way: callers that cut the rows of a product in other multiples may get other bits.
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

/// The first `cols` columns of a row-major slice whose rows lie `stride` apart, to write.
pub fn columns_of<T>(data: &mut [T], cols: usize, stride: usize) -> ArrayViewMut2<'_, T> {
    let rows = ArrayViewMut2::from_shape((data.len() / stride, stride), data).expect("whole rows");
    rows.slice_move(s![.., ..cols])
}

/// Writes the product into `out`, whose rows each lie in one piece.
pub fn product<T: Real>(out: ArrayViewMut2<'_, T>, form: Form, a: View<'_, T>, b: View<'_, T>) {
    multiply(out, form, a, b, true);
}

/// Adds aᵀ·b to `out`: the terms of sums that [`product`] or this began. So a long product may be computed in parts, with
/// the bits of the whole one where they are cut at multiples of 64 terms.
pub fn add_transposed<T: Real>(out: ArrayViewMut2<'_, T>, a: View<'_, T>, b: View<'_, T>) {
    multiply(out, Form::LeftTransposed, a, b, false);
}

fn multiply<T: Real>(out: ArrayViewMut2<'_, T>, form: Form, a: View<'_, T>, b: View<'_, T>, begin: bool) {
    let (inner, left) = match form {
        Form::Plain => (a.cols, Left::new(a.data, a.stride, 1)),
        Form::LeftTransposed => (a.rows, Left::new(a.data, 1, a.stride)),
        Form::RightTransposed => {
            return T::with_scratch(packed_len(b.rows, b.cols), |panels| {
                pack(panels, b);
                product_packed(out, a, panels);
            });
        }
    };
    let sums = Sums { out, inner, begin };
    run(sums, left, Right::Rows(b.data, b.stride));
}

/// a·bᵀ where b is packed already: see [`pack`].
pub fn product_packed<T: Real>(out: ArrayViewMut2<'_, T>, a: View<'_, T>, panels: &[T]) {
    let sums = Sums {
        out,
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

/// Columns of a product a·bᵀ with `rows` rows that one task computes, which packs its rows of b: so it shares a with the
/// other threads but not what is packed, which is worth it where a is small. `None` where tasks should have rows instead.
pub fn columns_a_task(rows: usize, cols: usize) -> Option<usize> {
    let share = cols.div_ceil(rayon::current_num_threads()).next_multiple_of(PANEL);
    let last = cols - cols.saturating_sub(1) / share.max(1) * share;
    // As wide as products that leave out zeros: whether they do must not depend on the number of threads.
    (2 * rows <= cols && last >= masks::NARROWEST).then_some(share)
}

/// The left matrix: element (row, k) lies at `row·row_step + k·inner_step`. One of the steps is 1.
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

/// Sums of `inner` terms each.
struct Sums<'a, T> {
    /// (rows, cols), where they go
    out: ArrayViewMut2<'a, T>,
    inner: usize,
    /// Whether these terms begin the sums; otherwise `out` holds those before.
    begin: bool,
}

impl<T> Sums<'_, T> {
    fn rows(&self) -> usize {
        self.out.nrows()
    }

    fn cols(&self) -> usize {
        self.out.ncols()
    }

    /// `width` sums of a row.
    #[inline(always)]
    fn at(&mut self, row: usize, col: usize, width: usize) -> &mut [T] {
        let row = self.out.row_mut(row).into_slice().expect("rows lie in one piece");
        &mut row[col..col + width]
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
