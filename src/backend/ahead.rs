//! Asking for memory ahead of its use, so that it is on its way while something else is computed. A hint: nothing is read,
//! no number changes, and processors without a safe way to say it go without.

use super::lanes;
use std::ops::Range;

/// Numbers of f32 in a line of the cache. Of longer numbers every second line is left out, which the processor's own reading
/// ahead makes up for.
const LINE: usize = lanes::MOST;

/// Asks for all lines of some numbers, into the second nearest cache: the nearest one is full of what is worked on.
#[inline(always)]
fn ask<T>(numbers: &[T]) {
    numbers.iter().step_by(LINE).for_each(fetch);
}

/// Asks for some rows of a matrix, which lie `stride` numbers apart.
pub fn ask_rows<T>(matrix: &[T], stride: usize, rows: impl Iterator<Item = usize>) {
    rows.for_each(|row| ask(&matrix[row * stride..(row + 1) * stride]));
}

/// What remains to be asked for of some rows of a matrix.
pub struct Ahead<'a, T> {
    /// From the current row to the last one.
    data: &'a [T],
    stride: usize,
    width: usize,
    /// The next column.
    col: usize,
    /// Lines to ask for at a time.
    some: usize,
}

impl<'a, T> Ahead<'a, T> {
    /// `width` numbers of each of the rows `rows`, `stride` apart, in as many turns as `times`.
    pub fn new(data: &'a [T], stride: usize, rows: Range<usize>, width: usize, times: usize) -> Self {
        let lines = rows.len() * width.div_ceil(LINE);
        Self {
            data: &data[(rows.start * stride).min(data.len())..(rows.end * stride).min(data.len())],
            stride,
            width,
            col: 0,
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
        for (rows, width, times, turns) in [
            (0..10, 40, 7, 6), // 30 lines, 5 a turn
            (2..10, 33, 1000, 24),
            (9..10, 1, 1, 1),
            (4..4, 40, 3, 0),
            (9..14, 40, 2, 1), // 3 lines that there are
            (20..30, 40, 2, 0),
        ] {
            let mut ahead = Ahead::new(&data, 40, rows.clone(), width, times);
            let mut taken = 0;
            while !ahead.data.is_empty() && taken < times {
                ahead.ask();
                taken += 1;
            }
            assert!(ahead.data.is_empty(), "{rows:?} of 10, {width} wide");
            assert_eq!(taken, turns, "{rows:?} of 10, {width} wide");
        }
    }
}
