//! Sums of products in twice the precision, with a bound on what is left.

use faer::Mat;
use num_bigint::{BigInt, Sign};
use num_traits::ToPrimitive;
use rayon::prelude::*;
use std::ops::{Add, Mul};

/// An unevaluated sum `high + low` of two f64, |low| ≤ u·|high|: 106 bits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Double {
    pub high: f64,
    pub low: f64,
}

/// The greatest relative error of one [`Double`] operation on operands of one sign: 2⁻¹⁰² covers the sum (3·2⁻¹⁰⁶) and the
/// product (7·2⁻¹⁰⁶) of Joldes, Muller & Popescu, *Tight and rigorous error bounds for basic building blocks of double-word
/// arithmetic* (ACM TOMS 2017), theorems 3.1 and 5.3.
pub(super) const UNIT: f64 = 1.0 / (1u128 << 102) as f64;

/// `a + b = s + e` exactly (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// `a + b = s + e` exactly for |a| ≥ |b| (Dekker).
fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    (s, b - (s - a))
}

impl From<f64> for Double {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

/// Not less than the relative error of [`Double::rounded`]: 2⁻¹²⁷ for the bits cut off, 2⁻¹⁰⁵ for those of the low part.
pub(super) const ROUNDED: f64 = 1.0 / (1u128 << 104) as f64;

impl Double {
    /// `integer·2^exponent` to 105 bits, where it does not leave the range of f64.
    pub fn rounded(integer: &BigInt, exponent: i32) -> Self {
        let spare = integer.bits().saturating_sub(128);
        let leading = (integer.magnitude() >> spare).to_u128().unwrap_or(u128::MAX);
        // Both parts are integers of at most 128 bits: the high one by truncation to 53 bits, so that the rest is exact.
        let cut = (128 - leading.leading_zeros()).saturating_sub(53);
        let (high, low) = ((leading >> cut) << cut, leading & ((1 << cut) - 1));
        let (high, low) = fast_two_sum(high as f64, low as f64);
        let sign = if integer.sign() == Sign::Minus { -1.0 } else { 1.0 };
        let whole = Self {
            high: sign * high,
            low: sign * low,
        };
        whole.scaled(exponent + spare as i32)
    }

    /// Times 2^exponent, exactly where nothing underflows.
    pub fn scaled(self, exponent: i32) -> Self {
        Self {
            high: libm::ldexp(self.high, exponent),
            low: libm::ldexp(self.low, exponent),
        }
    }
}

impl Add for Double {
    type Output = Self;
    /// AccurateDWPlusDW.
    fn add(self, other: Self) -> Self {
        let (s, e) = two_sum(self.high, other.high);
        let (t, f) = two_sum(self.low, other.low);
        let (s, e) = fast_two_sum(s, e + t);
        let (high, low) = fast_two_sum(s, f + e);
        Self { high, low }
    }
}

impl Mul for Double {
    type Output = Self;
    /// DWTimesDW3.
    fn mul(self, other: Self) -> Self {
        let high = self.high * other.high;
        // libm's fma is exact on every machine, with or without the instruction.
        let error = libm::fma(self.high, other.high, -high);
        let cross = libm::fma(
            self.low,
            other.high,
            libm::fma(self.high, other.low, self.low * other.low),
        );
        let (high, low) = fast_two_sum(high, error + cross);
        Self { high, low }
    }
}

/// Above this inner width products are computed in f64, with the error bound of f64.
pub(super) const LARGE: usize = 256;

/// A small matrix of [`Double`]s, and how far each entry can be from what it stands for.
#[derive(Debug, Clone)]
pub(super) struct Doubles {
    pub rows: usize,
    pub cols: usize,
    entries: Vec<Double>,
    /// In units of [`UNIT`]: the entry of the same formula for absolute values, times the operations behind it.
    error: Mat<f64>,
}

impl Doubles {
    /// A matrix of f64, exactly.
    pub fn exact(a: &Mat<f64>) -> Self {
        let (rows, cols) = (a.nrows(), a.ncols());
        let entries = (0..rows * cols)
            .map(|at| Double::from(a[(at / cols, at % cols)]))
            .collect();
        Self {
            rows,
            cols,
            entries,
            error: Mat::zeros(rows, cols),
        }
    }

    /// A matrix whose entries are given, exactly.
    pub fn of(rows: usize, cols: usize, entry: impl Fn(usize, usize) -> Double) -> Self {
        Self {
            rows,
            cols,
            entries: (0..rows * cols).map(|at| entry(at / cols, at % cols)).collect(),
            error: Mat::zeros(rows, cols),
        }
    }

    pub fn at(&self, i: usize, j: usize) -> Double {
        self.entries[i * self.cols + j]
    }

    /// Not less than |entry − exact|.
    pub fn error(&self, i: usize, j: usize) -> f64 {
        WIDER * UNIT * self.error[(i, j)]
    }

    /// The entries, each rounded to one f64.
    pub fn rounded(&self) -> Mat<f64> {
        Mat::from_fn(self.rows, self.cols, |i, j| self.at(i, j).high)
    }

    pub fn transpose(&self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            entries: (0..self.rows * self.cols)
                .map(|at| self.at(at % self.rows, at / self.rows))
                .collect(),
            error: self.error.transpose().to_owned(),
        }
    }

    pub fn times(&self, right: &Self) -> Self {
        let (rows, cols, inner) = (self.rows, right.cols, self.cols);
        if inner > LARGE {
            return self.times_in_f64(right);
        }
        let transposed = right.transpose();
        let row = |i: usize| i * inner..(i + 1) * inner;
        let entry = |at: usize| {
            let (left, right) = (&self.entries[row(at / cols)], &transposed.entries[row(at % cols)]);
            left.iter()
                .zip(right)
                .fold(Double::default(), |sum, (&x, &y)| sum + x * y)
        };
        Self {
            rows,
            cols,
            entries: (0..rows * cols).into_par_iter().map(entry).collect(),
            error: self.product_error(right, (inner + 2) as f64),
        }
    }

    fn times_in_f64(&self, right: &Self) -> Self {
        let product = self.rounded() * right.rounded();
        let exact = Self::exact(&product);
        // Rounding both operands to f64 is one more unit each.
        let terms = (self.cols + 4) as f64 * f64::EPSILON / 2.0 / UNIT;
        Self {
            error: self.product_error(right, terms),
            ..exact
        }
    }

    /// The operations' own errors, `terms` units of Σ|x·y|, and those that the operands came with.
    fn product_error(&self, right: &Self, terms: f64) -> Mat<f64> {
        let absolute = |a: &Self| Mat::from_fn(a.rows, a.cols, |i, j| a.at(i, j).high.abs());
        let (x, y) = (absolute(self), absolute(right));
        &x * &y * faer::Scale(terms) + &self.error * &y + &x * &right.error
    }
}

/// A percent more than was computed: far more than the rounding of the bounds themselves.
const WIDER: f64 = 1.01;
