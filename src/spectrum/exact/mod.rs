//! Counts of singular values of stored tables that are decided without any rounding.

mod modular;
mod polynomial;

use super::SpectrumError;
use super::gram::exact::ExactGram;
use super::table::Factor;
use super::values;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use polynomial::{Positive, power_of_two, primes_for};

/// Why nothing could be decided.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExactError {
    /// The table has no spectrum.
    #[error(transparent)]
    Spectrum(#[from] SpectrumError),
    /// It would take too long.
    #[error(
        "exact arithmetic over {width} columns would take {multiplications:.0e} multiplications of machine words, above the limit of {LIMIT:.0e} (some minutes)"
    )]
    TooWide {
        /// Columns, or the width of the narrowest factor.
        width: usize,
        /// How many.
        multiplications: f64,
    },
}

/// Multiplications of machine words that are not too many: some minutes on two cores (measured: 1.3·10⁸ a second while other work took three quarters of them).
pub const LIMIT: f64 = 1e11;

/// The singular values of a stored table as what they are: square roots of the roots of a polynomial with integer coefficients.
#[derive(Debug, Clone)]
pub struct ExactSpectrum {
    /// Its roots are the σ² > 0, in units of a power of two that no count depends on.
    squared: Positive,
}

impl ExactSpectrum {
    /// Of the product `W = W₁·W₂⋯W_N` (n×d): one exact pass over the rows of W₁ for G = W₁ᵀW₁, then the characteristic
    /// polynomial of WᵀW, or, where a factor is narrower, of a smaller matrix with the same eigenvalues but for zeros:
    /// W = (W₁P)Q with PᵀGP·QQᵀ as wide as the narrowest factor.
    ///
    /// # Errors
    /// [`SpectrumError`] of the table, and [`ExactError::TooWide`] where it would take too long.
    pub fn of(factors: &[Factor]) -> Result<Self, ExactError> {
        let (n, _) = values::shape(factors)?;
        let (first, rest) = factors.split_first().ok_or(SpectrumError::NoFactor)?;
        let pass = first.len() as f64 * (first.cols() + 1) as f64 / 2.0;
        // At least two bits a value (`bound_by_trace`): what is certainly too much is refused before the pass.
        let least = factors.iter().map(Factor::cols).min().unwrap_or(0);
        let before = primes_for(2 * n.min(least) as u64) as f64 * (least as f64).powi(3);
        let allowed = |width: usize, multiplications: f64| match multiplications > LIMIT {
            true => Err(ExactError::TooWide { width, multiplications }),
            false => Ok(()),
        };
        allowed(first.cols(), pass)?;
        allowed(least, before)?;
        let gram = ExactGram::of(first)?;
        let rest = rest.iter().map(integers).collect::<Result<Vec<_>, _>>()?;
        // Where the product is cut: behind this many of the further factors it is narrowest.
        let widths: Vec<usize> = std::iter::once(gram.cols).chain(rest.iter().map(|m| m.cols)).collect();
        let width = widths.iter().copied().min().unwrap_or(0);
        let (before, behind) = rest.split_at(widths.iter().rposition(|w| *w == width).unwrap_or(0));
        let whole = Integers {
            rows: gram.cols,
            cols: gram.cols,
            entries: gram.entries,
        };
        let left = (before.iter()).fold(whole, |gram, factor| factor.transposed().times(&gram).times(factor));
        let bits = left.bound(n.min(width));
        let right = behind.iter().rev().fold(None, |right: Option<Integers>, factor| {
            let right = right.map_or_else(|| factor.clone(), |right| factor.times(&right));
            Some(right.times(&factor.transposed()))
        });
        let (matrix, bits) = match right {
            None => (left, bits),
            Some(right) => {
                let product = left.times(&right);
                let bits = product.bound_by_trace(n.min(width));
                (product, bits)
            }
        };
        allowed(width, primes_for(bits) as f64 * (width as f64).powi(3))?;
        let squared = Positive::characteristic(&matrix.entries, width, bits);
        Ok(Self { squared })
    }

    /// The rank of W over the rationals: the number of singular values above 0.
    pub fn rank(&self) -> usize {
        self.squared.degree()
    }

    /// #{σᵢ > τσ₁} for τ ≥ 0. Ties, σᵢ = τσ₁ exactly, are seen as such and do not count.
    ///
    /// λ₁ = σ₁² is enclosed in (lo, hi] ever more narrowly, until as many roots lie above τ²·lo as above τ²·hi. Only a root at
    /// τ²λ₁ itself can prevent that: then λ₁ is a root of the common divisor of p(x) and p(τ²x), and where (τ²·lo, τ²·hi]
    /// holds but one distinct root it is this one.
    pub fn count_above(&self, tau: &BigRational) -> usize {
        let factor = tau * tau;
        if self.rank() == 0 || factor >= BigRational::one() {
            return 0;
        }
        if !factor.is_positive() {
            return self.rank();
        }
        let mut first = Enclosed::new(&self.squared);
        first.narrow(&self.squared, 64);
        let counts =
            |first: &Enclosed, p: &Positive| (p.above(&(&factor * first.hi())), p.above(&(&factor * first.lo())));
        let (least, most) = counts(&first, &self.squared);
        if least == most {
            return least;
        }
        let mut tied = self.squared.common_with_stretched(&factor);
        let distinct = tied.as_ref().map(|_| self.squared.distinct());
        loop {
            tied = tied.filter(|common| common.above(&first.lo()) > 0);
            if let (Some(_), Some(distinct)) = (&tied, &distinct) {
                let (least, most) = counts(&first, distinct);
                if distinct.above(&first.lo()) == 1 && most - least == 1 {
                    return self.squared.above(&(&factor * first.hi()));
                }
            }
            let (least, most) = counts(&first, &self.squared);
            if least == most {
                return least;
            }
            first.narrow(&self.squared, 32);
        }
    }
}

/// The number that a decimal fraction means. τ is taken so: 0.1 is 1/10, not the f64 beside it; the shortest decimal that names the f64
/// is what was written.
pub fn decimal(x: f64) -> BigRational {
    let text = format!("{x:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let parsed: Option<(BigInt, i64)> = format!("{whole}{fraction}").parse().ok().zip(exponent.parse().ok());
    let (digits, exponent) = parsed.unwrap_or_default(); // NaN and ∞ are no numbers
    let exponent = exponent - fraction.len() as i64;
    let ten = BigInt::from(10).pow(exponent.unsigned_abs().to_u32().unwrap_or(0));
    match exponent < 0 {
        true => BigRational::new(digits, ten),
        false => BigRational::from_integer(digits * ten),
    }
}

/// The greatest root in (lo, lo + 1]·2^exponent.
struct Enclosed {
    lo: BigInt,
    exponent: i64,
}

impl Enclosed {
    /// Between 0 and a power of two that is above no root.
    fn new(p: &Positive) -> Self {
        let mut exponent = 0;
        while p.above(&power_of_two(exponent)) > 0 {
            exponent += 32;
        }
        Self {
            lo: BigInt::zero(),
            exponent,
        }
    }

    fn lo(&self) -> BigRational {
        power_of_two(self.exponent) * &self.lo
    }

    fn hi(&self) -> BigRational {
        power_of_two(self.exponent) * (&self.lo + 1)
    }

    /// By so many halvings, counted from where lo is no longer 0.
    fn narrow(&mut self, p: &Positive, halvings: usize) {
        let mut left = halvings;
        while left > 0 {
            self.lo *= 2;
            self.exponent -= 1;
            let middle = power_of_two(self.exponent) * (&self.lo + 1);
            if p.above(&middle) > 0 {
                self.lo += 1;
            }
            left -= usize::from(self.lo.is_positive());
        }
    }
}

/// A matrix of integers, row-major; what power of two they are multiples of does not matter.
#[derive(Debug, Clone)]
struct Integers {
    rows: usize,
    cols: usize,
    entries: Vec<BigInt>,
}

/// A factor, exactly but for a power of two.
fn integers(factor: &Factor) -> Result<Integers, SpectrumError> {
    let (rows, cols) = (factor.rows(), factor.cols());
    let mut parts = Vec::with_capacity(rows * cols);
    factor.with_rows(0..rows, |entries| {
        entries.each(|_, x| parts.push(num_traits::Float::integer_decode(x)));
    });
    // Infinities and NaN have the exponent 972 of integer_decode.
    if let Some(at) = parts.iter().position(|(_, exponent, _)| *exponent == 972) {
        return Err(SpectrumError::NotFinite {
            tensor: factor.name.clone(),
            row: at / cols,
            column: at % cols,
        });
    }
    let used = parts.iter().filter(|(mantissa, ..)| *mantissa != 0);
    let low = used.map(|(_, exponent, _)| *exponent).min().unwrap_or(0);
    let integer = |&(mantissa, exponent, sign): &(u64, i16, i8)| match mantissa {
        0 => BigInt::zero(),
        _ => (BigInt::from(mantissa) * sign) << exponent.abs_diff(low),
    };
    let entries = parts.iter().map(integer).collect();
    Ok(Integers { rows, cols, entries })
}

impl Integers {
    fn transposed(&self) -> Self {
        let entry = |at: usize| self.entries[at % self.rows * self.cols + at / self.rows].clone();
        Self {
            rows: self.cols,
            cols: self.rows,
            entries: (0..self.entries.len()).map(entry).collect(),
        }
    }

    fn times(&self, right: &Self) -> Self {
        let entry = |at: usize| {
            let row = &self.entries[at / right.cols * self.cols..][..self.cols];
            let column = right.entries.iter().skip(at % right.cols).step_by(right.cols);
            row.iter().zip(column).map(|(x, y)| x * y).sum()
        };
        Self {
            rows: self.rows,
            cols: right.cols,
            entries: (0..self.rows * right.cols).map(entry).collect(),
        }
    }

    fn diagonal(&self) -> impl Iterator<Item = &BigInt> {
        self.entries.iter().step_by(self.cols + 1)
    }

    /// Bits of any coefficient of the characteristic polynomial of a positive semidefinite matrix of rank at most `rank`: none is
    /// above det(I + G) ≤ Π(1 + gᵢᵢ) (Hadamard).
    fn bound(&self, rank: usize) -> u64 {
        let hadamard: u64 = self.diagonal().map(|x| (x + 1u8).bits()).sum();
        hadamard.min(self.bound_by_trace(rank))
    }

    /// The same of a matrix whose eigenvalues are not negative, at most `rank` of them positive: Π(1 + λᵢ) ≤ (1 + tr/rank)^rank (of the means).
    fn bound_by_trace(&self, rank: usize) -> u64 {
        let trace: BigInt = self.diagonal().sum();
        let rank = rank.max(1) as u64;
        rank * (trace / rank + 2u8).bits()
    }
}

#[cfg(test)]
mod tests;
