//! Singular values of a small dense matrix, guarded.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::{Auto, Mat, Par, Spec};

/// Above this many rows or columns faer may use all threads; below, one, so that many small tables run side by side.
const PARALLEL_FROM: usize = 768;

/// The power of two next below the greatest |entry|, or none where all entries are zero.
pub(crate) fn exponent(largest: f64) -> Option<i32> {
    (largest > 0.0).then(|| libm::ilogb(largest))
}

/// Scales `a` by a power of two so that its greatest |entry| lies in [1, 2); gives the exponent taken out, or none where `a`
/// is zero. Entries must be finite. Exact but for entries 2¹⁰²² times smaller than the greatest.
pub(crate) fn normalise(a: &mut Mat<f64>) -> Option<i32> {
    let mut largest = 0.0f64;
    for column in a.col_iter() {
        largest = column.iter().fold(largest, |m, x| m.max(x.abs()));
    }
    let e = exponent(largest)?;
    for column in a.col_iter_mut() {
        // ldexp and not a product: 2^−e itself can overflow.
        column.iter_mut().for_each(|x| *x = libm::ldexp(*x, -e));
    }
    Some(e)
}

/// Singular values of `a`, whose greatest |entry| must lie in [1, 2) (see [`normalise`]), descending; none where neither
/// method converged.
///
/// faer's divide and conquer first. Its answer is taken only if it is finite and keeps the Frobenius norm; otherwise
/// one-sided Jacobi, which is slower and always gets there.
pub(crate) fn singular_values(a: &Mat<f64>) -> Option<Vec<f64>> {
    by_faer(a).filter(|sigma| keeps_norm(a, sigma)).or_else(|| by_jacobi(a))
}

fn by_faer(a: &Mat<f64>) -> Option<Vec<f64>> {
    let (m, n) = (a.nrows(), a.ncols());
    let par = if m.min(n) >= PARALLEL_FROM {
        Par::rayon(0)
    } else {
        Par::Seq
    };
    let mut params: SvdParams = <SvdParams as Auto<f64>>::auto();
    // Its own reduction of tall matrices drops nearly dependent columns (see `qr`): never take it.
    params.qr_ratio_threshold = f64::INFINITY;
    let params = Spec::new(params);
    let mut s = Diag::<f64>::zeros(m.min(n));
    let no = ComputeSvdVectors::No;
    let mut memory = MemBuffer::new(svd_scratch::<f64>(m, n, no, no, par, params));
    svd(
        a.as_ref(),
        s.as_mut(),
        None,
        None,
        par,
        MemStack::new(&mut memory),
        params,
    )
    .ok()?;
    let mut sigma: Vec<f64> = s.column_vector().iter().map(|x| x.abs()).collect();
    sigma.sort_by(|a, b| b.total_cmp(a));
    Some(sigma)
}

/// Whether `‖σ‖₂` is `‖a‖_F` up to rounding: `√(mn)·ε` for the sum, 64 for the decomposition.
fn keeps_norm(a: &Mat<f64>, sigma: &[f64]) -> bool {
    let norm = sigma.iter().map(|x| x * x).sum::<f64>().sqrt();
    let expected = a.norm_l2();
    let rtol = 64.0 * ((a.nrows() * a.ncols()) as f64).sqrt() * f64::EPSILON;
    (norm - expected).abs() <= rtol * expected // not a negated >, or NaN would pass
}

/// One-sided Jacobi: rotates pairs of columns until all are orthogonal; their norms are the singular values.
/// (Hestenes 1958; convergence test of Drmač & Veselić 2008.)
pub(crate) fn by_jacobi(a: &Mat<f64>) -> Option<Vec<f64>> {
    const SWEEPS: usize = 60;
    let wide = a.ncols() > a.nrows();
    let (m, n) = if wide {
        (a.ncols(), a.nrows())
    } else {
        (a.nrows(), a.ncols())
    };
    let mut columns: Vec<Vec<f64>> = (0..n)
        .map(|j| (0..m).map(|i| if wide { a[(j, i)] } else { a[(i, j)] }).collect())
        .collect();
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for q in 1..n {
            let (before, after) = columns.split_at_mut(q);
            let y = &mut after[0];
            for x in before.iter_mut() {
                let (alpha, beta, gamma) = (dot(x, x), dot(y, y), dot(x, y));
                if gamma.abs() <= f64::EPSILON * (m as f64).sqrt() * alpha.sqrt() * beta.sqrt() {
                    continue;
                }
                rotated = true;
                let zeta = (beta - alpha) / (2.0 * gamma);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let c = t.hypot(1.0).recip();
                let s = c * t;
                for (x, y) in x.iter_mut().zip(y.iter_mut()) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
        if !rotated {
            let mut sigma: Vec<f64> = columns.iter().map(|x| dot(x, x).sqrt()).collect();
            sigma.sort_by(|a, b| b.total_cmp(a));
            return Some(sigma);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jacobi_agrees_with_faer() {
        for (m, n) in [(1, 1), (1, 7), (7, 1), (9, 9), (40, 17), (17, 40)] {
            let a = Mat::from_fn(m, n, |i, j| ((i * 37 + j * 101 + i * j * 13) % 97) as f64 / 97.0 - 0.4);
            let (x, y) = (by_faer(&a).unwrap(), by_jacobi(&a).unwrap());
            let atol = 50.0 * m.max(n) as f64 * f64::EPSILON * x[0];
            assert_eq!(x.len(), y.len());
            for (i, (x, y)) in x.iter().zip(&y).enumerate() {
                assert!((x - y).abs() <= atol, "{m}×{n}: σ[{i}] {x} and {y}");
            }
        }
    }

    #[test]
    fn a_wrong_answer_is_not_taken() {
        let a = Mat::from_fn(3, 2, |i, j| (i + j) as f64);
        let right = by_jacobi(&a).unwrap();
        assert!(keeps_norm(&a, &right));
        assert!(!keeps_norm(&a, &[right[0], right[1] * 1.01]));
        assert!(!keeps_norm(&a, &[f64::NAN, 0.0]));
    }
}
