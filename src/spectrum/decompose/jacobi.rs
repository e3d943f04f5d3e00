//! One-sided Jacobi (Hestenes 1958): slower than faer, and it always gets there.

use faer::Mat;

use super::{Bases, Real, Svd, qr};

/// Twice what the worst matrices are known to need.
const SWEEPS: usize = 60;

/// The decomposition of a normalised matrix; not tested. Rotates pairs of columns of A until all are orthogonal: A·V = U·Σ.
pub(super) fn svd<T: Real>(a: &Mat<T>, bases: Bases) -> Option<Svd<T>> {
    if a.ncols() > a.nrows() {
        let Svd { u, sigma, v } = svd(&a.transpose().to_owned(), bases)?;
        return Some(Svd { u: v, sigma, v: u });
    }
    let (m, n) = (a.nrows(), a.ncols());
    let mut columns: Vec<Vec<T>> = (0..n).map(|j| a.col(j).iter().copied().collect()).collect();
    let mut right: Vec<Vec<T>> = (0..n)
        .map(|j| (0..n).map(|i| if i == j { T::one() } else { T::zero() }).collect())
        .collect();
    for _ in 0..SWEEPS {
        if !sweep(&mut columns, &mut right) {
            break;
        }
    }
    let norms: Vec<T> = columns.iter().map(|x| dot(x, x).sqrt()).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| norms[j].partial_cmp(&norms[i]).unwrap_or(std::cmp::Ordering::Equal));
    let sigma: Vec<T> = order.iter().map(|&j| norms[j]).collect();
    let v = Mat::from_fn(n, n, |i, j| right[order[j]][i]);
    let rank = sigma.iter().take_while(|&&x| x > T::zero()).count();
    let known = Mat::from_fn(m, rank, |i, j| columns[order[j]][i] / sigma[j]);
    let u = qr::complete(known, bases.columns(m, n).0);
    Some(Svd { u, sigma, v })
}

fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    x.iter().zip(y).fold(T::zero(), |sum, (&x, &y)| sum + x * y)
}

fn rotate<T: Real>(c: T, s: T, x: &mut [T], y: &mut [T]) {
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// Goes once over all pairs, with the test of convergence of Drmač & Veselić (2008); whether any was rotated.
fn sweep<T: Real>(columns: &mut [Vec<T>], right: &mut [Vec<T>]) -> bool {
    let eps = T::epsilon();
    // Squares of smaller columns lose their digits. The greatest column has a norm of at least 1, so that setting these to
    // zero is far below its rounding.
    let negligible = T::min_positive_value() / (eps * eps);
    let mut rotated = false;
    for q in 1..columns.len() {
        for p in 0..q {
            let (before, after) = columns.split_at_mut(q);
            let (x, y) = (&mut before[p], &mut after[0]);
            let (alpha, beta, gamma) = (dot(x, x), dot(y, y), dot(x, y));
            if alpha < negligible || beta < negligible {
                let small = if alpha < beta { x } else { y };
                small.fill(T::zero());
                continue;
            }
            let m = x.len() as f64;
            if gamma.abs() <= eps * T::from_f64_impl(m.sqrt()) * alpha.sqrt() * beta.sqrt() {
                continue;
            }
            rotated = true;
            let zeta = (beta - alpha) / (gamma + gamma);
            let t = zeta.signum() / (zeta.abs() + zeta.hypot(T::one()));
            let c = t.hypot(T::one()).recip();
            rotate(c, c * t, x, y);
            let (before, after) = right.split_at_mut(q);
            rotate(c, c * t, &mut before[p], &mut after[0]);
        }
    }
    rotated
}
