//! Intervals that contain the singular values of a table, from its Gram matrix.
//!
//! Let G = AᵀA exactly, Ĝ what was computed, with `|Ĝ − G|ᵢⱼ ≤ γ·Σₚ|aₚᵢaₚⱼ|`. Three facts, each a line of proof, take
//! computed numbers to intervals for λᵢ(G) = σᵢ(A)²:
//!
//! 1. *What rounding did to G.* `‖Ĝ − G‖₂ ≤ γ·tr G` (absolute; Weyl). Also, with D = diag(√Gᵢᵢ), `|xᵀ(Ĝ − G)x| ≤ γ·d·xᵀD²x`
//!    (Cauchy–Schwarz in each entry), and `xᵀĜx ≥ λ_min(Ĥ)·xᵀD̂²x` for the scaled Ĥ = D̂⁻¹ĜD̂⁻¹: so every λᵢ(G) lies within
//!    a factor 1 ± η of λᵢ(Ĝ), `η = γ·d/((1 − γ)·λ_min(Ĥ))`, by the minimax principle (Barlow & Demmel, SIAM J. Numer. Anal.
//!    1990). A table whose columns differ in size loses nothing by it: that is what makes the Gram route accurate.
//! 2. *Nearly diagonal.* For any V, M = VᵀĜV, computed here to 100 bits: `M = Δ(I + F)Δ` with Δ² its diagonal, so every λᵢ(M) lies
//!    within 1 ± ‖F‖ of the i-th greatest mᵢᵢ (the same argument).
//! 3. *Nearly orthogonal.* λᵢ(VᵀĜV) lies within 1 ± ‖I − VᵀV‖ of λᵢ(Ĝ) (Ostrowski).
//!
//! The norms are bounded by the greatest row sum, and each bound is made 1 % wider than computed, which is far more than the
//! rounding of the few dozen operations that it is made of.

use super::Gram;
use super::double::{Double, Doubles, LARGE, ROUNDED};
use super::exact::ExactGram;
use crate::spectrum::decompose;
use faer::Mat;

/// What is known of one singular value; serialised as the pair `[lo, hi]`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(into = "[f64; 2]")]
pub struct Interval {
    /// No exact singular value is below.
    pub lo: f64,
    /// Nor above.
    pub hi: f64,
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.lo, interval.hi]
    }
}

impl Interval {
    /// (hi − lo)/hi: 0 for a value that is known exactly, at most 1.
    pub fn relative_width(self) -> f64 {
        if self.hi > 0.0 {
            (self.hi - self.lo) / self.hi
        } else {
            0.0
        }
    }
}

/// What is known of a spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct Certified {
    /// Singular values, descending: d of them.
    pub sigma: Vec<f64>,
    /// An interval for each.
    pub intervals: Vec<Interval>,
    /// Right singular vectors, d×d, orthonormal up to rounding, in the order of the values.
    pub v: Mat<f64>,
}

impl Certified {
    /// What is known of zero.
    pub fn zero(d: usize) -> Self {
        Self {
            sigma: vec![0.0; d],
            intervals: vec![Interval { lo: 0.0, hi: 0.0 }; d],
            v: Mat::identity(d, d),
        }
    }

    /// Narrows the intervals by what is known otherwise.
    pub fn intersect(&mut self, other: &Certified) {
        for (mine, other) in self.intervals.iter_mut().zip(&other.intervals) {
            *mine = Interval {
                lo: mine.lo.max(other.lo),
                hi: mine.hi.min(other.hi),
            };
        }
    }
}

/// The singular values of `A·T`, T = tail₁·tail₂⋯ (nothing: the identity), from the Gram matrix of A.
///
/// The entries must be finite and neither so great nor so small that products of them leave the range of f64.
pub fn certified(gram: &Gram, tail: &[Mat<f64>]) -> Certified {
    let g = Doubles::exact(&Mat::from_fn(gram.cols, gram.cols, |i, j| gram.at(i, j)));
    let known = Known {
        g,
        gamma: gram.gamma(),
        // Each of the n products behind an entry may lose the smallest number there is.
        lost: gram.rows as f64,
    };
    known.certified(tail)
}

/// The same from an exact Gram matrix, and the exponent e: the values are those of `2^−e·A·T`.
///
/// The integers are rounded once, to 106 bits of a matrix whose greatest diagonal entry lies in [1, 4).
pub fn certified_exact(gram: &ExactGram, tail: &[Mat<f64>]) -> (Certified, i32) {
    let greatest = (0..gram.cols).map(|i| gram.at(i, i).bits()).max().unwrap_or(0);
    let half = (gram.exponent + greatest as i64 - 1).div_euclid(2);
    let scale = (gram.exponent - 2 * half) as i32;
    let rounded = |i: usize, j: usize| Double::rounded(gram.at(i, j), scale);
    let known = Known {
        g: Doubles::of(gram.cols, gram.cols, rounded),
        gamma: ROUNDED,
        lost: 1.0,
    };
    (known.certified(tail), half as i32)
}

/// What is known of the Gram matrix G of A: `|g − G|ᵢⱼ ≤ γ·Σₚ|aₚᵢaₚⱼ|`, and `lost` times the smallest numbers.
struct Known {
    g: Doubles,
    gamma: f64,
    lost: f64,
}

impl Known {
    fn certified(&self, tail: &[Mat<f64>]) -> Certified {
        let cols = self.g.cols;
        let product = tail_product(cols, tail);
        let small = match tail.is_empty() {
            true => self.g.clone(),
            false => product.transpose().times(&self.g).times(&product),
        };
        let Eigen { intervals: eigen, v } = eigenvalues(&small);
        let columns = norms((0..cols).map(|i| self.g.at(i, i).high), self.gamma);
        // tr G, or for a product the squared Frobenius norm of |A|·|T|.
        let energy: f64 = (0..product.cols)
            .map(|j| of_column(&product, &columns, j).powi(2))
            .sum();
        let absolute = WIDER * self.gamma * energy;
        let ones = vec![1.0; cols];
        let tail_size: f64 = (0..product.cols).map(|j| of_column(&product, &ones, j).powi(2)).sum();
        let underflow = 4.0 * f64::from_bits(1) * self.lost * tail_size.max(cols as f64);
        let relative = WIDER * self.gamma * cols as f64 / (1.0 - self.gamma) / least(&scaled(&self.g));
        let mut sigma = Vec::with_capacity(eigen.len());
        let mut intervals = Vec::with_capacity(eigen.len());
        for Interval { lo, hi } in eigen {
            let (below, above) = if relative < 0.5 {
                (
                    (lo - absolute).max(lo * (1.0 - relative)),
                    (hi + absolute).min(hi * (1.0 + relative)),
                )
            } else {
                (lo - absolute, hi + absolute)
            };
            sigma.push((0.5 * (lo + hi)).sqrt());
            intervals.push(Interval {
                // The differences and products above round too, by less than two units.
                lo: (below * (1.0 - 2.0 * f64::EPSILON) - underflow).max(0.0).sqrt() / ROOT,
                hi: (above * (1.0 + 2.0 * f64::EPSILON) + underflow).sqrt() * ROOT,
            });
        }
        Certified { sigma, intervals, v }
    }
}

/// The same from the rows of A·T multiplied by V, nearly orthogonal (d×d): `rotated` is the Gram matrix of A·X, X = T·V rounded.
/// The columns of A·X are nearly orthogonal, so that nothing is lost to their sizes ([`self`], 1); what the products of the rows
/// lose is at most `ρ = ‖|A|·|ΔX|‖_F`, and moves no value by more (Weyl).
pub fn certified_rotated(gram: &Gram, tail: &[Mat<f64>], x: &Mat<f64>, v: &Mat<f64>, rotated: &Gram) -> Certified {
    let own = certified(rotated, &[]);
    let columns = column_norms(gram);
    let unit = f64::EPSILON / 2.0;
    let terms = (x.nrows() + 4) as f64; // the row's sum, and the rounding of X itself
    let absolute = Doubles::exact(&Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)].abs()));
    let exact_x = tail_product(gram.cols, tail).times(&Doubles::exact(v));
    let slip = |j: usize| (0..x.nrows()).map(|k| columns[k] * exact_x.error(k, j)).sum::<f64>();
    let rho = (0..x.ncols())
        .map(|j| (terms * unit * of_column(&absolute, &columns, j) + slip(j)).powi(2))
        .sum::<f64>()
        .sqrt()
        * WIDER;
    let orthogonality = WIDER * defect(v);
    let widened = |Interval { lo, hi }: &Interval| Interval {
        lo: ((lo - rho) / (1.0 + orthogonality)).max(0.0),
        hi: (hi + rho) / (1.0 - orthogonality),
    };
    Certified {
        intervals: own.intervals.iter().map(widened).collect(),
        v: v * own.v,
        sigma: own.sigma,
    }
}

/// Not less than the norm of each column of A.
fn column_norms(gram: &Gram) -> Vec<f64> {
    norms((0..gram.cols).map(|i| gram.at(i, i)), gram.gamma())
}

fn norms(diagonal: impl Iterator<Item = f64>, gamma: f64) -> Vec<f64> {
    let wider = ROOT / (1.0 - gamma);
    diagonal.map(|x| x.max(0.0).sqrt() * wider).collect()
}

/// `Σ_k columns_k·|t_kj|`, not less than the norm of column j of A·T.
fn of_column(t: &Doubles, columns: &[f64], j: usize) -> f64 {
    columns
        .iter()
        .enumerate()
        .map(|(k, norm)| norm * (t.at(k, j).high.abs() + t.error(k, j)) * ROOT)
        .sum()
}

fn tail_product(cols: usize, tail: &[Mat<f64>]) -> Doubles {
    let start = Doubles::exact(&Mat::identity(cols, cols));
    match tail.split_first() {
        None => start,
        Some((first, rest)) => rest.iter().fold(Doubles::exact(first), |product, next| {
            product.times(&Doubles::exact(next))
        }),
    }
}

/// X = T·V rounded, what the rows of A are multiplied by in the second pass.
pub fn rotation(cols: usize, tail: &[Mat<f64>], v: &Mat<f64>) -> Mat<f64> {
    tail_product(cols, tail).times(&Doubles::exact(v)).rounded()
}

/// A percent more than was computed.
const WIDER: f64 = 1.01;
/// The rounding of a square root and of the product behind it.
const ROOT: f64 = 1.0 + 4.0 * f64::EPSILON;

/// Ĝ with rows and columns scaled by powers of two, exactly, to a diagonal in [1, 4); columns of zeros are left away.
fn scaled(g: &Doubles) -> Doubles {
    let kept: Vec<(usize, i32)> = (0..g.cols)
        .filter(|&i| g.at(i, i).high > 0.0)
        .map(|i| (i, libm::ilogb(g.at(i, i).high).div_euclid(2)))
        .collect();
    Doubles::of(kept.len(), kept.len(), |p, q| {
        let ((i, e), (j, f)) = (kept[p], kept[q]);
        g.at(i, j).scaled(-e - f)
    })
}

/// A lower bound of λ_min of `D̂⁻¹ĜD̂⁻¹` with unit diagonal, from the matrix with its diagonal in [1, 4); at least 0, which makes
/// what is divided by it say nothing.
fn least(h: &Doubles) -> f64 {
    if h.rows == 0 {
        return 1.0;
    }
    let last = eigenvalues(h).intervals.last().map_or(0.0, |interval| interval.lo);
    // A unit diagonal is reached by dividing by at most 2 on either side.
    (last / 4.0).max(0.0)
}

/// Eigenvalues, and vectors of the middle of each interval.
struct Eigen {
    intervals: Vec<Interval>,
    v: Mat<f64>,
}

/// Intervals of the eigenvalues of a symmetric matrix that is positive semidefinite up to rounding, descending.
fn eigenvalues(g: &Doubles) -> Eigen {
    let d = g.rows;
    let v = nearly_diagonalising(g);
    let m = congruence(g, &v);
    let diagonal: Vec<f64> = (0..d).map(|i| m.at(i, i).high).collect();
    let at_most = |i: usize, j: usize| m.at(i, j).high.abs() * ROOT + m.error(i, j);
    let sum = |i: usize, term: &dyn Fn(usize) -> f64| (0..d).filter(|&j| j != i).map(term).sum::<f64>();
    let absolute = (0..d).map(|i| sum(i, &|j| at_most(i, j))).fold(0.0, f64::max);
    let clearly_positive = (0..d).all(|i| diagonal[i] > 1e6 * m.error(i, i));
    let relative = match clearly_positive {
        true => (0..d)
            .map(|i| sum(i, &|j| at_most(i, j) / (diagonal[i] * diagonal[j]).sqrt()))
            .fold(0.0, f64::max),
        false => f64::INFINITY,
    };
    let orthogonality = WIDER * defect(&v);
    let ends = |sign: f64| {
        let mut ends: Vec<f64> = (0..d)
            .map(|i| {
                // Twice: the diagonal entry's own error also moves what the relative radius is relative to.
                let own = 2.0 * m.error(i, i) + 4.0 * f64::EPSILON * diagonal[i].abs();
                let radius = (WIDER * absolute).min(WIDER * relative * diagonal[i].abs());
                ((diagonal[i] + sign * (own + radius)) / (1.0 - sign * orthogonality)).max(0.0)
            })
            .collect();
        ends.sort_by(|a, b| b.total_cmp(a));
        ends
    };
    // Each end sorted by itself: the i-th greatest eigenvalue is bounded by the i-th greatest end.
    let intervals = ends(-1.0)
        .into_iter()
        .zip(ends(1.0))
        .map(|(lo, hi)| Interval { lo, hi })
        .collect();
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&i, &j| diagonal[j].total_cmp(&diagonal[i]));
    let v = Mat::from_fn(d, d, |i, j| v[(i, order[j])]);
    Eigen { intervals, v }
}

/// M = VᵀĜV to about 100 bits.
fn congruence(g: &Doubles, v: &Mat<f64>) -> Doubles {
    let v = Doubles::exact(v);
    v.transpose().times(g).times(&v)
}

/// The greatest row sum of |I − VᵀV|, not less than its spectral norm.
fn defect(v: &Mat<f64>) -> f64 {
    let exact = Doubles::exact(v);
    let gram = exact.transpose().times(&exact);
    let entry = |i: usize, j: usize| {
        let unit = Double::from(if i == j { -1.0 } else { 0.0 });
        (gram.at(i, j) + unit).high.abs() * ROOT + gram.error(i, j)
    };
    (0..v.ncols())
        .map(|i| (0..v.ncols()).map(|j| entry(i, j)).sum())
        .fold(0.0, f64::max)
}

/// V such that VᵀĜV is nearly diagonal, relative to its diagonal: Jacobi's rotations in f64 (whose accuracy is that of the
/// scaled matrix: Demmel & Veselić, SIAM J. Matrix Anal. 1992), once more on the product computed to 100 bits.
fn nearly_diagonalising(g: &Doubles) -> Mat<f64> {
    const ROUNDS: usize = 3;
    let d = g.rows;
    if d > LARGE {
        // Jacobi would take minutes; the small end is then known to less.
        return decompose::svd(g.rounded().as_ref()).map_or_else(|_| Mat::identity(d, d), |svd| svd.v);
    }
    let mut v = jacobi(g.rounded());
    for _ in 1..ROUNDS {
        let m = congruence(g, &v).rounded();
        let far = |i: usize, j: usize| m[(i, j)].abs() > f64::EPSILON * (m[(i, i)] * m[(j, j)]).abs().sqrt();
        if !(0..d).any(|j| (0..j).any(|i| far(i, j))) {
            break;
        }
        v = v * jacobi(m);
    }
    v
}

/// The rotations that take a symmetric matrix to its diagonal, multiplied up.
fn jacobi(mut a: Mat<f64>) -> Mat<f64> {
    const SWEEPS: usize = 40;
    let d = a.nrows();
    let mut v = Mat::identity(d, d);
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for q in 1..d {
            for p in 0..q {
                let (app, aqq, apq) = (a[(p, p)], a[(q, q)], a[(p, q)]);
                // Relative to the diagonal, or the small end of a graded spectrum would be lost; an entry below the range of
                // f64's squares is nothing.
                if apq.abs() <= 0.5 * f64::EPSILON * (app * aqq).abs().sqrt() || apq.abs() < f64::MIN_POSITIVE {
                    continue;
                }
                rotated = true;
                let theta = (aqq - app) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = t.hypot(1.0).recip();
                let s = c * t;
                for k in 0..d {
                    let (x, y) = (a[(k, p)], a[(k, q)]);
                    (a[(k, p)], a[(k, q)]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..d {
                    let (x, y) = (a[(p, k)], a[(q, k)]);
                    (a[(p, k)], a[(q, k)]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (v[(k, p)], v[(k, q)]);
                    (v[(k, p)], v[(k, q)]) = (c * x - s * y, s * x + c * y);
                }
                (a[(p, p)], a[(q, q)]) = (app - t * apq, aqq + t * apq);
                (a[(p, q)], a[(q, p)]) = (0.0, 0.0);
            }
        }
        if !rotated {
            break;
        }
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum::table::Factor;
    use ndarray::Array2;

    /// A graded table in a rotated basis or its own, and singular values of an independent f64 method.
    fn table(n: usize, d: usize, step: f64, rotated: bool) -> Factor {
        let mut state = 1u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        let raw = Mat::from_fn(n, d, |_, j| random() * step.powi(j as i32));
        let q = Mat::from_fn(d, d, |_, _| random()).qr().compute_Q();
        let a = if rotated { raw * q } else { raw };
        Factor::f32("w", Array2::from_shape_fn((n, d), |(i, j)| a[(i, j)] as f32))
    }

    #[test]
    fn intervals_hold_the_values_of_another_method() {
        for (n, d, step, rotated) in [
            (40, 5, 0.5, false),
            (3000, 16, 0.5, false),
            (3000, 16, 0.5, true),
            (5000, 30, 0.9, true),
            (3, 5, 0.7, true),
        ] {
            let factor = table(n, d, step, rotated);
            let Certified { intervals, v, .. } = certified(&Gram::of(&factor), &[]);
            let x = rotation(d, &[], &v);
            let second = certified_rotated(&Gram::of(&factor), &[], &x, &v, &Gram::of_product(&factor, &x));
            let other = crate::spectrum::singular_values(&[factor]).unwrap();
            let atol = 50.0 * n as f64 * f64::EPSILON * other[0];
            for (i, (other, interval)) in other.iter().zip(&intervals).enumerate() {
                for interval in [*interval, second.intervals[i]] {
                    assert!(
                        interval.lo - atol <= *other && *other <= interval.hi + atol,
                        "{i}: {other} {interval:?}"
                    );
                }
            }
        }
    }
}
