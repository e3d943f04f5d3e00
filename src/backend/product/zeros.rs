//! Products that leave out the terms whose left number is zero. A block of the right matrix lies in a core's nearest cache,
//! and every row walks over those of its numbers that are not zero. What is loaded serves one row, so a term takes longer than
//! in a tile of registers: whether leaving out is faster is decided by the zeros of every group of rows.

use super::panels::transpose;
use super::tiles::Tile;
use super::{GROUP, Left, MOST_ROWS, PANEL, Right, Sums, View};
use crate::backend::cpu::Real;
use crate::backend::lanes;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Terms of a block, one a bit of a mask.
const INNER: usize = 64;
/// Vectors in a row of a block: that many sums fit in 16 registers.
const WIDE: usize = 8;
/// Rows of the result that share a block: all of a task.
const ROWS: usize = MOST_ROWS;
/// The narrowest products whose zeros are counted.
const NARROWEST: usize = 64;

/// Whether leaving out the zeros of a group is faster than a tile, where `count` of `terms` numbers are not zero.
fn few(count: u32, terms: usize) -> bool {
    8 * count as usize <= 5 * terms
}

/// Whether any group of rows has few numbers in any block.
pub(super) fn worth_it<T: Real>(sums: &Sums<'_, T>, left: Left<'_, T>) -> bool {
    if sums.cols < NARROWEST || sums.inner < INNER {
        return false;
    }
    Arch::new().dispatch(|| {
        (0..sums.inner).step_by(INNER).any(|k| {
            let terms = INNER.min(sums.inner - k);
            (0..sums.rows).step_by(GROUP).any(|row| {
                let rows = GROUP.min(sums.rows - row);
                few(count_in(left, row..row + rows, k..k + terms), rows * terms)
            })
        })
    })
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

/// All sums, on memory that the thread keeps.
pub(super) fn multiply<T: Real>(sums: Sums<'_, T>, left: Left<'_, T>, right: Right<'_, T>) {
    T::with_scratch(scratch_len(&sums), |scratch| {
        Arch::new().dispatch(Multiply {
            sums,
            left,
            right,
            scratch,
        });
    });
}

/// Numbers that [`Multiply`] works on, for vectors of any length.
pub(super) fn scratch_len<T>(sums: &Sums<'_, T>) -> usize {
    INNER * sums.cols.next_multiple_of(WIDE * lanes::MOST) + ROWS * INNER + ALIGNED
}

/// Numbers that fill lines of the cache.
const ALIGNED: usize = 16;

/// All sums, with scratch memory that holds anything.
pub(super) struct Multiply<'a, T> {
    pub sums: Sums<'a, T>,
    pub left: Left<'a, T>,
    pub right: Right<'a, T>,
    pub scratch: &'a mut [T],
}

impl<T: Real> WithSimd for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            mut sums,
            left,
            right,
            scratch,
        } = self;
        let begin = scratch.as_ptr().align_offset(ALIGNED * size_of::<T>()).min(ALIGNED);
        let (copy, blocks) = scratch[begin..].split_at_mut(ROWS * INNER);
        let mut lines = Lines { masks: [0; ROWS], copy };
        let width = WIDE * T::lanes::<S>();
        let mut blocks = Blocks(blocks);
        for first in (0..sums.rows).step_by(ROWS) {
            let rows = first..sums.rows.min(first + ROWS);
            for from in (0..sums.inner).step_by(INNER) {
                let inner = from..sums.inner.min(from + INNER);
                lines.look_at(left, rows.clone(), inner.clone());
                blocks.fill(simd, right, sums.inner, inner.clone(), sums.cols);
                let part = Part {
                    rows: rows.clone(),
                    inner,
                    left,
                    lines: &lines,
                };
                for (block, col) in blocks.each::<S>().zip((0..sums.cols).step_by(width)) {
                    let cols = col..sums.cols.min(col + width);
                    part.add(simd, &mut sums, cols, block);
                }
            }
        }
    }
}

/// Some terms of some rows.
struct Part<'a, T> {
    rows: Range<usize>,
    inner: Range<usize>,
    left: Left<'a, T>,
    lines: &'a Lines<'a, T>,
}

impl<T: Real> Part<'_, T> {
    /// Adds the terms to the sums of some columns, whose block of the right matrix is `block`.
    #[inline(always)]
    fn add<S: Simd>(&self, simd: S, sums: &mut Sums<'_, T>, cols: Range<usize>, block: &[T]) {
        let (left, first, from) = (self.left, self.rows.start, self.inner.start);
        let tile = Tile {
            begin: from == 0,
            inner: self.inner.len(),
            left: left.terms_from(from),
            right: block,
            distance: WIDE * T::lanes::<S>(),
        };
        for group in self.rows.clone().step_by(GROUP) {
            let group = group..self.rows.end.min(group + GROUP);
            if !self.lines.few(group.start - first..group.end - first, self.inner.len()) {
                tile.rows(simd, sums, group, cols.clone());
                continue;
            }
            for row in group {
                let (mask, numbers) = self.lines.row(left, row, row - first, from);
                let out = sums.at(row, cols.start, cols.len());
                add_terms(simd, out, from == 0, mask, numbers, block);
            }
        }
    }
}

/// Some rows of the right matrix in blocks, (INNER, WIDE vectors) each, that begin at lines of the cache: a block at a time
/// fits in the nearest cache.
struct Blocks<'a, T>(&'a mut [T]);

impl<T: Real> Blocks<'_, T> {
    /// The rows `inner` of the right matrix, in which every one of `cols` columns has `all` numbers; whole rows at a time,
    /// so that they are read in the order in which they lie.
    #[inline(always)]
    fn fill<S: Simd>(&mut self, simd: S, right: Right<'_, T>, all: usize, inner: Range<usize>, cols: usize) {
        let width = WIDE * T::lanes::<S>();
        for (row, k) in inner.enumerate() {
            for (block, col) in self.0.chunks_exact_mut(INNER * width).zip((0..cols).step_by(width)) {
                let block = &mut block[row * width..(row + 1) * width];
                match right {
                    Right::Rows(data, stride) => {
                        let row = &data[k * stride + col..k * stride + cols.min(col + width)];
                        copy(simd, block, row);
                    }
                    Right::Panels(panels) => {
                        for (col, block) in (col..cols).step_by(PANEL).zip(block.chunks_mut(PANEL)) {
                            let start = (col / PANEL * all + k) * PANEL + col % PANEL;
                            copy(simd, block, &panels[start..start + block.len()]);
                        }
                    }
                }
            }
        }
    }

    fn each<S: Simd>(&self) -> impl Iterator<Item = &[T]> {
        self.0.chunks_exact(INNER * WIDE * T::lanes::<S>())
    }
}

/// Copies numbers, and zeros up to a whole vector: so few that a call of `memcpy` would cost as much.
#[inline(always)]
fn copy<T: Real, S: Simd>(simd: S, to: &mut [T], from: &[T]) {
    let lanes = T::lanes::<S>();
    for (to, from) in to.chunks_exact_mut(lanes).zip(from.chunks(lanes)) {
        let vector = match from.len() == lanes {
            true => T::load(simd, from),
            false => T::load_part(simd, from),
        };
        T::store(simd, to, vector);
    }
}

/// Which numbers of some rows of the left matrix are not zero, and a transposed copy of them where a row does not lie in one
/// piece.
struct Lines<'a, T> {
    masks: [u64; ROWS],
    /// (ROWS, INNER)
    copy: &'a mut [T],
}

impl<T: Real> Lines<'_, T> {
    #[inline(always)]
    fn look_at(&mut self, left: Left<'_, T>, rows: Range<usize>, inner: Range<usize>) {
        if left.inner_step == 1 {
            for (mask, row) in self.masks.iter_mut().zip(rows) {
                *mask = not_zero(&left.from(row, inner.start)[..inner.len()]);
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
        for (mask, line) in self.masks.iter_mut().zip(self.copy.chunks_exact(INNER)) {
            *mask = not_zero(line);
        }
    }

    fn few(&self, rows: Range<usize>, terms: usize) -> bool {
        let terms = rows.len() * terms;
        few(self.masks[rows].iter().map(|mask| mask.count_ones()).sum(), terms)
    }

    /// The mask of a row, and its numbers from term `from` on.
    #[inline(always)]
    fn row<'b>(&'b self, left: Left<'b, T>, row: usize, place: usize, from: usize) -> (u64, &'b [T]) {
        let numbers = match left.inner_step {
            1 => left.from(row, from),
            _ => &self.copy[place * INNER..(place + 1) * INNER],
        };
        (self.masks[place], numbers)
    }
}

/// Bit k: the k-th of at most 64 numbers is not zero.
#[inline(always)]
fn not_zero<T: Real>(numbers: &[T]) -> u64 {
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

/// Adds the terms of a mask to a row of at most a block's width.
#[inline(always)]
fn add_terms<T: Real, S: Simd>(simd: S, out: &mut [T], begin: bool, mask: u64, numbers: &[T], block: &[T]) {
    match out.len().div_ceil(T::lanes::<S>()) {
        1 => add_to::<T, S, 1>(simd, out, begin, mask, numbers, block),
        2 => add_to::<T, S, 2>(simd, out, begin, mask, numbers, block),
        3 => add_to::<T, S, 3>(simd, out, begin, mask, numbers, block),
        4 => add_to::<T, S, 4>(simd, out, begin, mask, numbers, block),
        5 => add_to::<T, S, 5>(simd, out, begin, mask, numbers, block),
        6 => add_to::<T, S, 6>(simd, out, begin, mask, numbers, block),
        7 => add_to::<T, S, 7>(simd, out, begin, mask, numbers, block),
        _ => add_to::<T, S, WIDE>(simd, out, begin, mask, numbers, block),
    }
}

/// As [`add_terms`], for rows of `LONG` vectors, the last one whole or not.
#[inline(always)]
fn add_to<T: Real, S: Simd, const LONG: usize>(
    simd: S,
    out: &mut [T],
    begin: bool,
    mut mask: u64,
    numbers: &[T],
    block: &[T],
) {
    let lanes = T::lanes::<S>();
    // Known for all vectors but the last one when this is compiled: so the sums never leave the registers.
    let full = out.len() == LONG * lanes;
    let mut sums = [T::splat(simd, T::zero()); LONG];
    if !begin {
        for (w, sum) in sums.iter_mut().enumerate() {
            *sum = match w + 1 < LONG || full {
                true => T::load(simd, &out[w * lanes..]),
                false => T::load_part(simd, &out[w * lanes..]),
            };
        }
    }
    while mask != 0 {
        let k = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        let factor = T::splat(simd, numbers[k]);
        let terms = &block[k * WIDE * lanes..(k * WIDE + LONG) * lanes];
        for (w, sum) in sums.iter_mut().enumerate() {
            *sum = T::mul_add(simd, factor, T::load(simd, &terms[w * lanes..]), *sum);
        }
    }
    for (w, sum) in sums.into_iter().enumerate() {
        match w + 1 < LONG || full {
            true => T::store(simd, &mut out[w * lanes..], sum),
            false => T::store_part(simd, &mut out[w * lanes..], sum),
        }
    }
}
