//! **E4. The step in the factors' own bases.** Let `W₁ = U·Σ₁·Aᵀ` (n×k) and `W₂ = B·Σ₂·Vᵀ` (k×d) be full singular value
//! decompositions. In the bases U and V the first order of a step of W = W₁·W₂ acts on every entry of the gradient by itself:
//!
//! ```text
//! [Uᵀ·(G·W₂ᵀW₂ + W₁W₁ᵀ·G)·V]ᵢⱼ = (σ₁ᵢ² + σ₂ⱼ²)·[Uᵀ·G·V]ᵢⱼ
//! ```
//!
//! with σ₁ᵢ = 0 for i > k and σ₂ⱼ = 0 for j > k (as for all past the factor's smaller side).
//!
//! Hypotheses: U (n×n) and V (d×d) are full bases; any factors, any G. So a direction is learnt at the rate that the factors
//! already have along it: what both have grown along is learnt fast, what neither has, not at all.
//!
//! Proof: `W₁W₁ᵀ = U·Σ₁Σ₁ᵀ·Uᵀ` and `W₂ᵀW₂ = V·Σ₂ᵀΣ₂·Vᵀ`; U and V are orthogonal, so `Uᵀ·W₁W₁ᵀ·G·V = Σ₁Σ₁ᵀ·(UᵀGV)` and the like
//! for the other term, and ΣΣᵀ is diagonal.
//!
//! In floating point the decompositions are computed and U, V are not quite orthogonal: `Wᵢ = ÛΣ̂Âᵀ + E` with measured ρ = ‖E‖_F
//! and defects δ = ‖I − QᵀQ‖_F. The two sides then differ by at most `‖G‖_F·Σᵢ(σ²·(δ_U + δ_A) + 2ρσ)` to first order, and what the
//! products round.
//!
//! Source: the step of E1 written in singular vectors; Saxe, McClelland & Ganguli, ICLR 2014, for two aligned layers.

use super::check::Check;
use super::error::TheoryError;
use super::exact::strategies;
use super::floating::{matrix, named, norm_f, unit_roundoff, view};
use super::ledger::{Arithmetic, Expected, Row, Theorem};
use super::number::{Matrix, Number};
use super::step::Step;
use super::{search, velocity};
use crate::spectrum::decompose::svd_full;

/// E4 in the ledger.
pub const THEOREM: Theorem = Theorem {
    source: include_str!("rotated_step.rs"),
    rows: &[
        Row {
            id: "E4",
            claim: "[Uᵀ(G·W₂ᵀW₂ + W₁W₁ᵀ·G)V]ᵢⱼ = (σ₁ᵢ² + σ₂ⱼ²)·[UᵀGV]ᵢⱼ in the full singular bases U of W₁ and V of W₂",
            arithmetic: Arithmetic::Exact,
            unit: "exact: |left − right|",
            expected: Expected::Holds,
            run: |budget| search::random(budget, strategies::rotated_steps(), |case| Ok(check(case))),
        },
        Row {
            id: "E4-f64",
            claim: "the same with computed full singular value decompositions, in f64",
            arithmetic: Arithmetic::Floating,
            unit: "|left − right| over the first order of the measured backward errors and the products' rounding",
            expected: Expected::Holds,
            run: |budget| search::random(budget, velocity::steps(2), check_computed),
        },
    ],
};

/// Two factors with their full singular bases, and a gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotated<T> {
    /// U (n×n), of W₁.
    pub u: Matrix<T>,
    /// The n values σ₁ᵢ, zeros past the min(n, k)-th.
    pub sigma_1: Vec<T>,
    /// V (d×d), of W₂.
    pub v: Matrix<T>,
    /// The d values σ₂ⱼ, zeros past the min(k, d)-th.
    pub sigma_2: Vec<T>,
    /// W₁ (n×k).
    pub w1: Matrix<T>,
    /// W₂ (k×d).
    pub w2: Matrix<T>,
    /// G (n×d).
    pub gradient: Matrix<T>,
}

impl<T: Number> std::fmt::Display for Rotated<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use super::number::inline;
        let (w1, w2, g) = (inline(&self.w1), inline(&self.w2), inline(&self.gradient));
        write!(f, "W1 = {w1}, W2 = {w2}, G = {g}")
    }
}

impl<T: Number> Rotated<T> {
    /// The left side: Uᵀ·(G·W₂ᵀW₂ + W₁W₁ᵀ·G)·V (n×d).
    pub fn left(&self) -> Matrix<T> {
        let (g, w1, w2) = (&self.gradient, &self.w1, &self.w2);
        let first = g * w2.transpose() * w2 + w1 * (w1.transpose() * g);
        self.u.transpose() * first * &self.v
    }

    /// The right side: `(σ₁ᵢ² + σ₂ⱼ²)·[UᵀGV]ᵢⱼ` (n×d).
    pub fn right(&self) -> Matrix<T> {
        let inner = self.u.transpose() * &self.gradient * &self.v;
        let square = |x: &T| x.clone() * x.clone();
        Matrix::from_fn(inner.nrows(), inner.ncols(), |i, j| {
            (square(&self.sigma_1[i]) + square(&self.sigma_2[j])) * inner[(i, j)].clone()
        })
    }
}

/// E4 exactly: the case's decompositions are its own.
pub fn check<T: Number>(case: &Rotated<T>) -> Check {
    check_against(case, Rotated::right)
}

/// E4 with another right side, such as a wrong one; for exact numbers.
pub fn check_against<T: Number>(case: &Rotated<T>, right: impl Fn(&Rotated<T>) -> Matrix<T>) -> Check {
    let left = case.left();
    Check::equal("Uᵀ(G·W₂ᵀW₂ + W₁W₁ᵀ·G)V", &left, &right(case), &left, 0)
}

/// E4 for a step of two factors whose decompositions are computed.
///
/// # Errors
/// [`TheoryError`]: a factor that cannot be decomposed.
pub fn check_computed(step: &Step<f64>) -> Result<Check, TheoryError> {
    check_computed_against(step, Rotated::right)
}

/// The same with another right side, such as a wrong one.
///
/// # Errors
/// As [`check_computed`].
pub fn check_computed_against(
    step: &Step<f64>,
    right: impl Fn(&Rotated<f64>) -> Matrix<f64>,
) -> Result<Check, TheoryError> {
    let (n, d) = step.gradient.shape();
    let [w1, w2] = &step.factors[..] else {
        return Ok(Check::failed(
            1.0,
            format!("E4 is about two factors, not {}", step.depth()),
        ));
    };
    let first = Computed::of("W1", w1)?;
    let second = Computed::of("W2", w2)?;
    let allowed = norm_f(&step.gradient) * (first.error(n + d) + second.error(n + d));
    let case = Rotated {
        sigma_1: padded(&first.sigma, n),
        sigma_2: padded(&second.sigma, d),
        u: first.u,
        v: second.v,
        w1: w1.clone(),
        w2: w2.clone(),
        gradient: step.gradient.clone(),
    };
    let (left, right) = (case.left(), right(&case));
    let mut worst = Check::ratio("equal", 0.0, 1.0);
    for (at, (l, r)) in left.iter().zip(right.iter()).enumerate() {
        let ratio = if l == r { 0.0 } else { (l - r).abs() / allowed };
        let witness = format!("entry ({}, {}): {l:e} against {r:e}", at % n, at / n);
        let check = Check {
            left: *l,
            right: *r,
            ratio,
            bound: 1.0,
            witness,
        };
        worst = worst.worse(check);
    }
    Ok(worst)
}

fn padded(sigma: &[f64], length: usize) -> Vec<f64> {
    let mut sigma = sigma.to_vec();
    sigma.resize(length, 0.0);
    sigma
}

/// A computed full decomposition and how far it is from one.
struct Computed {
    u: Matrix<f64>,
    sigma: Vec<f64>,
    v: Matrix<f64>,
    /// ‖W‖_F.
    norm: f64,
    /// ‖W − UΣVᵀ‖_F.
    residual: f64,
    /// ‖I − UᵀU‖_F + ‖I − VᵀV‖_F.
    defects: f64,
}

impl Computed {
    fn of(name: &str, w: &Matrix<f64>) -> Result<Self, TheoryError> {
        let svd = svd_full(view(w)).map_err(|error| named(name, w, &error))?;
        let (u, v) = (matrix(&svd.u), matrix(&svd.v));
        let mut sigma = Matrix::zeros(w.nrows(), w.ncols());
        svd.sigma.iter().enumerate().for_each(|(i, s)| sigma[(i, i)] = *s);
        let defect = |q: &Matrix<f64>| norm_f(&(q.transpose() * q - Matrix::identity(q.ncols(), q.ncols())));
        Ok(Self {
            norm: norm_f(w),
            residual: norm_f(&(w - &u * sigma * v.transpose())),
            defects: defect(&u) + defect(&v),
            u,
            sigma: svd.sigma,
            v,
        })
    }

    /// What may be wrong with this factor's term, for ‖G‖_F = 1: the first order of the measured errors, what rounding takes from
    /// the measurement, and what it takes from the products (docs/tolerances.md). `outer` is n + d.
    fn error(&self, outer: usize) -> f64 {
        let (rows, cols) = (self.u.nrows() as f64, self.v.nrows() as f64);
        let products = 2.0 * (outer as f64 + rows + cols) + 8.0;
        let measurement = rows * rows + cols * cols + 2.0 * (rows.min(cols) + 3.0) * rows.sqrt();
        let rounding = unit_roundoff::<f64>() * (products + measurement) * self.norm * self.norm;
        let sigma = self.sigma.first().copied().unwrap_or(0.0);
        sigma * sigma * self.defects + 2.0 * sigma * self.residual + rounding
    }
}
