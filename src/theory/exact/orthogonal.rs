//! Orthogonality without roots: a QR factorisation over the rationals, and rational orthogonal matrices.

use super::{integer, inverse, rectangular_identity};
use crate::theory::number::{Matrix, Rational};
use num_traits::Zero;

/// A = Q·R with `QᵀQ` diagonal and positive in place of the identity: dividing column i of Q by the root of the i-th diagonal
/// entry, and multiplying row i of R by it, gives the orthonormal factorisation.
#[derive(Debug, Clone, PartialEq)]
pub struct OrthogonalQr {
    /// Square (m×m); its columns are orthogonal to one another and not zero.
    pub q: Matrix<Rational>,
    /// Upper triangular (m×n), 1 or 0 on the diagonal.
    pub r: Matrix<Rational>,
}

/// Gram–Schmidt without roots. Where a column depends on those before, and where there are fewer columns than rows, Q is
/// completed from unit vectors.
pub fn orthogonal_qr(a: &Matrix<Rational>) -> OrthogonalQr {
    let (m, n) = a.shape();
    let mut q: Vec<Matrix<Rational>> = Vec::with_capacity(m);
    let mut r = Matrix::from_element(m, n, integer(0));
    for j in 0..n {
        let (rest, coefficients) = project_out(&a.columns(j, 1).into_owned(), &q);
        for (i, coefficient) in coefficients.into_iter().enumerate() {
            r[(i, j)] = coefficient;
        }
        // Past the m-th column Q is complete and the rest is zero.
        if q.len() < m {
            if rest.iter().all(Rational::is_zero) {
                q.extend(completion(m, &q));
            } else {
                r[(q.len(), j)] = integer(1);
                q.push(rest);
            }
        }
    }
    while q.len() < m {
        q.extend(completion(m, &q));
    }
    OrthogonalQr {
        q: Matrix::from_fn(m, m, |i, j| q[j][i].clone()),
        r,
    }
}

/// The part of `column` (m×1) that is orthogonal to all of `q`, and the coefficients of the rest.
fn project_out(column: &Matrix<Rational>, q: &[Matrix<Rational>]) -> (Matrix<Rational>, Vec<Rational>) {
    let mut rest = column.clone();
    let mut coefficients = Vec::with_capacity(q.len());
    for direction in q {
        let coefficient = inner(direction, column) / inner(direction, direction);
        rest -= direction * coefficient.clone();
        coefficients.push(coefficient);
    }
    (rest, coefficients)
}

/// A vector orthogonal to all of `q` and not zero: the first unit vector outside their span, projected. There is one as long as
/// there are fewer than m.
fn completion(m: usize, q: &[Matrix<Rational>]) -> Option<Matrix<Rational>> {
    let unit = rectangular_identity(m, m);
    let projected = |i: usize| project_out(&unit.columns(i, 1).into_owned(), q).0;
    (0..m).map(projected).find(|x| x.iter().any(|entry| !entry.is_zero()))
}

fn inner(x: &Matrix<Rational>, y: &Matrix<Rational>) -> Rational {
    x.iter().zip(y.iter()).fold(integer(0), |sum, (x, y)| sum + x * y)
}

/// The rational orthogonal matrix `(I − S)(I + S)⁻¹` of a skew matrix, S being `lower` below its diagonal, column by column, and
/// minus that above: `size·(size − 1)/2` numbers, zeros where there are fewer. All zeros give the identity.
pub fn cayley(size: usize, lower: &[Rational]) -> Matrix<Rational> {
    let mut lower = lower.iter().cloned();
    let mut skew = Matrix::from_element(size, size, integer(0));
    for j in 0..size {
        for i in j + 1..size {
            let x = lower.next().unwrap_or_else(|| integer(0));
            skew[(j, i)] = -x.clone();
            skew[(i, j)] = x;
        }
    }
    let identity = rectangular_identity(size, size);
    // I + S is never singular: the eigenvalues of S are imaginary.
    let inverse = inverse(&(&identity + &skew)).unwrap_or_else(|| identity.clone());
    (identity - skew) * inverse
}

/// Whether `QᵀQ = I` exactly.
pub fn is_orthogonal(q: &Matrix<Rational>) -> bool {
    q.transpose() * q == rectangular_identity(q.ncols(), q.ncols())
}

#[cfg(test)]
mod tests {
    use super::super::strategies::{SIZES, orthogonals, tables};
    use super::*;
    use num_traits::Signed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn qr(a in tables()) {
            let OrthogonalQr { q, r } = orthogonal_qr(&a);
            prop_assert_eq!(&q * &r, a);
            let gram = q.transpose() * &q;
            for (i, j) in (0..gram.nrows()).flat_map(|i| (0..gram.ncols()).map(move |j| (i, j))) {
                let right = if i == j { gram[(i, j)].is_positive() } else { gram[(i, j)].is_zero() };
                prop_assert!(right, "entry ({}, {}) of QᵀQ", i, j);
            }
            for (i, j) in (0..r.nrows()).flat_map(|i| (0..r.ncols().min(i)).map(move |j| (i, j))) {
                prop_assert!(r[(i, j)].is_zero());
            }
        }

        #[test]
        fn cayleys_transform_is_orthogonal((n, u) in SIZES.prop_flat_map(|n| (Just(n), orthogonals(n)))) {
            prop_assert_eq!(u.shape(), (n, n));
            prop_assert!(is_orthogonal(&u) && is_orthogonal(&u.transpose()));
        }
    }
}
