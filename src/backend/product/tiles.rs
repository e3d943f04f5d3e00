//! Products in tiles of registers: every number that is loaded is used for several sums.

use super::{GROUP, Left, PANEL, Right, Sums};
use crate::backend::ahead::Ahead;
use crate::backend::cpu::Real;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The longest sums that are added up in one go.
const LONGEST: usize = 512;
/// Terms of longer sums that are added before all other sums get theirs, so that what is read for them stays in a core's
/// cache.
const INNER: usize = 256;

/// From how many rows on it pays to ask for the left matrix ahead.
const MANY_ROWS: usize = 8 * GROUP;

/// All sums.
pub(super) struct Multiply<'o, 'a, T> {
    pub sums: Sums<'o, T>,
    pub left: Left<'a, T>,
    pub right: Right<'a, T>,
}

impl<T: Real> WithSimd for Multiply<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let all = self.sums.inner;
        let some = if all <= LONGEST { all } else { INNER };
        for from in (0..all).step_by(some.max(1)) {
            add_terms(simd, &mut self.sums, self.left, self.right, from..all.min(from + some));
        }
    }
}

/// The terms `inner` of all sums, panel by panel, so that a panel is read from the nearest cache by all rows but the first.
#[inline(always)]
fn add_terms<T: Real, S: Simd>(
    simd: S,
    sums: &mut Sums<'_, T>,
    left: Left<'_, T>,
    right: Right<'_, T>,
    inner: Range<usize>,
) {
    for first in (0..sums.cols()).step_by(PANEL) {
        let cols = first..sums.cols().min(first + PANEL);
        let (right, distance) = match right {
            Right::Rows(data, stride) => (&data[first + inner.start * stride..], stride),
            Right::Panels(panels) => (&panels[first * sums.inner + inner.start * PANEL..], PANEL),
        };
        let tile = Tile {
            begin: sums.begin && inner.start == 0,
            inner: inner.len(),
            left: left.terms_from(inner.start),
            right,
            distance,
        };
        // A product of one panel goes through the left matrix once, and waits for it.
        match sums.cols() <= PANEL && sums.rows() >= MANY_ROWS {
            true => tile.rows_asking(simd, sums, cols, sums.inner - inner.end),
            false => tile.rows(simd, sums, 0..sums.rows(), cols),
        }
    }
}

/// Some terms of some sums.
pub(super) struct Tile<'a, T> {
    /// Whether these terms begin the sums.
    pub begin: bool,
    /// How many terms.
    pub inner: usize,
    /// From row 0 on.
    pub left: Left<'a, T>,
    /// Row-major, from the first column on; rows `distance` apart.
    pub right: &'a [T],
    pub distance: usize,
}

impl<T: Real> Tile<'_, T> {
    /// As [`Tile::rows`], for all rows. What is needed next of the left matrix is asked for meanwhile: the next group of rows
    /// or, where the terms lie row by row, the next terms, of which `follow` are left.
    #[inline(always)]
    fn rows_asking<S: Simd>(&self, simd: S, sums: &mut Sums<'_, T>, cols: Range<usize>, follow: usize) {
        let (left, rows) = (self.left, sums.rows());
        let terms = self.inner..self.inner + follow.min(self.inner);
        let mut terms = Ahead::new(left.data, left.inner_step, terms, rows, rows.div_ceil(GROUP));
        for row in (0..rows).step_by(GROUP) {
            let group = row..rows.min(row + GROUP);
            match left.inner_step {
                1 => Ahead::new(left.data, left.row_step, group.end..group.end + GROUP, self.inner, 1).ask(),
                _ => terms.ask(),
            }
            self.rows(simd, sums, group, cols.clone());
        }
    }

    /// Adds the terms to the sums of some rows and columns.
    #[inline(always)]
    pub fn rows<S: Simd>(&self, simd: S, sums: &mut Sums<'_, T>, rows: Range<usize>, cols: Range<usize>) {
        let mut row = rows.start;
        while row < rows.end {
            let cols = cols.clone();
            // A tile of 8 rows and 2 vectors takes 16 registers for the sums.
            row += match rows.end - row {
                8.. if S::REGISTER_COUNT >= 32 => self.strip::<S, 8>(simd, sums, row, cols),
                4.. => self.strip::<S, 4>(simd, sums, row, cols),
                2.. => self.strip::<S, 2>(simd, sums, row, cols),
                _ => self.strip::<S, 1>(simd, sums, row, cols),
            };
        }
    }

    /// `TALL` rows. Returns `TALL`.
    #[inline(always)]
    fn strip<S: Simd, const TALL: usize>(
        &self,
        simd: S,
        sums: &mut Sums<'_, T>,
        row: usize,
        cols: Range<usize>,
    ) -> usize {
        let lanes = T::lanes::<S>();
        let mut at = (row, cols.start);
        while at.1 < cols.end {
            let right = &self.right[at.1 - cols.start..];
            at.1 += match cols.end - at.1 {
                left if left >= 2 * lanes => self.tile::<S, TALL, 2, false>(simd, sums, at, 2 * lanes, right),
                left if left >= lanes => self.tile::<S, TALL, 1, false>(simd, sums, at, lanes, right),
                left => self.tile::<S, TALL, 1, true>(simd, sums, at, left, right),
            };
        }
        TALL
    }

    /// `TALL` rows of `WIDE` vectors, in registers; `PART`: the one vector has `width` numbers only. Returns `width`.
    #[inline(always)]
    fn tile<S: Simd, const TALL: usize, const WIDE: usize, const PART: bool>(
        &self,
        simd: S,
        all: &mut Sums<'_, T>,
        (row, col): (usize, usize),
        width: usize,
        right: &[T],
    ) -> usize {
        let lanes = T::lanes::<S>();
        let left = self.left.from(row, 0);
        let mut sums = [[T::splat(simd, T::zero()); WIDE]; TALL];
        if !self.begin {
            for (i, sums) in sums.iter_mut().enumerate() {
                let out = all.at(row + i, col, width);
                for (w, sum) in sums.iter_mut().enumerate() {
                    *sum = match PART {
                        true => T::load_part(simd, out),
                        false => T::load(simd, &out[w * lanes..]),
                    };
                }
            }
        }
        self.add::<S, TALL, WIDE, PART>(simd, &mut sums, left, right, width);
        for (i, sums) in sums.into_iter().enumerate() {
            let out = all.at(row + i, col, width);
            for (w, sum) in sums.into_iter().enumerate() {
                match PART {
                    true => T::store_part(simd, out, sum),
                    false => T::store(simd, &mut out[w * lanes..], sum),
                }
            }
        }
        width
    }

    /// All terms of the tile's sums. Where the factors lie is known before the loop, so that none is looked for in it: it
    /// would wait for the bounds that it is checked against.
    #[inline(always)]
    fn add<S: Simd, const TALL: usize, const WIDE: usize, const PART: bool>(
        &self,
        simd: S,
        sums: &mut [[T::Vector<S>; WIDE]; TALL],
        left: &[T],
        right: &[T],
        width: usize,
    ) {
        let Left {
            row_step, inner_step, ..
        } = self.left;
        let terms = |k: usize| &right[k * self.distance..k * self.distance + width];
        if inner_step == 1 {
            let rows: [&[T]; TALL] = std::array::from_fn(|i| &left[i * row_step..i * row_step + self.inner]);
            let factor = |i: usize, k: usize| rows[i][k];
            for k in 0..self.inner {
                add_term::<T, S, TALL, WIDE, PART>(simd, sums, terms(k), |i| factor(i, k));
            }
        } else {
            for k in 0..self.inner {
                let column = &left[k * inner_step..k * inner_step + TALL];
                add_term::<T, S, TALL, WIDE, PART>(simd, sums, terms(k), |i| column[i]);
            }
        }
    }
}

/// One term of a tile's sums: `terms` times a factor a row.
#[inline(always)]
fn add_term<T: Real, S: Simd, const TALL: usize, const WIDE: usize, const PART: bool>(
    simd: S,
    sums: &mut [[T::Vector<S>; WIDE]; TALL],
    terms: &[T],
    factor: impl Fn(usize) -> T,
) {
    let lanes = T::lanes::<S>();
    let terms: [T::Vector<S>; WIDE] = std::array::from_fn(|w| match PART {
        true => T::load_part(simd, terms),
        false => T::load(simd, &terms[w * lanes..]),
    });
    for (i, sums) in sums.iter_mut().enumerate() {
        let factor = T::splat(simd, factor(i));
        for (sum, &term) in sums.iter_mut().zip(&terms) {
            *sum = T::mul_add(simd, factor, term, *sum);
        }
    }
}
