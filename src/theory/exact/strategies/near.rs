//! Products near a planted table, planted tables that are perturbed, and factors in their own bases.

use super::{RationalSvd, SMALL_SIZES, integers, svds_of};
use crate::theory::exact::{integer, rectangular_diagonal};
use crate::theory::number::{Matrix, Rational, inline};
use crate::theory::rotated_step::Rotated;
use proptest::arbitrary::any;
use proptest::strategy::Strategy;
use std::fmt;

/// A planted table and a product of inner width k to come near it.
#[derive(Debug, Clone, PartialEq)]
pub struct Approximation {
    /// W = UΣVᵀ.
    pub planted: RationalSvd,
    /// k.
    pub inner_dim: usize,
    /// W₁ (n×k).
    pub w1: Matrix<Rational>,
    /// W₂ (k×d).
    pub w2: Matrix<Rational>,
}

impl fmt::Display for Approximation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, k = {}, W1 = {}, W2 = {}",
            self.planted,
            self.inner_dim,
            inline(&self.w1),
            inline(&self.w2)
        )
    }
}

/// Products anywhere, near the closest one, and the closest one itself: `W₁ = keep·U_kΣ_k + noise·X`, and so W₂.
pub fn approximations() -> impl Strategy<Value = Approximation> {
    (SMALL_SIZES, SMALL_SIZES, SMALL_SIZES).prop_flat_map(|(n, d, k)| {
        let mix = (any::<bool>(), 0usize..3);
        (svds_of(n, d, 1), integers(n, k), integers(k, d), mix).prop_map(move |(planted, x, y, (keep, noise))| {
            let noise = [integer(0), Rational::new(1.into(), 50.into()), integer(1)][noise].clone();
            let (w1, w2) = planted.truncated(k);
            let keep = integer(u8::from(keep));
            Approximation {
                w1: w1 * keep.clone() + x * noise.clone(),
                w2: w2 * keep + y * noise,
                inner_dim: k,
                planted,
            }
        })
    })
}

/// A planted table and a planted perturbation of its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Perturbed {
    /// W.
    pub planted: RationalSvd,
    /// E.
    pub perturbation: RationalSvd,
    /// Whether E has the singular vectors of W in place of its own: then the bound is attained.
    pub aligned: bool,
}

impl Perturbed {
    /// W + E.
    pub fn moved(&self) -> Matrix<Rational> {
        if !self.aligned {
            return &self.planted.w + &self.perturbation.w;
        }
        let (n, d) = self.planted.w.shape();
        let sigma = rectangular_diagonal(n, d, &self.perturbation.sigma);
        &self.planted.w + &self.planted.u * sigma * self.planted.v.transpose()
    }

    /// ‖E‖₂.
    pub fn radius(&self) -> Rational {
        self.perturbation.sigma.first().cloned().unwrap_or_else(|| integer(0))
    }
}

impl fmt::Display for Perturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, W + E = {}", self.planted, inline(&self.moved()))
    }
}

/// Perturbations of every direction and size, some along the table's own singular vectors.
pub fn perturbed() -> impl Strategy<Value = Perturbed> {
    (SMALL_SIZES, SMALL_SIZES).prop_flat_map(|(n, d)| {
        (svds_of(n, d, 1), svds_of(n, d, 1), any::<bool>()).prop_map(|(planted, perturbation, aligned)| Perturbed {
            planted,
            perturbation,
            aligned,
        })
    })
}

/// Two planted factors and a gradient.
pub fn rotated_steps() -> impl Strategy<Value = Rotated<Rational>> {
    (SMALL_SIZES, SMALL_SIZES, SMALL_SIZES).prop_flat_map(|(n, k, d)| {
        let padded = |svd: &RationalSvd, length: usize| {
            let mut sigma = svd.sigma.clone();
            sigma.resize(length, integer(0));
            sigma
        };
        (svds_of(n, k, 1), svds_of(k, d, 1), integers(n, d)).prop_map(move |(first, second, gradient)| Rotated {
            sigma_1: padded(&first, n),
            sigma_2: padded(&second, d),
            u: first.u,
            v: second.v,
            w1: first.w,
            w2: second.w,
            gradient,
        })
    })
}
