//! Whether an answer is right. Matrices are normalised, so nothing here overflows.

use faer::{Mat, MatRef};

use super::{Real, Svd};

/// The scaled residual that LAPACK's DDRVBD lets pass (`dsvdchk`'s THRESH in its input file `svd.in`).
const THRESHOLD: f64 = 50.0;

/// Whether `‖σ‖₂` is `‖a‖_F` up to rounding: `√(mn)·ε` for the sum, 64 for the decomposition.
pub(super) fn keeps_norm<T: Real>(a: &Mat<T>, sigma: &[T]) -> bool {
    let norm = |squares: f64| squares.sqrt();
    let wide = |x: &T| -> f64 { (*x).into() };
    let got = norm(sigma.iter().map(|x| wide(x).powi(2)).sum());
    let expected = norm(a.col_iter().flat_map(|c| c.iter()).map(|x| wide(x).powi(2)).sum());
    let rtol = 64.0 * ((a.nrows() * a.ncols()) as f64).sqrt() * 2.0 * T::UNIT_ROUNDOFF;
    (got - expected).abs() <= rtol * expected // not a negated >, or NaN would pass
}

/// Whether `a = UΣVᵀ` with orthonormal U and V and σ descending from above zero, by DDRVBD's scaled residuals.
pub(super) fn is_svd<T: Real>(a: &Mat<T>, svd: &Svd<T>) -> bool {
    let ordered = svd.sigma.windows(2).all(|pair| pair[0] >= pair[1]);
    let positive = svd.sigma.iter().all(|&x| x >= T::zero());
    ordered && positive && residual(a, svd) <= THRESHOLD && skew(&svd.u) <= THRESHOLD && skew(&svd.v) <= THRESHOLD
}

/// `‖A − UΣVᵀ‖₁ / (max(m, n)·u·‖A‖₁)`.
fn residual<T: Real>(a: &Mat<T>, svd: &Svd<T>) -> f64 {
    let r = svd.sigma.len();
    let scaled = Mat::from_fn(a.nrows(), r, |i, j| svd.u[(i, j)] * svd.sigma[j]);
    let difference = a - scaled * svd.v.get(.., ..r).transpose();
    norm_1(difference.as_ref()) / (a.nrows().max(a.ncols()) as f64 * T::UNIT_ROUNDOFF * norm_1(a.as_ref()))
}

/// `‖I − QᵀQ‖₁ / (m·u)` of Q with m rows.
fn skew<T: Real>(q: &Mat<T>) -> f64 {
    let difference = Mat::<T>::identity(q.ncols(), q.ncols()) - q.transpose() * q;
    norm_1(difference.as_ref()) / (q.nrows() as f64 * T::UNIT_ROUNDOFF)
}

/// The greatest sum of a column's |entries|; ∞ where any is not finite.
fn norm_1<T: Real>(a: MatRef<'_, T>) -> f64 {
    let sums = a.col_iter().map(|c| c.iter().map(|x| x.abs().into()).sum::<f64>());
    // f64::max would pass over a NaN.
    sums.fold(0.0, |m, s| if s.is_finite() { m.max(s) } else { f64::INFINITY })
}

#[cfg(test)]
mod tests {
    use super::super::{Bases, jacobi};
    use super::*;

    #[test]
    fn a_wrong_answer_is_not_taken() {
        let a = Mat::from_fn(3, 2, |i, j| 0.25 * (i + j) as f64 - 0.1);
        let right = jacobi::svd(&a, Bases::Full).unwrap();
        assert!(keeps_norm(&a, &right.sigma) && is_svd(&a, &right));
        assert!(!keeps_norm(
            &a,
            &[right.sigma[0], right.sigma[1] + 1e-4 * right.sigma[0]]
        ));
        assert!(!keeps_norm(&a, &[f64::NAN, 0.0]));
        type Spoil = fn(&mut Svd<f64>);
        let wrong: [(&str, Spoil); 9] = [
            ("a small σ", |s| s.sigma[1] += 1e-12),
            ("a large σ", |s| s.sigma[0] *= 1.0 + 1e-12),
            ("the order", |s| s.sigma.swap(0, 1)),
            ("a sign", |s| s.sigma[1] = -s.sigma[1]),
            ("a vector's sign", |s| s.v[(0, 1)] = -s.v[(0, 1)]),
            ("a vector left out of A", |s| s.u[(0, 2)] += 1e-12),
            ("a NaN in σ", |s| s.sigma[1] = f64::NAN),
            ("a NaN in U", |s| s.u[(2, 2)] = f64::NAN),
            ("a NaN in V", |s| s.v[(0, 0)] = f64::NAN),
        ];
        for (what, spoil) in wrong {
            let mut svd = right.clone();
            spoil(&mut svd);
            assert!(!is_svd(&a, &svd), "{what}");
        }
    }
}
