//! Where the left matrix has zeros: whether it has many, and a mask for every row.

use super::panels::transpose;
use super::{GROUP, Left, MOST_ROWS, Sums, View};
use crate::backend::cpu::Real;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Terms of a mask, a bit each: sums that are cut at multiples of it have the same parts.
pub const INNER: usize = 64;
/// Terms that are looked at in one go where the numbers of a row lie in one piece.
const SPAN: usize = 8 * INNER;
/// The narrowest products whose zeros are counted.
pub(super) const NARROWEST: usize = 64;

/// Whether leaving out the zeros of a group is faster than a tile, where `count` of `terms` numbers are not zero.
fn few(count: u32, terms: usize) -> bool {
    8 * count as usize <= 5 * terms
}

/// Whether any group of rows has few numbers in any block.
pub(super) fn worth_it<T: Real>(sums: &Sums<'_, T>, left: Left<'_, T>) -> bool {
    let (rows, inner) = (sums.rows(), sums.inner);
    // The rest of a longer sum is treated as in the whole one.
    let long = inner >= INNER || !sums.begin;
    sums.cols() >= NARROWEST && long && Arch::new().dispatch(AnyFew { left, rows, inner })
}

struct AnyFew<'a, T> {
    left: Left<'a, T>,
    rows: usize,
    inner: usize,
}

impl<T: Real> WithSimd for AnyFew<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> bool {
        for k in (0..self.inner).step_by(INNER) {
            let terms = k..self.inner.min(k + INNER);
            for row in (0..self.rows).step_by(GROUP) {
                let rows = row..self.rows.min(row + GROUP);
                if few(
                    count_in(self.left, rows.clone(), terms.clone()),
                    rows.len() * terms.len(),
                ) {
                    return true;
                }
            }
        }
        false
    }
}

/// How many numbers of a part of the left matrix are not zero.
#[inline(always)]
fn count_in<T: Real>(left: Left<'_, T>, rows: Range<usize>, inner: Range<usize>) -> u32 {
    let (lines, length, distance) = match left.inner_step {
        1 => (rows.len(), inner.len(), left.row_step),
        distance => (inner.len(), rows.len(), distance),
    };
    let part = left.from(rows.start, inner.start);
    let line = |i: usize| &part[i * distance..i * distance + length];
    let not_zero = |line: &[T]| line.iter().map(|&x| u32::from(x != T::zero())).sum::<u32>();
    (0..lines).map(line).map(not_zero).sum()
}

/// Numbers that [`Lines`] works on.
pub(super) const LINES: usize = MOST_ROWS * INNER;

/// Which numbers of some rows of the left matrix are not zero, and a transposed copy of them where a row does not lie in one
/// piece.
pub(super) struct Lines<'a, T> {
    left: Left<'a, T>,
    /// The first row and term.
    first: (usize, usize),
    /// Of every [`INNER`] terms, those of every row.
    masks: [[u64; MOST_ROWS]; SPAN / INNER],
    /// (MOST_ROWS, INNER); of rows in one piece only the [`Lines::end`].
    copy: &'a mut [T],
}

impl<'a, T: Real> Lines<'a, T> {
    /// Nothing yet, on [`LINES`] numbers.
    pub(super) fn new(left: Left<'a, T>, copy: &'a mut [T]) -> Self {
        Self {
            left,
            first: (0, 0),
            masks: [[0; MOST_ROWS]; SPAN / INNER],
            copy,
        }
    }

    /// Whether the numbers of a row lie in one piece.
    #[inline(always)]
    fn in_one_piece(&self) -> bool {
        self.left.inner_step == 1
    }

    /// How many terms [`Lines::look_at`] can look at.
    pub(super) fn span(&self) -> usize {
        if self.in_one_piece() { SPAN } else { INNER }
    }

    /// At most [`MOST_ROWS`] rows and [`Lines::span`] terms: in the order in which they lie, from wherever they are.
    #[inline(always)]
    pub(super) fn look_at<S: Simd>(&mut self, simd: S, rows: Range<usize>, inner: Range<usize>) {
        let left = self.left;
        self.first = (rows.start, inner.start);
        if self.in_one_piece() {
            self.copy_end(left.from(rows.end - 1, inner.start), inner.len());
            for (place, row) in rows.enumerate() {
                let numbers = &left.from(row, inner.start)[..inner.len()];
                for (masks, numbers) in self.masks.iter_mut().zip(numbers.chunks(INNER)) {
                    masks[place] = not_zero(simd, numbers);
                }
            }
            return;
        }
        let columns = View {
            data: left.from(rows.start, inner.start),
            rows: inner.len(),
            cols: rows.len(),
            stride: left.inner_step,
        };
        transpose::<T, INNER>(&mut self.copy[..rows.len() * INNER], columns);
        for (mask, line) in self.masks[0].iter_mut().zip(self.copy.chunks_exact(INNER)) {
            *mask = not_zero(simd, line);
        }
    }

    /// Whether leaving out the zeros of some rows is faster than a tile, in `terms` terms from `from` on.
    pub(super) fn few(&self, rows: Range<usize>, from: usize, terms: usize) -> bool {
        let (row, term) = self.first;
        let masks = &self.masks[(from - term) / INNER][rows.start - row..rows.end - row];
        few(masks.iter().map(|mask| mask.count_ones()).sum(), masks.len() * terms)
    }

    /// The mask of a row, and its numbers, from term `from` on.
    #[inline(always)]
    pub(super) fn row(&self, row: usize, from: usize) -> (u64, &[T; INNER]) {
        let (block, place) = ((from - self.first.1) / INNER, row - self.first.0);
        let numbers = match self.in_one_piece() {
            true => self.left.from(row, from).first_chunk().unwrap_or(self.end()),
            false => self.copy[place * INNER..].first_chunk().expect("a row's copy"),
        };
        (self.masks[block][place], numbers)
    }

    /// The last numbers of the last row, behind which the matrix has no others, and anything behind them.
    fn end(&self) -> &[T; INNER] {
        self.copy.first_chunk().expect("room for the copies of all rows")
    }

    /// Copies [`Lines::end`] from what lies from a row on.
    #[inline(always)]
    fn copy_end(&mut self, row: &[T], terms: usize) {
        let end = &row[row.len().min(terms / INNER * INNER)..];
        if end.len() < INNER {
            self.copy[..end.len()].copy_from_slice(end);
        }
    }
}

/// Bit k: the k-th of at most 64 numbers is not zero.
#[inline(always)]
fn not_zero<T: Real, S: Simd>(simd: S, numbers: &[T]) -> u64 {
    let lanes = T::lanes::<S>();
    let bits = |from: &[T]| T::not_zero(simd, T::load(simd, from));
    if numbers.len() == INNER {
        let mut masks = numbers.chunks_exact(lanes).enumerate();
        let mask = masks.try_fold(0, |mask, (i, chunk)| Some(mask | bits(chunk)? << (i * lanes)));
        if let Some(mask) = mask {
            return mask;
        }
    }
    let mut bytes = [0; INNER];
    for (byte, number) in bytes.iter_mut().zip(numbers) {
        *byte = u8::from(*number != T::zero());
    }
    let eights = bytes.chunks_exact(8).enumerate().map(|(i, eight)| {
        let eight = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        // The lowest bit of every byte, side by side in the highest byte.
        (eight.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i)
    });
    eights.fold(0, |mask, bits| mask | bits)
}
