//! Factorising dense matrices: the one place that does it, in f32 and in f64.
//!
//! [`svd`], [`svd_full`], [`singular_values`], [`qr`] and [`qr_full`] take any finite, non-empty matrix and give an answer that
//! was tested before it was taken, or a typed error. A matrix is computed in its own type, on one thread, so that the bits do
//! not depend on the number of threads.
//!
//! faer does the arithmetic. What is guarded here, all of it seen in faer 0.24:
//! - Its singular values are silently wrong for entries below about 1e-25 (f32) or 1e-200 (f64), and it does not converge
//!   above about 1e20 or 1e160: every matrix is first scaled by a power of two to a greatest |entry| in [1, 2), and the
//!   result scaled back, both exact.
//! - Its QR drops columns below 16·m·ε of their norm: the panels in [`mod@qr`](qr()) keep every column.
//! - Its `R()` of a wide matrix is square while `compute_Q()` goes with a wide one: the shapes here always multiply.
//! - Where it fails or its answer does not pass the test, one-sided Jacobi does it, and passes the same test.

mod accept;
mod divide;
mod jacobi;
mod qr;
mod real;
mod scale;
mod triangular;

use faer::{Mat, MatRef};

pub use qr::Qr;
pub use real::Real;
pub(crate) use scale::{exponent, normalise};
pub(crate) use triangular::triangular_factor;

/// Why a matrix was not factorised. It has no name here: who calls puts it in front.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecomposeError {
    /// No row or no column.
    #[error("a {rows}×{cols} matrix has no entry to factorise")]
    Empty {
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
    },
    /// NaN or ±∞ among the entries: the first one, row by row.
    #[error("the entry in row {row}, column {column} (both counted from 0) is not finite")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
    /// The entries are finite, but a singular value or an entry of R is not in their type.
    #[error("a singular value or an entry of R lies above {greatest}: scale the matrix down")]
    Overflow {
        /// The greatest number of the type.
        greatest: &'static str,
    },
    /// Neither faer's answer nor the fallback's passed the test.
    #[error("the singular values of a {rows}×{cols} matrix did not converge: please report this matrix")]
    NoConvergence {
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
    },
}

/// `A = U·diag(σ)·Vᵀ` of an m×n matrix, r = min(m, n).
#[derive(Debug, Clone, PartialEq)]
pub struct Svd<T: Real> {
    /// Left singular vectors, orthonormal columns: m×r, or m×m from [`svd_full`].
    pub u: Mat<T>,
    /// The r singular values, descending, none negative.
    pub sigma: Vec<T>,
    /// Right singular vectors (not transposed), orthonormal columns: n×r, or n×n from [`svd_full`].
    pub v: Mat<T>,
}

/// How many singular vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bases {
    /// r on either side.
    Thin,
    /// m on the left, n on the right.
    Full,
}

impl Bases {
    /// Columns of U and of V for an m×n matrix.
    fn columns(self, m: usize, n: usize) -> (usize, usize) {
        match self {
            Bases::Thin => (m.min(n), m.min(n)),
            Bases::Full => (m, n),
        }
    }
}

/// The thin singular value decomposition of `a` (m×n): U m×r, σ, V n×r, r = min(m, n).
///
/// What comes back has, in the 1-norm and with u the unit roundoff of `T`, `‖A − UΣVᵀ‖ ≤ 50·max(m, n)·u·‖A‖` and
/// `‖I − UᵀU‖ ≤ 50·m·u`, `‖I − VᵀV‖ ≤ 50·n·u`: LAPACK's DDRVBD asks the same of its own. Of the zero matrix σ = 0 and U, V
/// are columns of the identity.
///
/// # Errors
/// [`DecomposeError`].
pub fn svd<T: Real>(a: MatRef<'_, T>) -> Result<Svd<T>, DecomposeError> {
    decompose(a, Bases::Thin, &[divide::svd, jacobi::svd])
}

/// The full singular value decomposition of `a` (m×n): U m×m, σ with min(m, n) values, V n×n. Otherwise as [`svd`].
///
/// # Errors
/// [`DecomposeError`].
pub fn svd_full<T: Real>(a: MatRef<'_, T>) -> Result<Svd<T>, DecomposeError> {
    decompose(a, Bases::Full, &[divide::svd, jacobi::svd])
}

/// The min(m, n) singular values of `a` (m×n), descending. Cheaper than [`svd`]; the last bits may differ.
///
/// # Errors
/// [`DecomposeError`].
pub fn singular_values<T: Real>(a: MatRef<'_, T>) -> Result<Vec<T>, DecomposeError> {
    let (scaled, exponent) = scale::normalised(a)?;
    let Some(exponent) = exponent else {
        return Ok(vec![T::zero(); a.nrows().min(a.ncols())]);
    };
    let mut sigma = normalised_values(&scaled)?;
    scale::back(&mut sigma, exponent)?;
    Ok(sigma)
}

/// `A = QR` of `a` (m×n), thin: Q m×r with orthonormal columns, R r×n with zeros below its diagonal, r = min(m, n).
/// No column is dropped, however dependent. Of the zero matrix R = 0 and Q is columns of the identity.
///
/// # Errors
/// [`DecomposeError`], `NoConvergence` apart.
pub fn qr<T: Real>(a: MatRef<'_, T>) -> Result<Qr<T>, DecomposeError> {
    qr::factor(a, a.nrows().min(a.ncols()))
}

/// `A = QR` of `a` (m×n), full: Q m×m orthogonal, R m×n with zeros below its diagonal. Otherwise as [`qr()`].
///
/// # Errors
/// [`DecomposeError`], `NoConvergence` apart.
pub fn qr_full<T: Real>(a: MatRef<'_, T>) -> Result<Qr<T>, DecomposeError> {
    qr::factor(a, a.nrows())
}

/// Singular values of a finite matrix whose greatest |entry| lies in [1, 2) (see [`normalise`]), descending.
pub(crate) fn normalised_values<T: Real>(a: &Mat<T>) -> Result<Vec<T>, DecomposeError> {
    if let Some(sigma) = divide::singular_values(a).filter(|sigma| accept::keeps_norm(a, sigma)) {
        return Ok(sigma);
    }
    Ok(first_accepted(a, Bases::Thin, &[jacobi::svd])?.sigma)
}

/// The singular value decomposition of a finite matrix whose greatest |entry| lies in [1, 2).
pub(crate) fn normalised_svd<T: Real>(a: &Mat<T>, bases: Bases) -> Result<Svd<T>, DecomposeError> {
    first_accepted(a, bases, &[divide::svd, jacobi::svd])
}

/// A way to decompose a normalised matrix; none where it gives up.
type Method<T> = fn(&Mat<T>, Bases) -> Option<Svd<T>>;

fn decompose<T: Real>(a: MatRef<'_, T>, bases: Bases, methods: &[Method<T>]) -> Result<Svd<T>, DecomposeError> {
    let (m, n) = (a.nrows(), a.ncols());
    let (scaled, exponent) = scale::normalised(a)?;
    let Some(exponent) = exponent else {
        let (left, right) = bases.columns(m, n);
        return Ok(Svd {
            u: Mat::identity(m, left),
            sigma: vec![T::zero(); m.min(n)],
            v: Mat::identity(n, right),
        });
    };
    let mut svd = first_accepted(&scaled, bases, methods)?;
    scale::back(&mut svd.sigma, exponent)?;
    Ok(svd)
}

/// The first method's answer that passes the test.
fn first_accepted<T: Real>(a: &Mat<T>, bases: Bases, methods: &[Method<T>]) -> Result<Svd<T>, DecomposeError> {
    methods
        .iter()
        .filter_map(|method| method(a, bases))
        .find(|svd| accept::is_svd(a, svd))
        .ok_or(DecomposeError::NoConvergence {
            rows: a.nrows(),
            cols: a.ncols(),
        })
}

#[cfg(test)]
mod tests;
