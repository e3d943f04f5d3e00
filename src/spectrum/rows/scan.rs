//! One pass over the rows of a table.

use super::RowCounts;
use super::block::{Entry, Found, Keys, go_through, keys, multiply, square_of};
use super::duplicates::{CAPACITY, Distinct, sampled, stratum};
use crate::spectrum::SpectrumError;
use crate::spectrum::certified::Tail;
use crate::spectrum::gram::certify::rotation;
use crate::spectrum::table::{Entries, Factor, Table};
use crate::spectrum::values;
use faer::Mat;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most ranges of rows that are gone through side by side. Fixed, so that sums do not depend on the number of threads.
const RANGES: usize = 64;
/// Fewer rows are not worth a range of their own.
const RANGE_ROWS: usize = 8192;
/// Entries of a block: its copies stay in the second-level cache.
const BLOCK: usize = 16_384;

/// Squares of norms within this range lose nothing that matters to the ends of f64's range.
const SAFE: Range<f64> = 1e-280..1e280;

/// What the factors behind the first make of a row: `2^exponent · matrix`, k × width, row-major.
pub(super) struct Right {
    pub(super) matrix: Vec<f64>,
    pub(super) width: usize,
    exponent: i32,
}

impl Right {
    /// None for a plain table.
    fn of(first: &Factor, rest: &[Factor], width: usize) -> Result<Option<Self>, SpectrumError> {
        if rest.is_empty() {
            return Ok(None);
        }
        let cols = first.cols();
        let (product, exponent) = match Tail::of(rest)? {
            Some(tail) => {
                let product = rotation(cols, &tail.factors, &Mat::identity(width, width));
                (product, tail.exponent)
            }
            None => (Mat::zeros(cols, width), 0),
        };
        let matrix = (0..cols * width).map(|at| product[(at / width, at % width)]).collect();
        Ok(Some(Self {
            matrix,
            width,
            exponent,
        }))
    }
}

/// Everything about the rows of a table that adds up over its parts, in one pass; see [`RowCounts`].
///
/// # Errors
/// [`SpectrumError`]: no factor, factors that do not fit, an entry that is not finite, norms above the range of f64.
pub fn count_rows(table: &Table) -> Result<RowCounts, SpectrumError> {
    let rows = table.factors.first().map_or(0, Factor::rows);
    let level = likely_level(rows, CAPACITY);
    let mut counts = count_rows_from(table, level)?;
    if level > 0 && counts.distinct.level == level {
        // Fewer are distinct than was likely, and more of them fit.
        counts.distinct = count_rows_from(table, 0)?.distinct;
    }
    Ok(counts)
}

/// A sampling level that is passed in a table most of whose rows are distinct. Where it is, the level is the same as if the pass had
/// begun at 0: more hashes than the capacity are multiples of 2^level, and so of any lower power. It spares the keeping of
/// hashes that are soon dropped.
fn likely_level(rows: usize, capacity: usize) -> u32 {
    let times = rows / (capacity + capacity / 4);
    times.checked_ilog2().unwrap_or(0)
}

fn count_rows_from(table: &Table, level: u32) -> Result<RowCounts, SpectrumError> {
    let distinct = Distinct {
        level,
        ..Distinct::default()
    };
    let (rows, width) = values::shape(&table.factors)?;
    let (first, rest) = table.factors.split_first().ok_or(SpectrumError::NoFactor)?;
    let right = Right::of(first, rest, width)?;
    let initial = (table.initial.as_ref())
        .and_then(|factors| factors.first())
        .filter(|initial| (initial.rows(), initial.cols()) == (rows, first.cols()));
    let frequencies = table.frequencies.as_deref().filter(|counts| counts.len() == rows);
    let keys = keys(first.cols());
    let level = AtomicU32::new(distinct.level);
    let distinct = Mutex::new(distinct);
    let ranges = rows.div_ceil(RANGE_ROWS).min(RANGES);
    let bound = |i: usize| (i as u128 * rows as u128 / ranges as u128) as usize;
    let empty = || RowCounts::empty(first.cols(), initial.is_some(), frequencies.is_some());
    let parts: Vec<RowCounts> = (0..ranges)
        .into_par_iter()
        .map(|i| {
            let mut scan = Scan {
                cols: first.cols(),
                right: right.as_ref(),
                keys: &keys,
                frequencies,
                counts: empty(),
                distinct: &distinct,
                level: &level,
                buffers: Buffers::default(),
            };
            scan.range(first, initial, bound(i)..bound(i + 1));
            scan.counts
        })
        .collect();
    let mut sum = empty();
    sum.distinct = distinct.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    parts.iter().for_each(|part| sum.add(part));
    if !sum.norms.greatest.is_finite() || !sum.squares.is_finite() {
        let wrong = |(row, column)| SpectrumError::NotFinite {
            tensor: first.name.clone(),
            row,
            column,
        };
        first.largest().map_err(wrong)?;
        if sum.norms.greatest.is_infinite() {
            return Err(SpectrumError::Overflow {
                tensor: first.name.clone(),
            });
        }
    }
    Ok(sum)
}

#[derive(Default)]
struct Buffers {
    narrow: Vec<f32>,
    found: Found,
    unchanged: Vec<bool>,
}

/// A range of rows, block by block.
struct Scan<'a> {
    cols: usize,
    right: Option<&'a Right>,
    keys: &'a [Keys],
    frequencies: Option<&'a [u64]>,
    counts: RowCounts,
    distinct: &'a Mutex<Distinct>,
    /// The sampling level, or an earlier one.
    level: &'a AtomicU32,
    buffers: Buffers,
}

impl Scan<'_> {
    fn range(&mut self, first: &Factor, initial: Option<&Factor>, rows: Range<usize>) {
        let block = (BLOCK / self.cols.max(1)).clamp(16, 1024);
        for start in rows.clone().step_by(block) {
            let part = start..rows.end.min(start + block);
            first.with_rows(part.clone(), |entries| {
                if let Some(initial) = initial {
                    let unchanged = &mut self.buffers.unchanged;
                    initial.with_rows(part.clone(), |before| same_rows(entries, before, self.cols, unchanged));
                }
                self.block(entries, part.len());
            });
            self.untrained(part);
            self.keep();
        }
    }

    fn block(&mut self, entries: Entries<'_>, rows: usize) {
        self.counts.rows += rows as u64;
        let mut narrow = std::mem::take(&mut self.buffers.narrow);
        let widened = |narrow: &mut Vec<f32>, convert: &dyn Fn(&mut [f32])| {
            narrow.resize(entries.len(), 0.0);
            convert(narrow);
        };
        match entries {
            Entries::F32(x) => self.numbers(x, rows),
            Entries::F16(x) => {
                widened(&mut narrow, &|narrow| x.convert_to_f32_slice(narrow));
                self.numbers(&narrow, rows);
            }
            Entries::Bf16(x) => {
                widened(&mut narrow, &|narrow| x.convert_to_f32_slice(narrow));
                self.numbers(&narrow, rows);
            }
            Entries::F64(x) => self.numbers(x, rows),
        }
        self.buffers.narrow = narrow;
    }

    /// Hashes, norms and sums of the rows.
    fn numbers<T: Entry>(&mut self, x: &[T], rows: usize) {
        let Self {
            cols,
            right,
            keys,
            ref mut counts,
            ref mut buffers,
            ..
        } = *self;
        go_through(x, (rows, cols), keys, right, &mut buffers.found);
        let exponent = right.map_or(0, |right| right.exponent);
        let unit = libm::ldexp(1.0, 2 * exponent.clamp(-500, 500));
        let mut squares = 0.0;
        for (i, square) in buffers.found.squares.iter().enumerate() {
            let mut square = square * unit;
            let norm = if SAFE.contains(&square) && exponent.abs() < 500 {
                square.sqrt()
            } else {
                let row = &x[i * cols..(i + 1) * cols];
                let zero = row.iter().all(|&x| x.into() == 0.0);
                counts.zero_rows += u64::from(zero);
                let norm = if zero { 0.0 } else { scaled_norm(row, right) };
                square = norm * norm;
                norm
            };
            squares += square;
            counts.norms.add(norm);
        }
        counts.squares += squares;
        let sums = counts.sums.iter_mut().zip(&buffers.found.sums);
        sums.for_each(|(sum, block)| *sum += *block);
    }

    /// Counts the rows that training did not change or did not use.
    fn untrained(&mut self, rows: Range<usize>) {
        let unused = |i: usize| self.frequencies.map(|counts| counts[rows.start + i] == 0);
        let unchanged = &self.buffers.unchanged;
        for i in 0..rows.len() {
            let (unused, unchanged) = (unused(i), unchanged.get(i).copied());
            let add = |count: &mut Option<u64>, holds: Option<bool>| {
                if let (Some(count), Some(true)) = (count, holds) {
                    *count += 1;
                }
            };
            add(&mut self.counts.unused_rows, unused);
            add(&mut self.counts.initial_rows, unchanged);
            let both = unused.zip(unchanged).map(|(unused, unchanged)| unused && unchanged);
            add(&mut self.counts.unused_initial_rows, both);
        }
    }

    /// Hands the block's hashes on.
    fn keep(&mut self) {
        let hashes = &mut self.buffers.found.hashes;
        for hash in hashes.iter() {
            self.counts.distinct.strata[stratum(hash)] += 1;
        }
        let level = self.level.load(Ordering::Relaxed);
        hashes.retain(|hash| sampled(hash, level));
        if hashes.is_empty() {
            return;
        }
        let mut distinct = self.distinct.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        hashes.iter().for_each(|&hash| distinct.keep(hash, 1));
        self.level.store(distinct.level, Ordering::Relaxed);
    }
}

/// The norm of a row whose squares may leave the range of f64.
#[cold]
fn scaled_norm<T: Copy + Into<f64>>(row: &[T], right: Option<&Right>) -> f64 {
    let scaled = |row: &[f64]| -> Option<(Vec<f64>, i32)> {
        let greatest = row.iter().fold(0.0f64, |greatest, x| greatest.max(x.abs()));
        if greatest == 0.0 {
            return None;
        }
        let e = libm::ilogb(greatest);
        Some((row.iter().map(|&x| libm::ldexp(x, -e)).collect(), e))
    };
    let wide: Vec<f64> = row.iter().map(|&x| x.into()).collect();
    if wide.iter().any(|x| !x.is_finite()) {
        return f64::INFINITY;
    }
    let Some((mut row, mut exponent)) = scaled(&wide) else {
        return 0.0;
    };
    if let Some(right) = right {
        let mut product = Vec::new();
        multiply(&row, right, &mut product);
        let Some((product, e)) = scaled(&product) else {
            return 0.0;
        };
        row = product;
        exponent += e + right.exponent;
    }
    libm::ldexp(square_of(&row).sqrt(), exponent)
}

/// Whether each row has the bits it had before.
fn same_rows(now: Entries<'_>, before: Entries<'_>, cols: usize, same: &mut Vec<bool>) {
    same.clear();
    if cols == 0 {
        return;
    }
    if let (Entries::F32(now), Entries::F32(before)) = (now, before) {
        let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let rows = now.chunks_exact(cols).zip(before.chunks_exact(cols));
        same.extend(rows.map(|(now, before)| now == before && bits(now) == bits(before)));
        return;
    }
    let wide = |entries: Entries<'_>| {
        let mut bits = vec![0; entries.len()];
        entries.each(|at, x| bits[at] = x.to_bits());
        bits
    };
    let (now, before) = (wide(now), wide(before));
    same.extend(
        now.chunks_exact(cols)
            .zip(before.chunks_exact(cols))
            .map(|(a, b)| a == b),
    );
}
