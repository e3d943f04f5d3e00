//! Asking for memory ahead of its use. A product that looks at long columns of its left matrix, as a weight's gradient does,
//! goes through both matrices once, and what it needs next lies far from a core. So while some terms are added, the lines of
//! the next ones are asked for, a few at a time: reading all of them when they are needed takes a quarter of such a product.

use crate::backend::lanes;
use std::ops::Range;

/// Numbers of f32 in a line of the cache. Of longer numbers every second line is left out, which the processor's own reading
/// ahead makes up for.
const LINE: usize = lanes::MOST;

/// What remains to be asked for of some rows of a matrix.
#[derive(Clone, Copy)]
pub(super) struct Ahead<'a, T> {
    /// From the current row on.
    data: &'a [T],
    stride: usize,
    width: usize,
    /// The next column, and how many rows remain, with the current one.
    col: usize,
    rows: usize,
    /// Lines to ask for at a time.
    some: usize,
}

impl<'a, T> Ahead<'a, T> {
    /// `width` numbers of the rows `rows`, `stride` apart, in as many turns as `times`.
    pub fn new(data: &'a [T], stride: usize, rows: Range<usize>, width: usize, times: usize) -> Self {
        let lines = rows.len() * width.div_ceil(LINE);
        Self {
            data: data.get(rows.start * stride..).unwrap_or(&[]),
            stride,
            width,
            col: 0,
            rows: rows.len(),
            some: lines.div_ceil(times.max(1)),
        }
    }

    /// Asks for the next ones.
    #[inline(always)]
    pub fn ask(&mut self) {
        for _ in 0..self.some {
            let Some(number) = self.data.get(self.col) else { return };
            fetch(number);
            self.col += LINE;
            if self.col >= self.width {
                self.col = 0;
                self.rows -= 1;
                self.data = match self.rows {
                    0 => &[],
                    _ => self.data.get(self.stride..).unwrap_or(&[]),
                };
            }
        }
    }
}

/// Into the second nearest cache: the nearest one is full of what is worked on.
#[inline(always)]
fn fetch<T>(number: &T) {
    #[cfg(target_arch = "x86_64")]
    safe_arch::prefetch_t1(number);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number; // elsewhere no safe way to ask
}
