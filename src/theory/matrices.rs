//! Matrices that floating-point code must get right: the types of LAPACK's own test programs (DCHKQR, DDRVBD), over shapes from
//! 1×1 to 200×64, the special ones listed and random ones for proptest.

use super::floating::{Floating, norm_f};
use super::number::Matrix;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fmt;

/// A type of matrix. In the order in which a failing case shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All entries 0.
    Zero,
    /// Ones on the diagonal.
    Identity,
    /// Diagonal, from 10⁰ to 10⁻¹⁶ (f64) or 10⁻⁷ (f32) in equal ratios.
    Graded,
    /// Uniform in (−1, 1).
    Random,
    /// Rank about min(n, d)/2, exactly: a product of small integers.
    RankDeficient,
    /// The second half of the rows repeats the first.
    RepeatedRows,
    /// Every second row is zero.
    ZeroRows,
    /// U·Σ·Vᵀ with the singular values of `Graded`.
    Spread,
    /// U·Σ·Vᵀ, half the singular values 1 and half ε.
    Clustered,
    /// `Random` times the smallest normal number over ε: LAPACK's underflow type.
    NearUnderflow,
    /// `Random` times the greatest number times ε: LAPACK's overflow type.
    NearOverflow,
    /// `Random` times the smallest normal number: most entries are subnormal.
    Subnormal,
    /// `Random` times the greatest number over 2√(nd): the greatest scale at which no singular value can overflow.
    Greatest,
}

impl Kind {
    /// Every type.
    pub const ALL: [Kind; 13] = [
        Kind::Zero,
        Kind::Identity,
        Kind::Graded,
        Kind::Random,
        Kind::RankDeficient,
        Kind::RepeatedRows,
        Kind::ZeroRows,
        Kind::Spread,
        Kind::Clustered,
        Kind::NearUnderflow,
        Kind::NearOverflow,
        Kind::Subnormal,
        Kind::Greatest,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::Zero => "zero",
            Kind::Identity => "identity",
            Kind::Graded => "graded diagonal",
            Kind::Random => "random",
            Kind::RankDeficient => "rank-deficient",
            Kind::RepeatedRows => "repeated rows",
            Kind::ZeroRows => "zero rows",
            Kind::Spread => "spread σ",
            Kind::Clustered => "clustered σ",
            Kind::NearUnderflow => "near underflow",
            Kind::NearOverflow => "near overflow",
            Kind::Subnormal => "subnormal",
            Kind::Greatest => "near the greatest number",
        }
    }
}

/// A matrix and an inner dimension, small: the matrix is made from it, the same every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The type of matrix.
    pub kind: Kind,
    /// Rows.
    pub n: usize,
    /// Columns.
    pub d: usize,
    /// Inner dimension.
    pub k: usize,
    /// Seed of the random entries.
    pub seed: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { kind, n, d, k, seed } = self;
        write!(f, "{}, n = {n}, d = {d}, k = {k}, seed {seed}", kind.name())
    }
}

/// n×d of the special cases: one row, one column, n < d, n = d and n > d.
const SHAPES: [(usize, usize); 16] = [
    (1, 1),
    (1, 2),
    (2, 1),
    (1, 64),
    (200, 1),
    (2, 2),
    (3, 8),
    (8, 3),
    (5, 5),
    (10, 16),
    (16, 16),
    (17, 16),
    (20, 33),
    (33, 20),
    (64, 64),
    (200, 64),
];

/// Every type of matrix in every special shape, with every k that `inner` gives for (n, d).
pub fn special(inner: impl Fn(usize, usize) -> Vec<usize>) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in Kind::ALL {
        for (n, d) in SHAPES {
            let mut inner = inner(n, d);
            inner.sort_unstable();
            inner.dedup();
            cases.extend(
                inner
                    .into_iter()
                    .filter(|&k| k > 0)
                    .map(|k| Case { kind, n, d, k, seed: 0 }),
            );
        }
    }
    cases
}

/// Random types, shapes and seeds, mostly small, up to 200×64; k from 1 past d.
pub fn random() -> impl Strategy<Value = Case> {
    with_inner(|d| 1..=d + 2)
}

/// The same with k ≥ d.
pub fn random_wide() -> impl Strategy<Value = Case> {
    with_inner(|d| d..=d + 3)
}

fn with_inner(inner: fn(usize) -> std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Case> {
    let shapes = prop_oneof![
        20 => (1usize..=8, 1usize..=8),
        6 => (1usize..=40, 1usize..=24),
        1 => (1usize..=200, 1usize..=64),
    ];
    shapes.prop_flat_map(move |(n, d)| {
        let kind = proptest::sample::select(&Kind::ALL[..]);
        (kind, inner(d), 0u64..1_000_000).prop_map(move |(kind, k, seed)| Case { kind, n, d, k, seed })
    })
}

impl Case {
    /// The matrix (n×d).
    pub fn matrix<T: Floating>(&self) -> Matrix<T> {
        let &Case { kind, n, d, seed, .. } = self;
        let r = n.min(d);
        // Values of T as f64; the scaled types round once more.
        let eps = 2.0 * super::floating::unit_roundoff::<T>();
        let (least, most): (f64, f64) = (
            T::min_positive_value().into(),
            <T as num_traits::Float>::max_value().into(),
        );
        let times = |scale: f64| rounded_times::<T>(&uniform(n, d, &mut generator(seed)), scale);
        let planted = |sigma: Vec<f64>| rounded_times::<T>(&with_singular_values(&sigma, n, d, seed), 1.0);
        match kind {
            Kind::Zero => Matrix::zeros(n, d),
            Kind::Identity => rounded_times::<T>(&Matrix::identity(n, d), 1.0),
            Kind::Graded => rounded_times::<T>(&diagonal(&graded(r, eps), n, d), 1.0),
            Kind::Random => times(1.0),
            Kind::RankDeficient => rounded_times::<T>(&rank_deficient(n, d, &mut generator(seed)), 1.0),
            Kind::RepeatedRows => {
                let base: Matrix<T> = times(1.0);
                Matrix::from_fn(n, d, |i, j| base[(i % n.div_ceil(2), j)])
            }
            Kind::ZeroRows => {
                let base: Matrix<T> = times(1.0);
                Matrix::from_fn(n, d, |i, j| if i % 2 == 1 { T::round_from(0.0) } else { base[(i, j)] })
            }
            Kind::Spread => planted(graded(r, eps)),
            Kind::Clustered => planted((0..r).map(|i| if 2 * i < r { 1.0 } else { eps }).collect()),
            Kind::NearUnderflow => times(least / eps),
            Kind::NearOverflow => times(most * eps),
            Kind::Subnormal => times(least),
            Kind::Greatest => times(most / (2.0 * ((n * d) as f64).sqrt())),
        }
    }
}

/// A ChaCha8 stream of its own for every seed: the same bits on every machine.
pub fn generator(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Entries uniform in (−1, 1).
pub fn uniform(n: usize, d: usize, generator: &mut impl Rng) -> Matrix<f64> {
    Matrix::from_fn(n, d, |_, _| (generator.next_u64() >> 11) as f64 * 2f64.powi(-52) - 1.0)
}

/// Entries N(0, 1) (Box and Muller 1958).
pub fn normal(n: usize, d: usize, generator: &mut impl Rng) -> Matrix<f64> {
    let mut unit = || (generator.next_u64() >> 11) as f64 * 2f64.powi(-53);
    Matrix::from_fn(n, d, |_, _| {
        let (u, v) = (unit(), unit());
        libm::sqrt(-2.0 * libm::log(1.0 - u)) * libm::cos(2.0 * std::f64::consts::PI * v)
    })
}

/// U·diag(σ)·Vᵀ (n×d) with random orthogonal U and V; `sigma` has min(n, d) values. Its singular values are σ to a small
/// multiple of 2⁻⁵³·‖σ‖.
pub fn with_singular_values(sigma: &[f64], n: usize, d: usize, seed: u64) -> Matrix<f64> {
    /// Reflections on either side: enough that no entry stays zero.
    const REFLECTIONS: usize = 4;
    let mut generator = generator(seed);
    let mut a = diagonal(sigma, n, d);
    for _ in 0..REFLECTIONS {
        reflect(&mut a, &normal(n, 1, &mut generator));
        let mut transposed = a.transpose();
        reflect(&mut transposed, &normal(d, 1, &mut generator));
        a = transposed.transpose();
    }
    a
}

/// (k×r), k ≥ r, with orthonormal columns: random reflections of the identity, and a step of Newton and Schulz against their
/// rounding, which leaves that of one product.
pub fn orthonormal_columns(k: usize, r: usize, seed: u64) -> Matrix<f64> {
    let a = with_singular_values(&vec![1.0; r.min(k)], k, r, seed);
    let defect = Matrix::identity(r, r) - a.transpose() * &a;
    &a + &a * defect * 0.5
}

/// The Householder reflection along `v` of every column of `a`.
fn reflect(a: &mut Matrix<f64>, v: &Matrix<f64>) {
    let length = norm_f(v);
    if length > 0.0 {
        let v = v / length;
        *a -= &v * (v.transpose() * &*a) * 2.0;
    }
}

fn diagonal(sigma: &[f64], n: usize, d: usize) -> Matrix<f64> {
    Matrix::from_fn(n, d, |i, j| if i == j { sigma[i] } else { 0.0 })
}

/// r values from 1 to 10⁻¹⁶ or 10⁻⁷, in equal ratios.
fn graded(r: usize, eps: f64) -> Vec<f64> {
    let decades = if eps < 1e-10 { -16.0 } else { -7.0 };
    let steps = r.saturating_sub(1).max(1) as f64;
    (0..r).map(|i| libm::pow(10.0, decades * i as f64 / steps)).collect()
}

/// A product of integers from −3 to 3 through half of min(n, d): its entries, up to 9·32, are exact in f32.
fn rank_deficient(n: usize, d: usize, generator: &mut impl Rng) -> Matrix<f64> {
    let rank = (n.min(d) / 2).max(1);
    let mut integers = |rows, cols| Matrix::from_fn(rows, cols, |_, _| (generator.next_u64() % 7) as f64 - 3.0);
    integers(n, rank) * integers(rank, d)
}

fn rounded_times<T: Floating>(matrix: &Matrix<f64>, scale: f64) -> Matrix<T> {
    matrix.map(|x| T::round_from(x * scale))
}

#[cfg(test)]
mod tests;
