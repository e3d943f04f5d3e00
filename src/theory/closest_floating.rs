//! T2.2-quantified in floating point: the closest product, and that nothing is closer.

use super::check::Check;
use super::error::{TheoryError, finite};
use super::floating::{Floating, named, norm_f, rounded, scaled, unit_roundoff, view, widened};
use super::ledger::{Arithmetic, Expected, Row};
use super::matrices::{self, Case};
use super::number::Matrix;
use super::search::{self, Budget, Found};
use super::weyl_floating::{Certified, certified};
use crate::spectrum::decompose;

/// Eckart–Young–Mirsky in f32.
pub const F32: Row = Row {
    id: "T2.2-quantified-f32",
    claim: "no product of inner width k is closer to W than σ_{k+1} (2-norm) and (Σ_{i>k}σᵢ²)^½ (Frobenius), and \
            closest_product(W, k) is as close, in f32",
    arithmetic: Arithmetic::Floating,
    unit: "the smaller side over the greater one and its measured rounding",
    expected: Expected::Holds,
    run: run::<f32>,
};

/// Eckart–Young–Mirsky in f64.
pub const F64: Row = Row {
    id: "T2.2-quantified-f64",
    claim: "no product of inner width k is closer to W than σ_{k+1} (2-norm) and (Σ_{i>k}σᵢ²)^½ (Frobenius), and \
            closest_product(W, k) is as close, in f64",
    run: run::<f64>,
    ..F32
};

fn run<T: Floating>(budget: Budget) -> Found {
    let special = matrices::special(|n, d| vec![1, n.min(d) / 2, n.min(d), d + 1]);
    let check = |case: &Case| check::<T>(&case.matrix(), case.k, case.seed);
    search::each(special, check).and(search::random(budget, matrices::random(), check))
}

/// The product of inner width k closest to `W` (n×d), in the 2-norm and in the Frobenius norm: the truncated singular value
/// decomposition. W₁ = U_k·Σ_k (n×k), W₂ = V_kᵀ (k×d), zeros where k > min(n, d).
///
/// # Errors
/// [`TheoryError`]: `W` empty or not finite, k = 0, a singular value above the range.
pub fn closest_product<T: Floating>(w: &Matrix<T>, k: usize) -> Result<(Matrix<T>, Matrix<T>), TheoryError> {
    finite("W", w)?;
    if k == 0 {
        return Err(TheoryError::NoInnerDim { matrix: "W".into() });
    }
    let svd = decompose::svd(view(w)).map_err(|error| named("W", w, &error))?;
    let (n, d, r) = (w.nrows(), w.ncols(), svd.sigma.len());
    let zero = T::round_from(0.0);
    let w1 = Matrix::from_fn(n, k, |i, j| if j < r { svd.u[(i, j)] * svd.sigma[j] } else { zero });
    let w2 = Matrix::from_fn(k, d, |i, j| if i < r { svd.v[(j, i)] } else { zero });
    Ok((w1, w2))
}

/// A distance ‖W − W₁W₂‖ of a normalised W, in both norms, and how much of it may be rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// ‖W − W₁W₂‖₂.
    pub spectral: f64,
    /// ‖W − W₁W₂‖_F.
    pub frobenius: f64,
    /// What either may be wrong by.
    pub rounding: f64,
}

/// How far `W₁W₂·2^−exponent` is from `w`, which is normalised.
///
/// # Errors
/// [`TheoryError`]: a product beyond f64.
pub fn distance<T: Floating>(
    w: &Matrix<f64>,
    exponent: i32,
    w1: &Matrix<T>,
    w2: &Matrix<T>,
) -> Result<Distance, TheoryError> {
    let w1 = widened(w1).map(|x| libm::ldexp(x, -exponent));
    let w2 = widened(w2);
    let difference = w - &w1 * &w2;
    let (_, measured) = certified("W − W₁W₂", &difference)?;
    let back = libm::ldexp(1.0, scaled(&difference).exponent);
    let terms = (w1.ncols() + 2) as f64;
    // The product's rounding (Higham, section 3.1), and the decomposition's own.
    let product = terms * f64::EPSILON * norm_f(&(w1.abs() * w2.abs() + w.abs()));
    let sum = difference.len() as f64 * f64::EPSILON * norm_f(&difference);
    Ok(Distance {
        spectral: measured.sigma[0] * back,
        frobenius: norm_f(&difference),
        rounding: product + sum + measured.radius(0) * back,
    })
}

/// T2.2-quantified on `W` and k: the bounds hold for random factors, for factors near the closest ones and for the closest
/// ones, which attain them. `seed` makes the factors.
///
/// # Errors
/// As [`closest_product`].
pub fn check<T: Floating>(w: &Matrix<T>, k: usize, seed: u64) -> Result<Check, TheoryError> {
    let closest = closest_product(w, k)?;
    let bounds = Bounds::of(w, k)?;
    let mut worst = bounds.attained(w, &closest.0, &closest.1)?;
    for (w1, w2) in rivals(w, &closest, seed) {
        worst = worst.worse(bounds.below(w, &w1, &w2)?);
    }
    Ok(worst.worse(bounds.below(w, &closest.0, &closest.1)?))
}

/// The two lower bounds for a normalised W, from its measured decomposition.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// σ_{k+1}.
    pub spectral: f64,
    /// (Σ_{i>k} σᵢ²)^½.
    pub frobenius: f64,
    /// What each may be wrong by.
    pub rounding: (f64, f64),
    /// What the closest product may add on top, being rounded: to its type, and where it becomes subnormal.
    product: f64,
    exponent: i32,
}

impl Bounds {
    /// Of `w` (n×d) and k.
    ///
    /// # Errors
    /// [`TheoryError`]: `w` empty or not finite.
    pub fn of<T: Floating>(w: &Matrix<T>, k: usize) -> Result<Self, TheoryError> {
        let (scaled, measured) = certified("W", w)?;
        let Certified {
            sigma,
            residual_f,
            defect,
            ..
        } = &measured;
        let norm = sigma.iter().map(|x| x * x).sum::<f64>().sqrt();
        let tail = sigma.iter().skip(k).map(|x| x * x).sum::<f64>().sqrt();
        let smallest = libm::ldexp(<T as super::Number>::SMALLEST, -scaled.exponent);
        // Each entry of U·Σ is rounded once, relatively or where it is subnormal; the rows of V have norm at most 1 + defect.
        let product =
            (unit_roundoff::<T>() * norm + smallest * (w.nrows() as f64 * sigma.len() as f64).sqrt()) * (1.0 + defect);
        Ok(Self {
            spectral: sigma.get(k).copied().unwrap_or(0.0),
            frobenius: tail,
            // Mirsky for the Frobenius norm, Weyl for the 2-norm.
            rounding: (
                measured.radius(0),
                residual_f + defect * norm + sigma.len() as f64 * f64::EPSILON * tail,
            ),
            product,
            exponent: scaled.exponent,
        })
    }

    /// Whether factors obey both bounds.
    ///
    /// # Errors
    /// [`TheoryError`]: a product beyond f64.
    pub fn below<T: Floating>(&self, w: &Matrix<T>, w1: &Matrix<T>, w2: &Matrix<T>) -> Result<Check, TheoryError> {
        let at = distance(&scaled(w).matrix, self.exponent, w1, w2)?;
        let spectral = at_least(
            "‖W − W₁W₂‖₂ ≥ σ_{k+1}",
            at.spectral,
            self.spectral,
            at.rounding + self.rounding.0,
        );
        let frobenius = at_least(
            "‖W − W₁W₂‖_F ≥ (Σ_{i>k}σᵢ²)^½",
            at.frobenius,
            self.frobenius,
            at.rounding + self.rounding.1,
        );
        Ok(spectral.worse(frobenius))
    }

    /// Whether factors attain both bounds.
    ///
    /// # Errors
    /// [`TheoryError`]: a product beyond f64.
    pub fn attained<T: Floating>(&self, w: &Matrix<T>, w1: &Matrix<T>, w2: &Matrix<T>) -> Result<Check, TheoryError> {
        let at = distance(&scaled(w).matrix, self.exponent, w1, w2)?;
        let slack = at.rounding + self.product;
        let spectral = at_least(
            "σ_{k+1} ≥ ‖W − W₁W₂‖₂",
            self.spectral,
            at.spectral,
            slack + self.rounding.0,
        );
        let frobenius = at_least(
            "(Σ_{i>k}σᵢ²)^½ ≥ ‖W − W₁W₂‖_F",
            self.frobenius,
            at.frobenius,
            slack + self.rounding.1,
        );
        Ok(spectral.worse(frobenius))
    }
}

/// `left ≥ right` up to `slack`. In units of the normalised matrix, as every number here.
fn at_least(name: &str, left: f64, right: f64, slack: f64) -> Check {
    Check::at_least(name, &left, &right, slack)
}

/// Factors to compare with: random ones, and the closest ones moved a little, which come close to the bound.
fn rivals<T: Floating>(w: &Matrix<T>, closest: &(Matrix<T>, Matrix<T>), seed: u64) -> Vec<(Matrix<T>, Matrix<T>)> {
    let exponent = scaled(w).exponent;
    let mut generator = matrices::generator(seed ^ 0x9e37_79b9_7f4a_7c15);
    let (n, k, d) = (w.nrows(), closest.1.nrows(), w.ncols());
    let at_scale = |x: &f64| T::round_from(libm::ldexp(*x, exponent));
    let (e1, e2) = (
        matrices::uniform(n, k, &mut generator),
        matrices::uniform(k, d, &mut generator),
    );
    let moved = |near: f64| {
        let w1 = widened(&closest.0).zip_map(&e1, |x, e| T::round_from(x + libm::ldexp(near * e, exponent)));
        (w1, rounded(&(widened(&closest.1) + &e2 * near)))
    };
    vec![(e1.map(|x| at_scale(&x)), rounded(&e2)), moved(1e-3), moved(0.1)]
}
