//! The singular values of a product of factors, and its right singular vectors.

use faer::prelude::ReborrowMut;
use faer::{Accum, Mat, MatMut, Par};

use super::decompose::{self, Bases, exponent, normalise};
use super::table::Factor;

/// Why no spectrum could be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpectrumError {
    /// A table without a matrix.
    #[error("the table has no factor")]
    NoFactor,
    /// Two neighbours of the product do not fit.
    #[error("`{left}` has {left_cols} columns but `{right}`, the next factor of the product, has {right_rows} rows")]
    Shapes {
        /// The tensor on the left.
        left: String,
        /// Its columns.
        left_cols: usize,
        /// The tensor on the right.
        right: String,
        /// Its rows.
        right_rows: usize,
    },
    /// NaN or ±∞ among the entries.
    #[error(
        "`{tensor}` holds a value that is not finite at row {row}, column {column} (both counted from 0): did training diverge?"
    )]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
    /// The largest singular value lies above the greatest f64.
    #[error("the singular values of the product that starts with `{tensor}` are above 1.8e308: scale its factors down")]
    Overflow {
        /// The first factor.
        tensor: String,
    },
    /// Neither faer nor the fallback converged.
    #[error(
        "the singular values of the product that starts with `{tensor}` did not converge: please report this table"
    )]
    NoConvergence {
        /// The first factor.
        tensor: String,
    },
}

/// Singular values of `W = W₁·W₂⋯W_N` (n×d), descending: always min(n, d) of them, computed in f64.
///
/// No n×d product is formed: the factors behind the first are small and multiplied out, the first is read in blocks of rows
/// that go through a QR one after another, and only the triangle that is left is decomposed. Every factor is scaled by a
/// power of two first and the result scaled back, since faer is silently wrong for entries below about 10⁻²⁰⁰ and does not
/// converge above 10¹⁶⁰ (see [`decompose`]). The result does not depend on the number of threads.
///
/// Each value carries an absolute error of a modest multiple of `ε·‖W₁‖·‖W₂‖⋯`, ε = 2⁻⁵² (docs/tolerances.md): for one
/// factor, of `ε·σ₁`.
///
/// # Errors
/// [`SpectrumError`]: factors that do not fit, entries that are not finite, values above the range of f64.
pub fn singular_values(factors: &[Factor]) -> Result<Vec<f64>, SpectrumError> {
    let (n, d) = shape(factors)?;
    let mut sigma = match core(factors)? {
        None => Vec::new(),
        Some(core) => {
            let sigma = decompose::normalised_values(&core.matrix).map_err(|_| no_convergence(factors))?;
            scaled_back(sigma, core.exponent, factors)?
        }
    };
    sigma.resize(n.min(d), 0.0); // a product of inner width below min(n, d) has exact zeros behind
    Ok(sigma)
}

/// The leading singular values of `W = W₁·W₂⋯W_N` (n×d), and their right singular vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Leading {
    /// Singular values, descending: `count` of them, and never more than min(n, d).
    pub sigma: Vec<f64>,
    /// Right singular vectors, orthonormal columns: d × the number of `sigma`.
    pub v: Mat<f64>,
}

/// The `count` greatest singular values and right singular vectors of a product, computed in f64 as [`singular_values`] does
/// it: no n×d product is formed. At most min(n, d). The left vector of σᵣ > 0 is `W₁·(W₂⋯W_N·vᵣ)/σᵣ`.
///
/// A vector's sign, and the basis of the vectors of equal values, are as they come; the same factors give the same bits.
///
/// # Errors
/// As [`singular_values`].
pub fn leading(factors: &[Factor], count: usize) -> Result<Leading, SpectrumError> {
    let (n, d) = shape(factors)?;
    let count = count.min(n).min(d);
    let (mut sigma, v) = match core(factors)? {
        None => (Vec::new(), Mat::identity(d, count)),
        Some(core) => {
            // An inner width below `count`: the product has zeros behind, whose vectors only the full basis holds.
            let bases = if core.matrix.nrows() < count {
                Bases::Full
            } else {
                Bases::Thin
            };
            let svd = decompose::normalised_svd(&core.matrix, bases).map_err(|_| no_convergence(factors))?;
            let mut sigma = svd.sigma;
            sigma.truncate(count);
            let v = svd.v.get(.., ..count).to_owned();
            (scaled_back(sigma, core.exponent, factors)?, v)
        }
    };
    sigma.resize(count, 0.0);
    Ok(Leading { sigma, v })
}

/// (n, d) of the product, whose factors must fit.
pub(super) fn shape(factors: &[Factor]) -> Result<(usize, usize), SpectrumError> {
    let (Some(first), Some(last)) = (factors.first(), factors.last()) else {
        return Err(SpectrumError::NoFactor);
    };
    check_shapes(factors)?;
    Ok((first.rows(), last.cols()))
}

/// The first factor's name, for messages.
fn tensor(factors: &[Factor]) -> String {
    factors.first().map_or_else(String::new, |factor| factor.name.clone())
}

fn no_convergence(factors: &[Factor]) -> SpectrumError {
    SpectrumError::NoConvergence {
        tensor: tensor(factors),
    }
}

fn scaled_back(sigma: Vec<f64>, exponent: i32, factors: &[Factor]) -> Result<Vec<f64>, SpectrumError> {
    let sigma: Vec<f64> = sigma.into_iter().map(|x| libm::ldexp(x, exponent)).collect();
    if sigma.iter().any(|x| x.is_infinite()) {
        return Err(SpectrumError::Overflow {
            tensor: tensor(factors),
        });
    }
    Ok(sigma)
}

/// A small matrix with d columns and `RᵀR = WᵀW` for R = `2^exponent · matrix`: the product's singular values, but for zeros,
/// and its right singular vectors. Its greatest |entry| lies in [1, 2).
struct Core {
    matrix: Mat<f64>,
    exponent: i32,
}

/// The core of a product whose factors fit; none where the product is zero or empty.
fn core(factors: &[Factor]) -> Result<Option<Core>, SpectrumError> {
    let (first, rest) = factors.split_first().ok_or(SpectrumError::NoFactor)?;
    let mut exponents = Vec::with_capacity(factors.len());
    for factor in factors {
        let largest = factor.largest().map_err(|(row, column)| SpectrumError::NotFinite {
            tensor: factor.name.clone(),
            row,
            column,
        })?;
        exponents.push(exponent(largest));
    }
    // Some factor is zero or empty: so is the product. Looked at only now, so that a NaN elsewhere is still reported.
    let Some(exponents) = exponents.into_iter().collect::<Option<Vec<i32>>>() else {
        return Ok(None);
    };
    let Some((tail, tail_exponent)) = product(rest, &exponents[1..]) else {
        return Ok(None);
    };
    let mut matrix = reduce(first, exponents[0], tail);
    Ok(normalise(&mut matrix).map(|e| Core {
        matrix,
        exponent: exponents[0] + tail_exponent + e,
    }))
}

fn check_shapes(factors: &[Factor]) -> Result<(), SpectrumError> {
    for pair in factors.windows(2) {
        if pair[0].cols() != pair[1].rows() {
            return Err(SpectrumError::Shapes {
                left: pair[0].name.clone(),
                left_cols: pair[0].cols(),
                right: pair[1].name.clone(),
                right_rows: pair[1].rows(),
            });
        }
    }
    Ok(())
}

/// All of a factor, scaled by `2^−exponent`.
pub(super) fn whole(factor: &Factor, exponent: i32) -> Mat<f64> {
    let mut a = Mat::zeros(factor.rows(), factor.cols());
    read_scaled(factor, 0..factor.rows(), exponent, a.as_mut());
    a
}

/// Rows of a factor, scaled by `2^−exponent`, in two steps where one power of two is out of range.
fn read_scaled(factor: &Factor, rows: std::ops::Range<usize>, exponent: i32, mut out: MatMut<'_, f64>) {
    let half = -exponent / 2;
    let (s, t) = (libm::ldexp(1.0, half), libm::ldexp(1.0, -exponent - half));
    if (-1000..=1000).contains(&exponent) {
        factor.read_rows(rows, s * t, out);
    } else {
        factor.read_rows(rows, s, out.rb_mut());
        for column in out.col_iter_mut() {
            column.iter_mut().for_each(|x| *x *= t);
        }
    }
}

/// The product of the factors behind the first, normalised, with the exponent taken out; `None` where it is zero.
/// No factor at all gives `Some((None, 0))`.
fn product(factors: &[Factor], exponents: &[i32]) -> Option<(Option<Mat<f64>>, i32)> {
    let mut total = 0;
    let mut result: Option<Mat<f64>> = None;
    for (factor, &e) in factors.iter().zip(exponents) {
        let next = whole(factor, e);
        let mut p = match result {
            None => next,
            Some(left) => left * next,
        };
        total += e + normalise(&mut p)?;
        result = Some(p);
    }
    Some((result, total))
}

/// A small matrix R with `RᵀR = AᵀA` for A = `2^−exponent · first · tail`.
fn reduce(first: &Factor, exponent: i32, tail: Option<Mat<f64>>) -> Mat<f64> {
    let (n, k) = (first.rows(), first.cols());
    let read = |rows, out: MatMut<'_, f64>| read_scaled(first, rows, exponent, out);
    match tail {
        None if n > k => decompose::triangular_factor(n, k, read),
        None => whole(first, exponent),
        // The product is narrower than the first factor: multiply each block before it is reduced.
        Some(tail) if tail.ncols() <= k => decompose::triangular_factor(n, tail.ncols(), |rows, out| {
            let mut block = Mat::zeros(rows.len(), k);
            read(rows, block.as_mut());
            faer::linalg::matmul::matmul(out, Accum::Replace, &block, &tail, 1.0, Par::Seq);
        }),
        Some(tail) if n > k => decompose::triangular_factor(n, k, read) * tail,
        Some(tail) => whole(first, exponent) * tail,
    }
}
