//! E10 in floating point: an interval for every singular value, from a computed decomposition alone.

use super::check::Check;
use super::error::TheoryError;
use super::floating::{Floating, Scaled, named, norm_1, norm_f, scaled, view};
use super::ledger::{Arithmetic, Expected, Row};
use super::matrices::{self, Case};
use super::number::Matrix;
use super::search::{self, Budget, Found};
use crate::spectrum::decompose::{self, Svd};
use std::ops::RangeInclusive;

/// E10 in f32.
pub const F32: Row = Row {
    id: "E10-f32",
    claim: "two decompositions of one matrix in f32, faer's and nalgebra's, agree within the sum of their backward errors",
    arithmetic: Arithmetic::Floating,
    unit: "|σ̂ − σ̂'| over the sum of both radii (‖A − UΣVᵀ‖ and the defects of UᵀU and VᵀV, measured)",
    expected: Expected::Holds,
    run: run::<f32>,
};

/// E10 in f64.
pub const F64: Row = Row {
    id: "E10-f64",
    claim: "two decompositions of one matrix in f64, faer's and nalgebra's, agree within the sum of their backward errors",
    run: run::<f64>,
    ..F32
};

fn run<T: Floating>(budget: Budget) -> Found {
    let check = |case: &Case| check::<T>(&case.matrix());
    search::each(matrices::special(|_, d| vec![d]), check).and(search::random(budget, matrices::random(), check))
}

/// Where a singular value lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Not below this.
    pub low: f64,
    /// Not above this.
    pub high: f64,
}

/// E10 for one value: all of [σ̂ − r, σ̂ + r] that is not negative, r ≥ ‖E‖₂; rounded outwards. [0, ∞] where r is NaN.
pub fn interval(sigma_hat: f64, residual_norm_bound: f64) -> Interval {
    if residual_norm_bound.is_nan() || sigma_hat.is_nan() {
        return Interval {
            low: 0.0,
            high: f64::INFINITY,
        };
    }
    Interval {
        low: (sigma_hat - residual_norm_bound).next_down().max(0.0),
        high: (sigma_hat + residual_norm_bound).next_up(),
    }
}

/// A thin decomposition Û·diag(σ̂)·V̂ᵀ of a normalised matrix, and how wrong it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Certified {
    /// σ̂ of the normalised matrix, descending.
    pub sigma: Vec<f64>,
    /// An upper bound of ‖A − Û·diag(σ̂)·V̂ᵀ‖₂.
    pub residual: f64,
    /// An upper bound of ‖A − Û·diag(σ̂)·V̂ᵀ‖_F.
    pub residual_f: f64,
    /// Upper bounds of ‖I − ÛᵀÛ‖₂ and ‖I − V̂ᵀV̂‖₂, added.
    pub defect: f64,
}

impl Certified {
    /// Measures a decomposition of `a` (m×n normalised): `u` m×r, `sigma` r, `v` n×r, r = min(m, n).
    ///
    /// All is computed in f64, and what f64 rounds is added: an inner product of r terms errs by at most γ_{r+3}·Σ|terms| with
    /// the scaling, the difference and the conversion (Higham, section 3.1).
    pub fn measure(a: &Matrix<f64>, u: &Matrix<f64>, sigma: &[f64], v: &Matrix<f64>) -> Self {
        let r = sigma.len();
        let us = Matrix::from_fn(u.nrows(), r, |i, j| u[(i, j)] * sigma[j]);
        let error = a - &us * v.transpose();
        let rounding = gamma(r + 3) * norm_f(&(us.abs() * v.abs().transpose() + a.abs()));
        // Sums of squares round too: relatively, by at most the number of terms.
        let outward = 1.0 + gamma(a.len() + 4);
        let residual_f = (norm_f(&error) + rounding) * outward;
        let spectral = ((norm_1(&error) * norm_1(&error.transpose())).sqrt() + rounding) * outward;
        Self {
            sigma: sigma.to_vec(),
            residual: spectral.min(residual_f),
            residual_f,
            defect: defect(u) + defect(v),
        }
    }

    /// How far σᵢ of the matrix may lie from σ̂ᵢ.
    ///
    /// Weyl: |σᵢ(A) − σᵢ(ÛΣ̂V̂ᵀ)| ≤ ‖A − ÛΣ̂V̂ᵀ‖₂. And Û = Q·H with QᵀQ = I and ‖H² − I‖₂ = ‖ÛᵀÛ − I‖₂ = δ_U, so that (Ostrowski)
    /// σᵢ(ÛΣ̂V̂ᵀ) lies between σ̂ᵢ·√((1 − δ_U)(1 − δ_V)) and σ̂ᵢ·√((1 + δ_U)(1 + δ_V)): within σ̂ᵢ·(δ_U + δ_V) while both are below 1.
    pub fn radius(&self, i: usize) -> f64 {
        if self.defect < 1.0 {
            (self.residual + self.sigma[i] * self.defect).next_up()
        } else {
            f64::INFINITY
        }
    }

    /// Where every singular value of the normalised matrix lies, in descending order of σ̂.
    pub fn intervals(&self) -> Vec<Interval> {
        (0..self.sigma.len())
            .map(|i| interval(self.sigma[i], self.radius(i)))
            .collect()
    }

    /// How many σᵢ are above τ·σ₁: one number where that is certain, otherwise the least and the most.
    pub fn rank_at(&self, tau: f64) -> RangeInclusive<usize> {
        let intervals = self.intervals();
        let Some(first) = intervals.first() else { return 0..=0 };
        let (least, most) = ((tau * first.high).next_up(), (tau * first.low).next_down());
        count(&intervals, least, most)
    }

    /// How many σᵢ of the normalised matrix are above `threshold`.
    pub fn count_above(&self, threshold: f64) -> RangeInclusive<usize> {
        count(&self.intervals(), threshold, threshold)
    }
}

/// Values certainly above `sure`, to values possibly above `possible`.
fn count(intervals: &[Interval], sure: f64, possible: f64) -> RangeInclusive<usize> {
    let certain = intervals.iter().filter(|interval| interval.low > sure).count();
    certain..=intervals.iter().filter(|interval| interval.high > possible).count()
}

/// An upper bound of ‖I − QᵀQ‖₂.
fn defect(q: &Matrix<f64>) -> f64 {
    let gram = q.transpose() * q;
    let rounding = gamma(q.nrows() + 1) * norm_f(q).powi(2);
    let difference = Matrix::identity(q.ncols(), q.ncols()) - gram;
    // Symmetric up to rounding, so that its 1-norm is above its 2-norm.
    let norm = norm_1(&difference).min(norm_f(&difference));
    (norm + rounding) * (1.0 + gamma(q.len() + 4))
}

/// γ_m = m·u/(1 − m·u).
fn gamma(m: usize) -> f64 {
    let mu = m as f64 * f64::EPSILON / 2.0;
    mu / (1.0 - mu)
}

/// The decomposition that the project uses, measured.
///
/// # Errors
/// [`TheoryError`]: `a` empty or not finite.
pub fn certified<T: Floating>(name: &str, a: &Matrix<T>) -> Result<(Scaled, Certified), TheoryError> {
    let svd = decompose::svd(view(a)).map_err(|error| named(name, a, &error))?;
    let a = scaled(a);
    let certified = measured(&a, &svd);
    Ok((a, certified))
}

/// A decomposition of the matrix that `a` is scaled from, measured.
pub fn measured<T: Floating>(a: &Scaled, svd: &Svd<T>) -> Certified {
    let wide = |mat: &faer::Mat<T>| Matrix::from_fn(mat.nrows(), mat.ncols(), |i, j| mat[(i, j)].into());
    let sigma: Vec<f64> = svd.sigma.iter().map(|&x| libm::ldexp(x.into(), -a.exponent)).collect();
    Certified::measure(&a.matrix, &wide(&svd.u), &sigma, &wide(&svd.v))
}

/// nalgebra's decomposition of the same matrix, also normalised, in `T`: the second opinion. None where it does not converge.
pub fn second_opinion<T: Floating>(a: &Matrix<T>) -> Option<Certified> {
    /// nalgebra's own default (5ε); its iterations are counted over all values.
    const TOLERANCE: f64 = 5.0;
    let normalised = scaled(a);
    let eps = T::round_from(TOLERANCE * 2.0 * super::floating::unit_roundoff::<T>());
    let most = 1000 + 100 * a.nrows().min(a.ncols());
    let svd = super::floating::rounded::<T>(&normalised.matrix).try_svd(true, true, eps, most)?;
    let wide = |matrix: Matrix<T>| super::floating::widened(&matrix);
    let sigma: Vec<f64> = svd.singular_values.iter().map(|&x| x.into()).collect();
    let (u, v) = (wide(svd.u?), wide(svd.v_t?).transpose());
    Some(Certified::measure(&normalised.matrix, &u, &sigma, &v))
}

/// E10 on `a`: faer's σ̂ and nalgebra's differ by at most the sum of their radii.
///
/// # Errors
/// [`TheoryError`]: `a` empty or not finite.
pub fn check<T: Floating>(a: &Matrix<T>) -> Result<Check, TheoryError> {
    let (_, ours) = certified("A", a)?;
    Ok(match second_opinion(a) {
        Some(other) => agree(&ours, &other),
        None => Check::failed(1.0, "nalgebra's decomposition did not converge".into()),
    })
}

/// Whether two decompositions of one matrix agree.
pub fn agree(one: &Certified, other: &Certified) -> Check {
    if one.sigma.len() != other.sigma.len() {
        return Check::failed(1.0, format!("{} values against {}", one.sigma.len(), other.sigma.len()));
    }
    let mut worst = Check::ratio("no value differs", 0.0, 1.0);
    for (i, (&x, &y)) in one.sigma.iter().zip(&other.sigma).enumerate() {
        let ratio = if x == y {
            0.0
        } else {
            (x - y).abs() / (one.radius(i) + other.radius(i))
        };
        let check = Check {
            left: x,
            right: y,
            ratio,
            bound: 1.0,
            witness: format!("σ[{i}] of the normalised matrix: {x:e} against {y:e}"),
        };
        worst = worst.worse(check);
    }
    worst
}
