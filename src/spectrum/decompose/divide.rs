//! faer's divide and conquer.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd as faer_svd, svd_scratch};
use faer::{Auto, Mat, MatMut, Par, Spec};

use super::{Bases, Real, Svd};

/// Singular values of a normalised matrix as faer has them, made non-negative and descending; not tested.
pub(super) fn singular_values<T: Real>(a: &Mat<T>) -> Option<Vec<T>> {
    let mut sigma: Vec<T> = run(a, ComputeSvdVectors::No, None, None)?;
    sigma.iter_mut().for_each(|x| *x = x.abs());
    sigma.sort_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
    Some(sigma)
}

/// The decomposition of a normalised matrix as faer has it; not tested.
pub(super) fn svd<T: Real>(a: &Mat<T>, bases: Bases) -> Option<Svd<T>> {
    let (m, n) = (a.nrows(), a.ncols());
    let (left, right) = bases.columns(m, n);
    let (mut u, mut v) = (Mat::zeros(m, left), Mat::zeros(n, right));
    let vectors = match bases {
        Bases::Thin => ComputeSvdVectors::Thin,
        Bases::Full => ComputeSvdVectors::Full,
    };
    let sigma = run(a, vectors, Some(u.as_mut()), Some(v.as_mut()))?;
    Some(Svd { u, sigma, v })
}

fn run<T: Real>(
    a: &Mat<T>,
    vectors: ComputeSvdVectors,
    u: Option<MatMut<'_, T>>,
    v: Option<MatMut<'_, T>>,
) -> Option<Vec<T>> {
    let (m, n) = (a.nrows(), a.ncols());
    let mut params: SvdParams = <SvdParams as Auto<T>>::auto();
    // Its own reduction of tall matrices drops nearly dependent columns (see `triangular`): never take it.
    params.qr_ratio_threshold = f64::INFINITY;
    let params = Spec::new(params);
    let mut s = Diag::<T>::zeros(m.min(n));
    // One thread: how faer cuts its work follows the number of threads, and the last bits follow the cuts.
    let mut memory = MemBuffer::new(svd_scratch::<T>(m, n, vectors, vectors, Par::Seq, params));
    let stack = MemStack::new(&mut memory);
    faer_svd(a.as_ref(), s.as_mut(), u, v, Par::Seq, stack, params).ok()?;
    Some(s.column_vector().iter().copied().collect())
}
