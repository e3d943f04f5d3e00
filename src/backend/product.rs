//! The CPU's matrix products: faer's, one thread a call, on slices. Who calls cuts the work into pieces of fixed size,
//! never by the number of threads, so that every number has the same bits on one thread and on many.

use super::cpu::Real;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

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

impl<'a, T: Real> View<'a, T> {
    /// The rows `range` of a row-major slice.
    pub fn rows_of(data: &'a [T], range: std::ops::Range<usize>, cols: usize, stride: usize) -> Self {
        Self {
            data: &data[range.start * stride..range.end * stride],
            rows: range.len(),
            cols,
            stride,
        }
    }

    fn mat(self) -> MatRef<'a, T> {
        MatRef::from_row_major_slice_with_stride(self.data, self.rows, self.cols, self.stride)
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
    let (a, b) = match form {
        Form::Plain => (a.mat(), b.mat()),
        Form::RightTransposed => (a.mat(), b.mat().transpose()),
        Form::LeftTransposed => (a.mat().transpose(), b.mat()),
    };
    if a.nrows() == 0 {
        return;
    }
    let out = MatMut::from_row_major_slice_with_stride_mut(out, a.nrows(), cols, stride);
    matmul(out, Accum::Replace, a, b, T::one(), Par::Seq);
}
