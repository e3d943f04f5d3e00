//! The CPU's matrix products, on slices, one thread a call. Every number is its sum in ascending order, a fused multiply-add
//! a term, wherever it stands: so callers may cut the rows of a product as they like, and no bit depends on the number of
//! threads.

use super::cpu::Real;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Columns of a panel: a multiple of the columns of every register tile, on every machine.
pub const PANEL: usize = 32;

/// The longest sums that are added up in one go.
const LONGEST: usize = 512;
/// Terms of longer sums that are added before all other sums get theirs, so that what is read for them stays in a core's
/// cache.
const INNER: usize = 256;

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
    let (rows, inner) = match form {
        Form::LeftTransposed => (a.cols, a.rows),
        Form::Plain | Form::RightTransposed => (a.rows, a.cols),
    };
    let left = match form {
        Form::LeftTransposed => Left::new(a.data, 1, a.stride),
        Form::Plain | Form::RightTransposed => Left::new(a.data, a.stride, 1),
    };
    match form {
        Form::Plain | Form::LeftTransposed => {
            run(out, rows, cols, stride, inner, left, Right::Rows(b.data, b.stride));
        }
        Form::RightTransposed => T::with_scratch(packed_len(b.rows, inner), |panels| {
            pack(panels, b);
            run(out, rows, cols, stride, inner, left, Right::Panels(panels));
        }),
    }
}

/// a·bᵀ where b is packed already: see [`pack`].
pub fn product_packed<T: Real>(out: &mut [T], cols: usize, stride: usize, a: View<'_, T>, panels: &[T]) {
    let left = Left::new(a.data, a.stride, 1);
    run(out, a.rows, cols, stride, a.cols, left, Right::Panels(panels));
}

/// Rows of a product over `rows` rows that one task computes: two tasks a thread, and no more than stay in a core's cache.
pub fn rows_a_task(rows: usize) -> usize {
    let share = rows.div_ceil(2 * rayon::current_num_threads());
    share.next_multiple_of(8).min(128)
}

/// Numbers that the panels of a matrix with `rows` rows and `cols` columns take.
pub const fn packed_len(rows: usize, cols: usize) -> usize {
    rows.next_multiple_of(PANEL) * cols
}

/// Writes bᵀ in panels: every [`PANEL`] rows of b as columns, (cols, PANEL) each, the last one filled up with zeros. What a
/// product with bᵀ then reads lies in the order in which it is read.
pub fn pack<T: Real>(panels: &mut [T], b: View<'_, T>) {
    for (p, panel) in panels.chunks_exact_mut(PANEL * b.cols.max(1)).enumerate() {
        let rows = p * PANEL..b.rows.min((p + 1) * PANEL);
        Arch::new().dispatch(|| transpose(panel, View::rows_of(b.data, rows, b.cols, b.stride)));
    }
}

/// Rows and columns of the squares that are transposed at a time.
const SQUARE: usize = 4;
/// Columns that are read of every row before the next ones: a line of the cache.
const LINE: usize = 16;

/// One panel: column j of `b` becomes the panel's row j.
#[inline(always)]
fn transpose<T: Real>(panel: &mut [T], b: View<'_, T>) {
    let (rows, cols) = (b.rows / SQUARE * SQUARE, b.cols / SQUARE * SQUARE);
    for line in (0..cols).step_by(LINE) {
        for q in (0..rows).step_by(SQUARE) {
            for p in (line..cols.min(line + LINE)).step_by(SQUARE) {
                let row = |i: usize| -> [T; SQUARE] {
                    let start = (q + i) * b.stride + p;
                    b.data[start..start + SQUARE].try_into().expect("four numbers")
                };
                for (j, column) in T::transpose([row(0), row(1), row(2), row(3)]).iter().enumerate() {
                    let to = (p + j) * PANEL + q;
                    panel[to..to + SQUARE].copy_from_slice(column);
                }
            }
        }
    }
    for (p, column) in panel.chunks_exact_mut(PANEL).enumerate() {
        for (q, value) in column.iter_mut().enumerate().skip(if p < cols { rows } else { 0 }) {
            *value = if q < b.rows {
                b.data[q * b.stride + p]
            } else {
                T::zero()
            };
        }
    }
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
}

/// The right matrix (inner, cols).
#[derive(Clone, Copy)]
enum Right<'a, T> {
    /// Row-major, with the distance of its rows.
    Rows(&'a [T], usize),
    /// As [`pack`] leaves it.
    Panels(&'a [T]),
}

fn run<T: Real>(
    out: &mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
    inner: usize,
    left: Left<'_, T>,
    right: Right<'_, T>,
) {
    Arch::new().dispatch(Multiply {
        out,
        rows,
        cols,
        stride,
        inner,
        left,
        right,
    });
}

struct Multiply<'a, T> {
    out: &'a mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
    inner: usize,
    left: Left<'a, T>,
    right: Right<'a, T>,
}

impl<T: Real> WithSimd for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if self.inner <= LONGEST {
            return self.add_terms(simd, 0..self.inner);
        }
        for from in (0..self.inner).step_by(INNER) {
            self.add_terms(simd, from..self.inner.min(from + INNER));
        }
    }
}

impl<T: Real> Multiply<'_, T> {
    /// The terms `inner` of all sums, panel by panel, so that a panel is read from the nearest cache by all rows but the
    /// first. The terms from 0 on begin the sums.
    #[inline(always)]
    fn add_terms<S: Simd>(&mut self, simd: S, inner: Range<usize>) {
        for first in (0..self.cols).step_by(PANEL) {
            let mut row = 0;
            while row < self.rows {
                let inner = inner.clone();
                // A tile of 8 rows and 2 vectors takes 16 registers for the sums.
                row += match self.rows - row {
                    8.. if S::REGISTER_COUNT >= 32 => self.strip::<S, 8>(simd, row, first, inner),
                    4.. => self.strip::<S, 4>(simd, row, first, inner),
                    2.. => self.strip::<S, 2>(simd, row, first, inner),
                    _ => self.strip::<S, 1>(simd, row, first, inner),
                };
            }
        }
    }

    /// `TALL` rows of one panel. Returns `TALL`.
    #[inline(always)]
    fn strip<S: Simd, const TALL: usize>(&mut self, simd: S, row: usize, first: usize, inner: Range<usize>) -> usize {
        let lanes = T::lanes::<S>();
        let end = self.cols.min(first + PANEL);
        let mut col = first;
        while col < end {
            let inner = inner.clone();
            col += match end - col {
                left if left >= 2 * lanes => self.tile::<S, TALL, 2, false>(simd, row, col, 2 * lanes, inner),
                left if left >= lanes => self.tile::<S, TALL, 1, false>(simd, row, col, lanes, inner),
                left => self.tile::<S, TALL, 1, true>(simd, row, col, left, inner),
            };
        }
        TALL
    }

    /// `TALL` rows of `WIDE` vectors, in registers; `PART`: the one vector has `width` numbers only. Returns `width`.
    #[inline(always)]
    fn tile<S: Simd, const TALL: usize, const WIDE: usize, const PART: bool>(
        &mut self,
        simd: S,
        row: usize,
        col: usize,
        width: usize,
        inner: Range<usize>,
    ) -> usize {
        let lanes = T::lanes::<S>();
        let (right, distance) = match self.right {
            Right::Rows(data, stride) => (&data[col..], stride),
            Right::Panels(panels) => (&panels[col / PANEL * PANEL * self.inner + col % PANEL..], PANEL),
        };
        let left = &self.left.data[row * self.left.row_step..];
        let mut sums = [[T::splat(simd, T::zero()); WIDE]; TALL];
        if inner.start > 0 {
            for (i, sums) in sums.iter_mut().enumerate() {
                let start = (row + i) * self.stride + col;
                let out = &self.out[start..start + width];
                for (w, sum) in sums.iter_mut().enumerate() {
                    *sum = match PART {
                        true => T::load_part(simd, out),
                        false => T::load(simd, &out[w * lanes..]),
                    };
                }
            }
        }
        for k in inner {
            let terms = &right[k * distance..k * distance + width];
            let terms: [T::Vector<S>; WIDE] = std::array::from_fn(|w| match PART {
                true => T::load_part(simd, terms),
                false => T::load(simd, &terms[w * lanes..]),
            });
            for (i, sums) in sums.iter_mut().enumerate() {
                let factor = T::splat(simd, left[i * self.left.row_step + k * self.left.inner_step]);
                for (sum, &term) in sums.iter_mut().zip(&terms) {
                    *sum = T::mul_add(simd, factor, term, *sum);
                }
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            let start = (row + i) * self.stride + col;
            let out = &mut self.out[start..start + width];
            for (w, sum) in sums.into_iter().enumerate() {
                match PART {
                    true => T::store_part(simd, out, sum),
                    false => T::store(simd, &mut out[w * lanes..], sum),
                }
            }
        }
        width
    }
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
        for (rows, cols, inner) in [
            (1, 64, 13),
            (1, 5, 4),
            (2, 5, 4),
            (33, 1, 7),
            (17, 20, 1),
            (40, 50, 60),
            (9, 35, 1100),
        ] {
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
