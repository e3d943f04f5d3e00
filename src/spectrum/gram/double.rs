//! Sums of products in twice the precision, with a bound on what is left.

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

impl Mul<f64> for Double {
    type Output = Self;
    /// DWTimesFP3.
    fn mul(self, other: f64) -> Self {
        let high = self.high * other;
        // libm's fma is exact on every machine, with or without the instruction.
        let error = libm::fma(self.high, other, -high);
        let (high, low) = fast_two_sum(high, libm::fma(self.low, other, error));
        Self { high, low }
    }
}
