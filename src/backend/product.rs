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
    // Not from_row_major_slice_with_stride_mut: faer 0.24.4 swaps its strides and writes outside the slice.
    let out = MatMut::from_column_major_slice_with_stride_mut(out, cols, a.nrows(), stride).transpose_mut();
    matmul(out, Accum::Replace, a, b, T::one(), Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::{Form, View, product};

    /// Small whole numbers: every sum is exact, so the product must be too.
    fn numbers(count: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0).collect()
    }

    #[test]
    fn products_replace_the_columns_that_count_and_nothing_else() {
        for (rows, cols, inner) in [(1, 64, 13), (1, 5, 4), (2, 5, 4), (33, 1, 7), (17, 20, 1), (40, 50, 60)] {
            for form in [Form::Plain, Form::RightTransposed, Form::LeftTransposed] {
                let (a_rows, a_cols) = if form == Form::LeftTransposed {
                    (inner, rows)
                } else {
                    (rows, inner)
                };
                let (b_rows, b_cols) = if form == Form::RightTransposed {
                    (cols, inner)
                } else {
                    (inner, cols)
                };
                let (a, b) = (numbers(a_rows * (a_cols + 2)), numbers(b_rows * (b_cols + 3)));
                let stride = cols + 1;
                let mut out = vec![0.5; rows * stride];
                let a_view = View::rows_of(&a, 0..a_rows, a_cols, a_cols + 2);
                let b_view = View::rows_of(&b, 0..b_rows, b_cols, b_cols + 3);
                product(&mut out, cols, stride, form, a_view, b_view);
                for (at, &value) in out.iter().enumerate() {
                    let (i, j) = (at / stride, at % stride);
                    let term = |k: usize| {
                        let a = if form == Form::LeftTransposed {
                            a[k * (a_cols + 2) + i]
                        } else {
                            a[i * (a_cols + 2) + k]
                        };
                        let b = if form == Form::RightTransposed {
                            b[j * (b_cols + 3) + k]
                        } else {
                            b[k * (b_cols + 3) + j]
                        };
                        a * b
                    };
                    let expected = if j == cols { 0.5 } else { (0..inner).map(term).sum() };
                    assert_eq!(value, expected, "{form:?} {rows} × {cols} × {inner} at {i}, {j}");
                }
            }
        }
    }
}
