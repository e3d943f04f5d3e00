//! The sums of one row or two, in registers, whose zeros are left out: what two rows need of a block is loaded once for both.

use super::Sums;
use super::masks::INNER;
use super::zeros::WIDE;
use crate::backend::cpu::Real;
use pulp::Simd;
use std::ops::Range;

/// Rows of at most a block's width.
pub(super) struct Add<'s, 'o, 'a, T> {
    /// Whether these terms begin the sums.
    pub begin: bool,
    pub sums: &'s mut Sums<'o, T>,
    /// The first one.
    pub row: usize,
    pub cols: Range<usize>,
    /// (INNER, WIDE vectors)
    pub block: &'a [T],
}

impl<T: Real> Add<'_, '_, '_, T> {
    /// Adds the terms of a mask to all rows, then those of each row's own mask.
    #[inline(always)]
    pub fn terms<S: Simd, const ROWS: usize>(&mut self, simd: S, all: u64, own: [(u64, &[T; INNER]); ROWS]) {
        let lanes = T::lanes::<S>();
        match self.cols.len().div_ceil(lanes) {
            _ if self.cols.len() == WIDE * lanes => self.long::<S, ROWS, WIDE, true>(simd, all, own),
            1 => self.long::<S, ROWS, 1, false>(simd, all, own),
            2 => self.long::<S, ROWS, 2, false>(simd, all, own),
            3 => self.long::<S, ROWS, 3, false>(simd, all, own),
            4 => self.long::<S, ROWS, 4, false>(simd, all, own),
            5 => self.long::<S, ROWS, 5, false>(simd, all, own),
            6 => self.long::<S, ROWS, 6, false>(simd, all, own),
            7 => self.long::<S, ROWS, 7, false>(simd, all, own),
            _ => self.long::<S, ROWS, WIDE, false>(simd, all, own),
        }
    }

    /// As [`Add::terms`], for rows of `LONG` vectors; `WHOLE`: also the last one has all its numbers.
    #[inline(always)]
    fn long<S: Simd, const ROWS: usize, const LONG: usize, const WHOLE: bool>(
        &mut self,
        simd: S,
        all: u64,
        own: [(u64, &[T; INNER]); ROWS],
    ) {
        // Known when this is compiled, where it can be: so nothing is asked about a vector.
        let width = if WHOLE { LONG * T::lanes::<S>() } else { self.cols.len() };
        let block = &self.block[..INNER * WIDE * T::lanes::<S>()];
        let mut sums = [[T::splat(simd, T::zero()); LONG]; ROWS];
        if !self.begin {
            self.load(simd, &mut sums, width);
        }
        let mut numbers = [own[0].1; ROWS];
        for (numbers, (_, own)) in numbers.iter_mut().zip(&own) {
            *numbers = own;
        }
        add_terms(simd, &mut sums, all, &numbers, block);
        for (sums, &(mask, numbers)) in sums.iter_mut().zip(&own) {
            add_terms::<T, S, 1, LONG>(simd, std::array::from_mut(sums), mask, &[numbers], block);
        }
        self.store(simd, &sums, width);
    }

    /// The sums so far.
    #[inline(always)]
    fn load<S: Simd, const ROWS: usize, const LONG: usize>(
        &mut self,
        simd: S,
        sums: &mut [[T::Vector<S>; LONG]; ROWS],
        width: usize,
    ) {
        let lanes = T::lanes::<S>();
        for (i, sums) in sums.iter_mut().enumerate() {
            let out = self.sums.at(self.row + i, self.cols.start, width);
            for (w, sum) in sums.iter_mut().enumerate() {
                *sum = match w + 1 < LONG || width == LONG * lanes {
                    true => T::load(simd, &out[w * lanes..]),
                    false => T::load_part(simd, &out[w * lanes..]),
                };
            }
        }
    }

    #[inline(always)]
    fn store<S: Simd, const ROWS: usize, const LONG: usize>(
        &mut self,
        simd: S,
        sums: &[[T::Vector<S>; LONG]; ROWS],
        width: usize,
    ) {
        let lanes = T::lanes::<S>();
        for (i, sums) in sums.iter().enumerate() {
            let out = self.sums.at(self.row + i, self.cols.start, width);
            for (w, &sum) in sums.iter().enumerate() {
                match w + 1 < LONG || width == LONG * lanes {
                    true => T::store(simd, &mut out[w * lanes..], sum),
                    false => T::store_part(simd, &mut out[w * lanes..], sum),
                }
            }
        }
    }
}

/// Adds the terms of a mask to the sums of some rows, whose numbers these are.
#[inline(always)]
fn add_terms<T: Real, S: Simd, const ROWS: usize, const LONG: usize>(
    simd: S,
    sums: &mut [[T::Vector<S>; LONG]; ROWS],
    mut mask: u64,
    numbers: &[&[T; INNER]; ROWS],
    block: &[T],
) {
    let lanes = T::lanes::<S>();
    while mask != 0 {
        let k = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        let mut factors = [T::splat(simd, T::zero()); ROWS];
        for i in 0..ROWS {
            factors[i] = T::splat(simd, numbers[i][k]);
        }
        let terms = &block[k * WIDE * lanes..(k * WIDE + LONG) * lanes];
        for w in 0..LONG {
            let term = T::load(simd, &terms[w * lanes..]);
            for i in 0..ROWS {
                sums[i][w] = T::mul_add(simd, factors[i], term, sums[i][w]);
            }
        }
    }
}
