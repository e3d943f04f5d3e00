//! One pass over the rows of a table.

use super::RowCounts;
use super::duplicates::{Distinct, Hash, sampled, stratum};
use crate::spectrum::SpectrumError;
use crate::spectrum::certified::Tail;
use crate::spectrum::gram::certify::rotation;
use crate::spectrum::table::{Entries, Factor, Table};
use crate::spectrum::values;
use faer::Mat;
use half::slice::HalfFloatSliceExt;
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use xxhash_rust::xxh3::xxh3_128;

/// Most ranges of rows that are gone through side by side. Fixed, so that sums do not depend on the number of threads.
const RANGES: usize = 64;
/// Fewer rows are not worth a range of their own.
const RANGE_ROWS: usize = 8192;
/// Entries of a block: its copies stay in the second-level cache.
const BLOCK: usize = 16_384;

/// Squares of norms within this range lose nothing that matters to the ends of f64's range.
const SAFE: Range<f64> = 1e-280..1e280;

/// What the factors behind the first make of a row: `2^exponent · matrix`, k × width, row-major.
struct Right {
    matrix: Vec<f64>,
    width: usize,
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
    count_rows_with(table, Distinct::default())
}

pub(super) fn count_rows_with(table: &Table, distinct: Distinct) -> Result<RowCounts, SpectrumError> {
    let (rows, width) = values::shape(&table.factors)?;
    let (first, rest) = table.factors.split_first().ok_or(SpectrumError::NoFactor)?;
    let right = Right::of(first, rest, width)?;
    let initial = (table.initial.as_ref())
        .and_then(|factors| factors.first())
        .filter(|initial| (initial.rows(), initial.cols()) == (rows, first.cols()));
    let frequencies = table.frequencies.as_deref().filter(|counts| counts.len() == rows);
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
    bits: Vec<u32>,
    long_bits: Vec<u64>,
    product: Vec<f64>,
    sums: Vec<f64>,
    hashes: Vec<Hash>,
    unchanged: Vec<bool>,
}

/// A range of rows, block by block.
struct Scan<'a> {
    cols: usize,
    right: Option<&'a Right>,
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
            Entries::F32(x) => self.singles(x, rows),
            Entries::F16(x) => {
                widened(&mut narrow, &|narrow| x.convert_to_f32_slice(narrow));
                self.singles(&narrow, rows);
            }
            Entries::Bf16(x) => {
                widened(&mut narrow, &|narrow| x.convert_to_f32_slice(narrow));
                self.singles(&narrow, rows);
            }
            Entries::F64(x) => {
                // −0 + 0 is 0, and nothing else is changed by adding 0.
                let bits = &mut self.buffers.long_bits;
                bits.clear();
                bits.extend(x.iter().map(|x| (x + 0.0).to_bits().to_le()));
                hash_rows(
                    bytemuck::cast_slice(bits),
                    8 * self.cols,
                    rows,
                    &mut self.buffers.hashes,
                );
                Arch::new().dispatch(|| self.numbers(x, rows));
            }
        }
        self.buffers.narrow = narrow;
    }

    fn singles(&mut self, x: &[f32], rows: usize) {
        let bits = &mut self.buffers.bits;
        bits.clear();
        Arch::new().dispatch(|| bits.extend(x.iter().map(|x| (x + 0.0).to_bits().to_le())));
        hash_rows(
            bytemuck::cast_slice(bits),
            4 * self.cols,
            rows,
            &mut self.buffers.hashes,
        );
        Arch::new().dispatch(|| self.numbers(x, rows));
    }

    /// Norms and sums of the rows.
    #[inline(always)]
    fn numbers<T: Copy + Into<f64>>(&mut self, x: &[T], rows: usize) {
        let Self {
            cols,
            right,
            ref mut counts,
            ref mut buffers,
            ..
        } = *self;
        let sums = &mut buffers.sums;
        sums.clear();
        sums.resize(cols, 0.0);
        let mut squares = 0.0;
        for i in 0..rows {
            let row = &x[i * cols..(i + 1) * cols];
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x.into());
            let mut square = match right {
                None => square_of(row),
                Some(right) => {
                    multiply(row, right, &mut buffers.product);
                    square_of(&buffers.product) * libm::ldexp(1.0, 2 * right.exponent.clamp(-500, 500))
                }
            };
            let norm = if SAFE.contains(&square) && right.is_none_or(|right| right.exponent.abs() < 500) {
                square.sqrt()
            } else {
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
        counts.sums.iter_mut().zip(sums).for_each(|(sum, block)| *sum += *block);
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
        let hashes = &mut self.buffers.hashes;
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

fn hash_rows(bytes: &[u8], size: usize, rows: usize, hashes: &mut Vec<Hash>) {
    hashes.clear();
    hashes.extend((0..rows).map(|i| {
        let hash = xxh3_128(&bytes[i * size..(i + 1) * size]);
        [hash as u64, (hash >> 64) as u64]
    }));
}

/// Σx², in eight sums side by side whose order is the same for any width of vectors.
#[inline(always)]
fn square_of<T: Copy + Into<f64>>(row: &[T]) -> f64 {
    let mut s = [0.0f64; 8];
    let mut chunks = row.chunks_exact(8);
    for chunk in &mut chunks {
        for (s, &x) in s.iter_mut().zip(chunk) {
            let x: f64 = x.into();
            *s += x * x;
        }
    }
    for (s, &x) in s.iter_mut().zip(chunks.remainder()) {
        let x: f64 = x.into();
        *s += x * x;
    }
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// `out = row · right.matrix`.
#[inline(always)]
fn multiply<T: Copy + Into<f64>>(row: &[T], right: &Right, out: &mut Vec<f64>) {
    out.clear();
    out.resize(right.width, 0.0);
    for (&x, right) in row.iter().zip(right.matrix.chunks_exact(right.width.max(1))) {
        let x: f64 = x.into();
        out.iter_mut().zip(right).for_each(|(out, right)| *out += x * right);
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
