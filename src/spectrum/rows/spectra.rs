//! Spectra of the rows without their mean, and of the rows as often as training uses them.

use super::RowCounts;
use crate::spectrum::certified::{Tail, finished, first_pass};
use crate::spectrum::gram::Change;
use crate::spectrum::gram::certify::{Certified, Interval, certified, rotation};
use crate::spectrum::table::Factor;
use crate::spectrum::{CertifiedSpectrum, Route, SpectrumError, values};
use faer::Mat;

/// Singular values of `W − 1·μᵀ`, μ the mean row (1/n)·Σ rows of W = W₁·W₂⋯: what is left of the table when what all rows have in
/// common is taken away (principal components; Mu & Viswanath, *All-but-the-Top*, ICLR 2018). `counts` are those of the same table.
///
/// One pass over W₁ with its mean μ̂₁, as computed, taken off every row. The intervals hold for the exact mean: μ̂₁ is off by at
/// most `(γ + 2u)·‖W₁‖_F/√n`, which moves no value by more than `(γ + 2u)·‖W₁‖_F·‖W₂⋯‖_F` (Weyl). A value that may be 0 for that
/// is 0.
///
/// # Errors
/// As [`crate::spectrum::singular_values`]; [`SpectrumError::Overflow`] also where the sum of a column is above the range of f64.
pub fn centred_values(factors: &[Factor], counts: &RowCounts) -> Result<CertifiedSpectrum, SpectrumError> {
    let (n, d) = values::shape(factors)?;
    let (first, rest) = factors.split_first().ok_or(SpectrumError::NoFactor)?;
    let mean = counts.mean();
    if mean.iter().any(|x| !x.is_finite()) {
        return Err(SpectrumError::Overflow {
            tensor: first.name.clone(),
        });
    }
    let count = factors.iter().map(|f| f.rows().min(f.cols())).min().unwrap_or(0);
    let change = Change {
        shift: Some(&mean),
        weights: None,
    };
    let tail = Tail::of(rest)?;
    let (Some((gram, scale)), Some(tail)) = (first_pass(first, change)?, tail) else {
        return finished(Certified::zero(d), Route::Gram, 0, (n.min(d), 0), first);
    };
    let mut result = certified(&gram, &tail.factors);
    let centre: f64 = mean.iter().map(|&x| libm::ldexp(x, -scale).powi(2)).sum::<f64>();
    let trace: f64 = (0..gram.cols).map(|i| gram.at(i, i)).sum();
    // ‖W₁‖_F ≤ ‖W₁ − 1·μ̂ᵀ‖_F + √n·‖μ̂‖; the sums have as many roundings as rows at most in a block, blocks, and ranges.
    let size = trace.sqrt() + (n as f64 * centre).sqrt();
    let further: f64 = tail.factors.iter().map(|factor| factor.norm_l2()).product();
    let roundings = (n.min(1024) + n.div_ceil(16) / 64 + 1024 + 64) as f64;
    let moved = 1.02 * (roundings + 2.0) * 0.5 * f64::EPSILON * size * further;
    for (sigma, interval) in result.sigma.iter_mut().zip(&mut result.intervals) {
        *interval = Interval {
            lo: (interval.lo - moved).max(0.0),
            hi: interval.hi + moved,
        };
        if *sigma <= 2.0 * moved {
            *sigma = 0.0;
        }
    }
    finished(result, Route::Gram, scale + tail.exponent, (n.min(d), count), first)
}

/// Singular values of `diag(√(f/f̄))·W`, f the uses of each row in training and f̄ their mean over the rows that have any; and how
/// many rows those are. The table as training sees it: Σσ² is their number times the mean of ‖row‖² over all uses, and truncating it
/// is what loses least on average over uses (rank-one weights: Srebro & Jaakkola, *Weighted Low-Rank Approximations*, ICML 2003;
/// by frequency: Chen et al., *GroupReduce*, NeurIPS 2018). Equal frequencies give the spectrum of the rows that are used.
///
/// # Errors
/// As [`crate::spectrum::singular_values`].
pub fn weighted_values(factors: &[Factor], frequencies: &[u64]) -> Result<(usize, CertifiedSpectrum), SpectrumError> {
    let (n, d) = values::shape(factors)?;
    let (first, rest) = factors.split_first().ok_or(SpectrumError::NoFactor)?;
    let used = frequencies.iter().take(n).filter(|&&f| f > 0).count();
    let uses: u128 = frequencies.iter().take(n).map(|&f| u128::from(f)).sum();
    let tail = Tail::of(rest)?;
    let nothing = || finished(Certified::zero(d), Route::Gram, 0, (used.min(d), 0), first);
    if uses == 0 || frequencies.len() < n {
        return Ok((used, nothing()?));
    }
    let change = Change {
        shift: None,
        weights: Some(frequencies),
    };
    let (Some((gram, scale)), Some(tail)) = (first_pass(first, change)?, tail) else {
        return Ok((used, nothing()?));
    };
    let mut result = certified(&gram, &tail.factors);
    let factor = (used as f64 / uses as f64).sqrt();
    let wider = 1.0 + 4.0 * f64::EPSILON;
    for (sigma, interval) in result.sigma.iter_mut().zip(&mut result.intervals) {
        *sigma *= factor;
        *interval = Interval {
            lo: interval.lo * factor / wider,
            hi: interval.hi * factor * wider,
        };
    }
    let narrowest = factors[1..].iter().map(|f| f.rows().min(f.cols())).min().unwrap_or(d);
    let count = used.min(first.cols()).min(narrowest);
    let spectrum = finished(result, Route::Gram, scale + tail.exponent, (used.min(d), count), first)?;
    Ok((used, spectrum))
}

/// The norm of the mean end-to-end row; above the range of f64 it is the greatest number there is.
pub(super) fn centre_norm(factors: &[Factor], counts: &RowCounts) -> Result<f64, SpectrumError> {
    let (_, d) = values::shape(factors)?;
    let mean = counts.mean();
    let Some(tail) = Tail::of(&factors[1..])? else {
        return Ok(0.0);
    };
    let right = rotation(mean.len(), &tail.factors, &Mat::identity(d, d));
    let greatest = mean.iter().fold(0.0f64, |greatest, x| greatest.max(x.abs()));
    if greatest == 0.0 || !greatest.is_finite() {
        return Ok(if greatest == 0.0 { 0.0 } else { f64::MAX });
    }
    let e = libm::ilogb(greatest);
    let square: f64 = (0..d)
        .map(|j| {
            (0..mean.len())
                .map(|i| libm::ldexp(mean[i], -e) * right[(i, j)])
                .sum::<f64>()
        })
        .map(|x| x * x)
        .sum();
    Ok(libm::ldexp(square.sqrt(), e + tail.exponent).min(f64::MAX))
}
