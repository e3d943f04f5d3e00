//! Products that leave out the terms whose left number is zero. A block of the right matrix lies in a core's nearest cache,
//! and every pair of rows walks over those of its numbers that are not zero: first over the terms that both have, which are
//! loaded once, then over those of each row. What is loaded serves two rows at most, so a term takes longer than in a tile of
//! registers: whether leaving out is faster is decided by the zeros of every group of rows.

use super::masks::{INNER, LINES, Lines};
use super::pairs::Add;
use super::tiles::Tile;
use super::{GROUP, Left, MOST_ROWS, PANEL, Right, Sums};
use crate::backend::ahead::Ahead;
use crate::backend::cpu::Real;
use crate::backend::lanes::{self, apart};
use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};
use std::ops::Range;

/// Vectors in a row of a block: that many sums fit in 16 registers.
pub(super) const WIDE: usize = 8;

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
    LINES + INNER * sums.cols().next_multiple_of(WIDE * lanes::MOST)
}

/// All sums, with scratch memory that holds anything.
pub(super) struct Multiply<'o, 'a, T> {
    pub sums: Sums<'o, T>,
    pub left: Left<'a, T>,
    pub right: Right<'a, T>,
    pub scratch: &'a mut [T],
}

impl<T: Real> WithSimd for Multiply<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            mut sums,
            left,
            right,
            scratch,
        } = self;
        let (copy, blocks) = scratch.split_at_mut(LINES);
        let mut lines = Lines::new(left, copy);
        let mut blocks = Blocks(blocks);
        let span = lines.span();
        // Columns whose blocks are filled together: of a matrix of rows all, so that it is read as it lies.
        let some = match right {
            Right::Panels(_) => WIDE * T::lanes::<S>(),
            Right::Rows(..) => sums.cols(),
        };
        for first in (0..sums.rows()).step_by(MOST_ROWS) {
            let rows = first..sums.rows().min(first + MOST_ROWS);
            for from in (0..sums.inner).step_by(span) {
                let inner = from..sums.inner.min(from + span);
                lines.look_at(simd, rows.clone(), inner.clone());
                for col in (0..sums.cols()).step_by(some) {
                    let cols = col..sums.cols().min(col + some);
                    for from in inner.clone().step_by(INNER) {
                        let part = Part {
                            rows: rows.clone(),
                            inner: from..inner.end.min(from + INNER),
                            left,
                            lines: &lines,
                        };
                        blocks.fill(simd, right, sums.inner, part.inner.clone(), cols.clone());
                        match part.ahead(right, &sums) {
                            Some(mut ahead) => part.add(simd, &mut sums, cols.clone(), &blocks, &mut || {
                                ahead.iter_mut().for_each(Ahead::ask);
                            }),
                            None => part.add(simd, &mut sums, cols.clone(), &blocks, &mut || ()),
                        }
                    }
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

impl<'a, T: Real> Part<'a, T> {
    /// What to ask for while this part is added, two rows at a time: the rows of the right matrix of the next part, some of which
    /// another thread wrote last; and the same terms of the left one, unless its rows lie in one piece and are read as they
    /// lie. Panels lie near.
    fn ahead(&self, right: Right<'a, T>, sums: &Sums<'_, T>) -> Option<[Ahead<'a, T>; 2]> {
        let Right::Rows(data, stride) = right else {
            return None;
        };
        let terms = self.inner.end..sums.inner.min(self.inner.end + INNER);
        let times = self.rows.len().div_ceil(2) * sums.cols().div_ceil(WIDE * lanes::MOST);
        let left = self.left.from(self.rows.start, 0);
        let left_terms = match self.left.inner_step {
            1 => 0..0,
            _ => terms.clone(),
        };
        Some([
            Ahead::new(data, stride, terms, sums.cols(), times),
            Ahead::new(left, self.left.inner_step, left_terms, self.rows.len(), times),
        ])
    }

    /// Adds the terms to the sums of the columns that `blocks` holds, and calls `between` once every two rows of a block.
    #[inline(always)]
    fn add<S: Simd>(
        &self,
        simd: S,
        sums: &mut Sums<'_, T>,
        cols: Range<usize>,
        blocks: &Blocks<'_, T>,
        between: &mut impl FnMut(),
    ) {
        let width = WIDE * T::lanes::<S>();
        for (block, col) in blocks.each::<S>().zip(cols.clone().step_by(width)) {
            apart(
                simd,
                AddBlock {
                    simd,
                    part: self,
                    sums,
                    cols: col..cols.end.min(col + width),
                    block,
                    between,
                },
            );
        }
    }

    #[inline(always)]
    fn add_block<S: Simd>(
        &self,
        simd: S,
        sums: &mut Sums<'_, T>,
        cols: Range<usize>,
        block: &[T],
        between: &mut impl FnMut(),
    ) {
        let from = self.inner.start;
        let tile = Tile {
            begin: sums.begin && from == 0,
            inner: self.inner.len(),
            left: self.left.terms_from(from),
            right: block,
            distance: WIDE * T::lanes::<S>(),
        };
        for group in self.rows.clone().step_by(GROUP) {
            let group = group..self.rows.end.min(group + GROUP);
            if !self.lines.few(group.clone(), from, self.inner.len()) {
                group.clone().step_by(2).for_each(|_| between());
                tile.rows(simd, sums, group, cols.clone());
                continue;
            }
            for row in group.clone().step_by(2) {
                between();
                self.add_pair(simd, sums, row..group.end.min(row + 2), cols.clone(), block);
            }
        }
    }

    /// The terms of one row or two. What two rows need of a block is loaded once for both: the terms that neither leaves out
    /// come first, in every pair on every machine, then those of each row alone.
    #[inline(always)]
    fn add_pair<S: Simd>(&self, simd: S, sums: &mut Sums<'_, T>, rows: Range<usize>, cols: Range<usize>, block: &[T]) {
        let from = self.inner.start;
        let mut add = Add {
            begin: sums.begin && from == 0,
            row: rows.start,
            cols,
            block,
            sums,
        };
        let (one, numbers) = self.lines.row(rows.start, from);
        if rows.len() == 1 {
            return add.terms(simd, one, [(0, numbers)]);
        }
        let (two, more) = self.lines.row(rows.start + 1, from);
        let both = one & two;
        // The sums of both rows, or of one, in registers.
        if S::REGISTER_COUNT >= 4 * WIDE {
            return add.terms(simd, both, [(one & !both, numbers), (two & !both, more)]);
        }
        add.terms(simd, both, [(one & !both, numbers)]);
        add.row += 1;
        add.terms(simd, both, [(two & !both, more)]);
    }
}

/// The terms of a block for all rows of a part.
struct AddBlock<'s, 'o, 'a, T, S, F> {
    simd: S,
    part: &'s Part<'a, T>,
    sums: &'s mut Sums<'o, T>,
    cols: Range<usize>,
    block: &'s [T],
    between: &'s mut F,
}

impl<T: Real, S: Simd, F: FnMut()> NullaryFnOnce for AddBlock<'_, '_, '_, T, S, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            simd,
            part,
            sums,
            cols,
            block,
            between,
        } = self;
        part.add_block(simd, sums, cols, block, between);
    }
}

/// Some rows of the right matrix in blocks, (INNER, WIDE vectors) each, that begin at lines of the cache: a block at a time
/// fits in the nearest cache.
struct Blocks<'a, T>(&'a mut [T]);

impl<T: Real> Blocks<'_, T> {
    /// The rows `inner` of some columns of the right matrix, whose columns have `all` numbers each; whole rows at a time, so
    /// that they are read in the order in which they lie.
    #[inline(always)]
    fn fill<S: Simd>(&mut self, simd: S, right: Right<'_, T>, all: usize, inner: Range<usize>, cols: Range<usize>) {
        let width = WIDE * T::lanes::<S>();
        for (row, k) in inner.enumerate() {
            for (block, col) in self.0.chunks_exact_mut(INNER * width).zip(cols.clone().step_by(width)) {
                let block = &mut block[row * width..(row + 1) * width];
                match right {
                    Right::Rows(data, stride) => {
                        let row = &data[k * stride + col..k * stride + cols.end.min(col + width)];
                        copy(simd, block, row);
                    }
                    Right::Panels(panels) => {
                        for (col, block) in (col..cols.end).step_by(PANEL).zip(block.chunks_mut(PANEL)) {
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
