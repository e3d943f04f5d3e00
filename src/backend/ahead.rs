//! Asking for memory ahead of its use, so that it is on its way while something else is computed. A hint: nothing is read,
//! no number changes, and processors without a safe way to say it go without.

use super::lanes;
use std::ops::Range;

/// Numbers of f32 in a line of the cache. Of longer numbers every second line is left out, which the processor's own reading
/// ahead makes up for.
const LINE: usize = lanes::MOST;

/// Asks for all lines of some numbers, into the second nearest cache: the nearest one is full of what is worked on.
#[inline(always)]
pub fn ask<T>(numbers: &[T]) {
    numbers.iter().step_by(LINE).for_each(fetch);
}

/// What remains to be asked for of some rows of a matrix.
pub struct Ahead<'a, T> {
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
    /// `width` numbers of each of the rows `rows`, `stride` apart, in as many turns as `times`.
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
            let Some(number) = self.data.get(self.col).filter(|_| self.rows > 0) else {
                return;
            };
            fetch(number);
            self.col += LINE;
            if self.col >= self.width {
                self.col = 0;
                self.rows -= 1;
                self.data = self.data.get(self.stride..).unwrap_or(&[]);
            }
        }
    }
}

#[inline(always)]
fn fetch<T>(number: &T) {
    #[cfg(target_arch = "x86_64")]
    safe_arch::prefetch_t1(number);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_asked_for_once_whatever_its_edges() {
        let data = vec![0f32; 10 * 40];
        for (rows, width, times) in [
            (0..10, 40, 7),
            (2..10, 33, 1000),
            (9..10, 1, 1),
            (4..4, 40, 3),
            (9..14, 40, 2),
            (20..30, 40, 2),
        ] {
            let mut ahead = Ahead::new(&data, 40, rows.clone(), width, times);
            for _ in 0..times {
                ahead.ask();
            }
            let left = ahead.rows;
            assert_eq!(
                left,
                rows.end.max(10) - 10.max(rows.start),
                "{rows:?} of 10, {width} wide"
            );
        }
    }
}
