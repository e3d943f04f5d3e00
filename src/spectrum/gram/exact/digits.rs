//! Stored floats as integers in digits of 53 bits, and the sums of their products.

use super::Triangle;
use crate::spectrum::table::Entries;
use half::{bf16, f16};
use num_bigint::BigInt;
use num_traits::Zero;

/// Rows of one task.
pub(in crate::spectrum::gram) const ROWS: usize = 1 << 14;
/// Bits of a digit. An entry of a task is a sum of ROWS products for each of at most 64 pairs of digits, below
/// 2^(14 + 6 + 2·53) = 2^126: it fits in an i128. (f64 reaches over 2,098 bits: 40 digits.)
const BITS: u32 = 53;
/// Rows that are converted at a time: 64 columns of them, in one digit, fill 64 KiB.
const BLOCK: usize = 128;

/// A float as `±significand·2^exponent`.
struct Parts {
    negative: bool,
    significand: u64,
    exponent: i32,
}

/// A stored type.
trait Stored: Copy {
    /// Significant bits.
    const PRECISION: u32;

    /// None where it is not finite. The exponent is that of the type's last bit, so that it is the same for all floats between
    /// two powers of two, also where the last bits are zero.
    fn parts(self) -> Option<Parts>;
}

impl Stored for f64 {
    const PRECISION: u32 = 53;

    #[inline(always)]
    fn parts(self) -> Option<Parts> {
        let bits = self.to_bits();
        let (field, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
        (field < 0x7ff).then_some(Parts {
            negative: bits >> 63 == 1,
            significand: fraction | u64::from(field > 0) << 52,
            exponent: field.max(1) - 1075,
        })
    }
}

impl Stored for f32 {
    const PRECISION: u32 = 24;

    #[inline(always)]
    fn parts(self) -> Option<Parts> {
        let bits = self.to_bits();
        let (field, fraction) = ((bits >> 23 & 0xff) as i32, bits & ((1 << 23) - 1));
        (field < 0xff).then_some(Parts {
            negative: bits >> 31 == 1,
            significand: u64::from(fraction | u32::from(field > 0) << 23),
            exponent: field.max(1) - 150,
        })
    }
}

/// The parts of a narrower type out of the f32 of the same value, whose last `spare` bits are zero.
#[inline(always)]
fn narrower(x: f32, spare: u32) -> Option<Parts> {
    x.parts().map(|parts| Parts {
        significand: parts.significand >> spare,
        exponent: parts.exponent + spare as i32,
        ..parts
    })
}

impl Stored for f16 {
    const PRECISION: u32 = 11;

    #[inline(always)]
    fn parts(self) -> Option<Parts> {
        narrower(self.to_f32(), 13)
    }
}

impl Stored for bf16 {
    const PRECISION: u32 = 8;

    #[inline(always)]
    fn parts(self) -> Option<Parts> {
        narrower(self.to_f32(), 16)
    }
}

/// Some rows, at most [`ROWS`].
pub(super) struct Task<'a> {
    pub entries: Entries<'a>,
    pub cols: usize,
}

impl Task<'_> {
    /// Their Gram matrix, or the (row, column) of an entry that is not finite; the first row is number `first`.
    pub(super) fn run(self, first: usize) -> Result<Triangle, (usize, usize)> {
        let cols = self.cols;
        let sum = match self.entries {
            Entries::F32(x) => gram(x, cols),
            Entries::F64(x) => gram(x, cols),
            Entries::F16(x) => gram(x, cols),
            Entries::Bf16(x) => gram(x, cols),
        };
        sum.map_err(|at| (first + at / cols, at % cols))
    }
}

/// The least exponent and the end of the greatest entry, `[low, high)`, of those that are not zero; equal where all are.
fn reach<T: Stored>(entries: &[T]) -> Result<(i32, i32), usize> {
    let (mut low, mut high, mut finite) = (i32::MAX, i32::MIN, true);
    for x in entries {
        match x.parts() {
            Some(Parts { significand: 0, .. }) => {}
            Some(Parts { exponent, .. }) => {
                low = low.min(exponent);
                high = high.max(exponent + T::PRECISION as i32);
            }
            None => finite = false,
        }
    }
    if !finite {
        return Err(entries.iter().position(|x| x.parts().is_none()).unwrap_or(0));
    }
    Ok(if low > high { (0, 0) } else { (low, high) })
}

fn gram<T: Stored>(entries: &[T], cols: usize) -> Result<Triangle, usize> {
    let (low, high) = reach(entries)?;
    if low == high {
        return Ok(Triangle::empty(cols));
    }
    let count = high.abs_diff(low).div_ceil(BITS) as usize;
    let mut digits = Digits::new(count, cols);
    let mut sums = vec![0i128; (2 * count - 1) * cols * cols];
    for block in entries.chunks(BLOCK * cols) {
        digits.fill(block, low);
        digits.add_products(&mut sums);
    }
    let pairs = (0..cols).flat_map(|i| (i..cols).map(move |j| i * cols + j));
    let entry = |at: usize| {
        let places = sums.iter().skip(at).step_by(cols * cols).enumerate();
        places.fold(BigInt::zero(), |sum, (place, &digit)| match digit {
            0 => sum,
            _ => sum + (BigInt::from(digit) << (place * BITS as usize)),
        })
    };
    Ok(Triangle {
        cols,
        exponent: 2 * i64::from(low),
        entries: pairs.map(entry).collect(),
    })
}

/// A block of rows: digit by digit, column by column.
struct Digits {
    count: usize,
    cols: usize,
    rows: usize,
    /// count × cols × BLOCK.
    values: Vec<i64>,
    /// count × cols: whether the column has this digit at all.
    used: Vec<bool>,
}

impl Digits {
    fn new(count: usize, cols: usize) -> Self {
        Self {
            count,
            cols,
            rows: 0,
            values: vec![0; count * cols * BLOCK],
            used: vec![false; count * cols],
        }
    }

    /// Takes a block of finite entries with exponents from `low` on.
    fn fill<T: Stored>(&mut self, block: &[T], low: i32) {
        self.rows = block.len() / self.cols;
        if self.count == 1 {
            self.used.fill(true);
        } else {
            self.used.fill(false);
            self.values.fill(0);
        }
        for (row, entries) in block.chunks_exact(self.cols).enumerate() {
            for (column, x) in entries.iter().enumerate() {
                let Some(parts) = x.parts() else { continue };
                if self.count == 1 {
                    // Below 2^53, as the whole reach; the exponent of a zero may lie outside of it.
                    let value = (parts.significand << (parts.exponent.wrapping_sub(low) as u32 & 63)) as i64;
                    self.values[column * BLOCK + row] = if parts.negative { -value } else { value };
                } else if parts.significand != 0 {
                    self.put(row, column, parts, low);
                }
            }
        }
    }

    /// One entry over two digits.
    fn put(&mut self, row: usize, column: usize, parts: Parts, low: i32) {
        let offset = parts.exponent.abs_diff(low);
        let (digit, shift) = ((offset / BITS) as usize, offset % BITS);
        let shifted = u128::from(parts.significand) << shift;
        let halves = [shifted & ((1 << BITS) - 1), shifted >> BITS];
        for (digit, half) in (digit..).zip(halves).filter(|(_, half)| *half != 0) {
            let at = digit * self.cols + column;
            self.values[at * BLOCK + row] = if parts.negative { -(half as i64) } else { half as i64 };
            self.used[at] = true;
        }
    }

    /// Adds the block's products to `sums`, (2·count − 1) × cols × cols, of which only upper triangles are used.
    fn add_products(&self, sums: &mut [i128]) {
        let cols = self.cols;
        let column = |digit: usize, j: usize| {
            let at = digit * cols + j;
            self.used[at].then(|| &self.values[at * BLOCK..][..self.rows])
        };
        for (left, right) in (0..self.count).flat_map(|l| (0..self.count).map(move |r| (l, r))) {
            let sums = &mut sums[(left + right) * cols * cols..][..cols * cols];
            for i in 0..cols {
                let Some(x) = column(left, i) else { continue };
                for j in i..cols {
                    let Some(y) = column(right, j) else { continue };
                    sums[i * cols + j] += inner(x, y);
                }
            }
        }
    }
}

/// Σ xy.
#[inline(always)]
fn inner(x: &[i64], y: &[i64]) -> i128 {
    x.iter().zip(y).map(|(&x, &y)| i128::from(x) * i128::from(y)).sum()
}
