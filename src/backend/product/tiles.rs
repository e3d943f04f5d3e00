//! Products in tiles of registers: every number that is loaded is used for several sums.

use super::{GROUP, Left, PANEL, Right, Sums};
use crate::backend::ahead::Ahead;
use crate::backend::cpu::Real;
use crate::backend::lanes::apart;
use pulp::{NullaryFnOnce, Simd, WithSimd};
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
        let lanes = T::lanes::<S>();
        let mut col = cols.start;
        while col < cols.end {
            let right = &self.right[col - cols.start..];
            let (rows, left) = (rows.clone(), cols.end - col);
            col += match left {
                _ if left >= 2 * lanes => self.columns::<S, 2, false>(simd, sums, rows, (col, 2 * lanes), right),
                _ if left >= lanes => self.columns::<S, 1, false>(simd, sums, rows, (col, lanes), right),
                _ => self.columns::<S, 1, true>(simd, sums, rows, (col, left), right),
            };
        }
    }

    /// Some rows of `width` columns. Returns `width`.
    #[inline(always)]
    fn columns<S: Simd, const WIDE: usize, const PART: bool>(
        &self,
        simd: S,
        sums: &mut Sums<'_, T>,
        rows: Range<usize>,
        (col, width): (usize, usize),
        right: &[T],
    ) -> usize {
        apart(
            simd,
            Columns::<'_, '_, '_, T, S, WIDE, PART> {
                simd,
                tile: self,
                sums,
                rows,
                col,
                width,
                right,
            },
        );
        width
    }

    /// `TALL` rows of `WIDE` vectors, in registers; `PART`: the one vector has `width` numbers only. Returns `TALL`.
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
        TALL
    }

    /// All terms of the tile's sums.
    #[inline(always)]
    fn add<S: Simd, const TALL: usize, const WIDE: usize, const PART: bool>(
        &self,
        simd: S,
        sums: &mut [[T::Vector<S>; WIDE]; TALL],
        left: &[T],
        right: &[T],
        width: usize,
    ) {
        let distance = self.left.inner_step;
        if distance == 1 {
            return self.add_rows::<S, TALL, WIDE, PART>(simd, sums, left, right, width);
        }
        for k in 0..self.inner {
            let factors = &left[k * distance..k * distance + TALL];
            let terms = &right[k * self.distance..k * self.distance + width];
            add_term::<T, S, TALL, WIDE, PART>(simd, sums, terms, factors);
        }
    }

    /// The same where the factors of a row lie side by side. Where they lie is known before the loop, so that none is looked
    /// for in it: it would wait for the bounds that it is checked against. Whole vectors are added four terms at a time.
    #[inline(always)]
    fn add_rows<S: Simd, const TALL: usize, const WIDE: usize, const PART: bool>(
        &self,
        simd: S,
        sums: &mut [[T::Vector<S>; WIDE]; TALL],
        left: &[T],
        right: &[T],
        width: usize,
    ) {
        let (row_step, distance) = (self.left.row_step, self.distance);
        // Behind the columns of its last row the right matrix may end.
        let fours = if PART {
            0
        } else {
            self.inner.min(right.len() / distance) / 4
        };
        let (mut rows, mut rows_of_fours) = ([&left[..0]; TALL], [&[][..]; TALL]);
        for i in 0..TALL {
            rows[i] = &left[i * row_step..i * row_step + self.inner];
            rows_of_fours[i] = &rows[i].as_chunks::<4>().0[..fours];
        }
        assert!(PART || width <= distance); // known in the loop, then
        for (four, terms) in right.chunks_exact(4 * distance).take(fours).enumerate() {
            let mut factors = [[T::zero(); TALL]; 4];
            for i in 0..TALL {
                for k in 0..4 {
                    factors[k][i] = rows_of_fours[i][four][k];
                }
            }
            let (first, terms) = terms.split_at(distance);
            let (second, terms) = terms.split_at(distance);
            let (third, fourth) = terms.split_at(distance);
            add_term::<T, S, TALL, WIDE, PART>(simd, sums, first, &factors[0]);
            add_term::<T, S, TALL, WIDE, PART>(simd, sums, second, &factors[1]);
            add_term::<T, S, TALL, WIDE, PART>(simd, sums, third, &factors[2]);
            add_term::<T, S, TALL, WIDE, PART>(simd, sums, fourth, &factors[3]);
        }
        for k in 4 * fours..self.inner {
            let mut factors = [T::zero(); TALL];
            for i in 0..TALL {
                factors[i] = rows[i][k];
            }
            let terms = &right[k * distance..k * distance + width];
            add_term::<T, S, TALL, WIDE, PART>(simd, sums, terms, &factors);
        }
    }
}

/// Some rows of `WIDE` vectors, a tile after the other; `PART`: the one vector has `width` numbers only.
struct Columns<'s, 'o, 'a, T, S, const WIDE: usize, const PART: bool> {
    simd: S,
    tile: &'s Tile<'a, T>,
    sums: &'s mut Sums<'o, T>,
    rows: Range<usize>,
    col: usize,
    width: usize,
    right: &'s [T],
}

impl<T: Real, S: Simd, const WIDE: usize, const PART: bool> NullaryFnOnce for Columns<'_, '_, '_, T, S, WIDE, PART> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            simd,
            tile,
            sums,
            rows,
            col,
            width,
            right,
        } = self;
        let mut row = rows.start;
        while row < rows.end {
            // A tile of 8 rows and 2 vectors takes 16 registers for the sums.
            row += match rows.end - row {
                8.. if S::REGISTER_COUNT >= 32 => tile.tile::<S, 8, WIDE, PART>(simd, sums, (row, col), width, right),
                4.. => tile.tile::<S, 4, WIDE, PART>(simd, sums, (row, col), width, right),
                2.. => tile.tile::<S, 2, WIDE, PART>(simd, sums, (row, col), width, right),
                _ => tile.tile::<S, 1, WIDE, PART>(simd, sums, (row, col), width, right),
            };
        }
    }
}

/// One term of a tile's sums: `terms` times a factor a row. Plain loops: adapters of iterators over vectors are not always
/// compiled in place.
#[inline(always)]
fn add_term<T: Real, S: Simd, const TALL: usize, const WIDE: usize, const PART: bool>(
    simd: S,
    sums: &mut [[T::Vector<S>; WIDE]; TALL],
    terms: &[T],
    factors: &[T],
) {
    let lanes = T::lanes::<S>();
    let mut vectors = [T::splat(simd, T::zero()); WIDE];
    for w in 0..WIDE {
        vectors[w] = match PART {
            true => T::load_part(simd, terms),
            false => T::load(simd, &terms[w * lanes..]),
        };
    }
    for i in 0..TALL {
        let factor = T::splat(simd, factors[i]);
        for w in 0..WIDE {
            sums[i][w] = T::mul_add(simd, factor, vectors[w], sums[i][w]);
        }
    }
}
