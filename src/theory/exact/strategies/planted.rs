//! Matrices whose singular value decomposition is known because they were made from it, all of it rational.

use super::{SMALL_SIZES, integers};
use crate::theory::exact::{cayley, integer, rectangular_diagonal};
use crate::theory::number::{Matrix, Rational, inline};
use crate::theory::step::{Step, product};
use num_traits::pow;
use proptest::collection::vec;
use proptest::strategy::Strategy;
use std::fmt;
use std::ops::RangeInclusive;

/// W = U·Σ·Vᵀ with everything rational.
#[derive(Debug, Clone, PartialEq)]
pub struct RationalSvd {
    /// U (n×n), orthogonal.
    pub u: Matrix<Rational>,
    /// The min(n, d) singular values, descending.
    pub sigma: Vec<Rational>,
    /// V (d×d), orthogonal.
    pub v: Matrix<Rational>,
    /// W (n×d).
    pub w: Matrix<Rational>,
    /// σ^(1/N), each with its σ.
    pub roots: Vec<Rational>,
}

impl RationalSvd {
    /// The closest matrix of rank k, as W₁ = U_k·Σ_k (n×k) and W₂ = V_kᵀ (k×d), padded with zeros past min(n, d).
    pub fn truncated(&self, inner_dim: usize) -> (Matrix<Rational>, Matrix<Rational>) {
        let (n, d) = self.w.shape();
        let w1 = &self.u * rectangular_diagonal(n, inner_dim, &self.sigma);
        let least = n.min(d).min(inner_dim);
        let w2 = self.v.columns(0, least).transpose();
        (w1, w2.resize_vertically(inner_dim, integer(0)))
    }
}

impl fmt::Display for RationalSvd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W = {}, σ = {}", inline(&self.w), list(&self.sigma))
    }
}

fn list(numbers: &[Rational]) -> String {
    let numbers: Vec<String> = numbers.iter().map(Rational::to_string).collect();
    format!("({})", numbers.join(", "))
}

/// A rational orthogonal matrix: the Cayley transform of a small skew integer matrix, down to the identity.
pub fn orthogonals(size: usize) -> impl Strategy<Value = Matrix<Rational>> {
    vec(-2i32..=2, size * (size - 1) / 2).prop_map(move |lower| {
        let lower: Vec<Rational> = lower.into_iter().map(integer).collect();
        cayley(size, &lower)
    })
}

/// Ratios of small integers from 0, `count` of them.
fn ratios(count: usize) -> impl Strategy<Value = Vec<Rational>> {
    vec((0i32..=6, 1i32..=3), count).prop_map(|ratios| {
        ratios
            .into_iter()
            .map(|(p, q)| Rational::new(p.into(), q.into()))
            .collect()
    })
}

/// An n×d matrix with singular values that are perfect `power`-th powers; zeros and equal ones among them.
pub fn svds_of(n: usize, d: usize, power: usize) -> impl Strategy<Value = RationalSvd> {
    (orthogonals(n), orthogonals(d), ratios(n.min(d))).prop_map(move |(u, v, mut roots)| {
        roots.sort_by(|a, b| b.cmp(a));
        let sigma: Vec<Rational> = roots.iter().map(|root| pow(root.clone(), power)).collect();
        let w = &u * rectangular_diagonal(n, d, &sigma) * v.transpose();
        RationalSvd { u, sigma, v, w, roots }
    })
}

/// [`svds_of`] of any of the [`SMALL_SIZES`].
pub fn rational_svds(power: usize) -> impl Strategy<Value = RationalSvd> {
    (SMALL_SIZES, SMALL_SIZES).prop_flat_map(move |(n, d)| svds_of(n, d, power))
}

/// A product of N factors with known singular vectors, `Wⱼ = Aⱼ₋₁·diag(sⱼ)·Aⱼᵀ` with A₀ = U and A_N = V, and a gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// U (n×r): the left singular vectors, r = min(n, k, d).
    pub u: Matrix<Rational>,
    /// V (d×r): the right ones.
    pub v: Matrix<Rational>,
    /// sⱼ, the r singular values of each factor, in an order of their own; all the same where the factors are balanced.
    pub scales: Vec<Vec<Rational>>,
    /// W₁ (n×k), …, W_N (k×d).
    pub factors: Vec<Matrix<Rational>>,
    /// G (n×d).
    pub gradient: Matrix<Rational>,
}

impl Product {
    /// σ of the product, one for each pair of columns of U and V: `Πⱼ sⱼ`.
    pub fn sigma(&self) -> Vec<Rational> {
        let rank = self.u.ncols();
        let sigma = |i: usize| self.scales.iter().fold(integer(1), |sigma, scale| sigma * &scale[i]);
        (0..rank).map(sigma).collect()
    }

    /// W (n×d).
    pub fn end_to_end(&self) -> Matrix<Rational> {
        product(&self.factors)
    }

    /// One step of these factors.
    pub fn step(&self) -> Step<Rational> {
        Step {
            factors: self.factors.clone(),
            gradient: self.gradient.clone(),
            learning_rate: integer(1),
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, factor) in self.factors.iter().enumerate() {
            write!(f, "W{} = {}, ", index + 1, inline(factor))?;
        }
        write!(f, "σ = {}, G = {}", list(&self.sigma()), inline(&self.gradient))
    }
}

/// Balanced factors, `WⱼᵀWⱼ = Wⱼ₊₁Wⱼ₊₁ᵀ`; zero singular values among them.
pub fn balanced_products(depths: RangeInclusive<usize>) -> impl Strategy<Value = Product> {
    products(depths, true)
}

/// Factors whose singular vectors fit as balanced ones' do, but not their singular values; none of them is zero.
pub fn unbalanced_products(depths: RangeInclusive<usize>) -> impl Strategy<Value = Product> {
    products(depths, false)
}

fn products(depths: RangeInclusive<usize>, balanced: bool) -> impl Strategy<Value = Product> {
    (depths, SMALL_SIZES, SMALL_SIZES, SMALL_SIZES).prop_flat_map(move |(depth, n, k, d)| {
        let rank = n.min(k).min(d);
        let bases: Vec<_> = (0..=depth)
            .map(|j| orthogonals(width(j, depth, n, k, d)).boxed())
            .collect();
        let scales = match balanced {
            true => ratios(rank).prop_map(move |first| vec![first; depth]).boxed(),
            false => unbalanced(depth, rank).boxed(),
        };
        (bases, scales, integers(n, d))
            .prop_map(move |(bases, scales, gradient)| from_parts(&bases, scales, gradient, rank))
    })
}

/// Integers s₁ from 1 and sⱼ = s₁ + a gap from 0. Gaps shrink by themselves: were the sⱼ drawn one by one, shrinking would stop
/// at the first pair that cannot come nearer.
fn unbalanced(depth: usize, rank: usize) -> impl Strategy<Value = Vec<Vec<Rational>>> {
    (vec(1i32..=4, rank), vec(vec(0i32..=4, rank), depth - 1)).prop_map(|(first, gaps)| {
        let later = |gaps: &Vec<i32>| first.iter().zip(gaps).map(|(s, gap)| integer(s + gap)).collect();
        let mut scales = vec![first.iter().map(|s| integer(*s)).collect()];
        scales.extend(gaps.iter().map(later));
        scales
    })
}

/// The height of Aⱼ: n, k, …, k, d.
fn width(j: usize, depth: usize, n: usize, k: usize, d: usize) -> usize {
    match j {
        0 => n,
        j if j == depth => d,
        _ => k,
    }
}

fn from_parts(
    bases: &[Matrix<Rational>],
    scales: Vec<Vec<Rational>>,
    gradient: Matrix<Rational>,
    rank: usize,
) -> Product {
    let thin: Vec<Matrix<Rational>> = bases.iter().map(|a| a.columns(0, rank).into_owned()).collect();
    let factor = |(j, scale): (usize, &Vec<Rational>)| {
        &thin[j] * rectangular_diagonal(rank, rank, scale) * thin[j + 1].transpose()
    };
    Product {
        factors: scales.iter().enumerate().map(factor).collect(),
        u: thin[0].clone(),
        v: thin[thin.len() - 1].clone(),
        scales,
        gradient,
    }
}
