//! Balanced factors of a table that is never held (theory.md, E8; Arora et al. 2018).

use super::{Distribution, TensorRandom};
use crate::model::Config;
use faer::{Mat, Side};
use ndarray::Array2;

/// theory.md, E8: of W = UΣVᵀ, `W1 = UΣ^{1/N}Aᵀ = W·(VΣ^{1/N−1}Aᵀ)`, `Wj = AΣ^{1/N}Aᵀ`, `WN = AΣ^{1/N}Vᵀ`, A (k, r) with
/// orthonormal columns, r = min(n, d, k). Returns what W is multiplied by to give W1, and the other factors.
pub(super) fn balanced(
    config: &Config,
    feature: &str,
    table: &TensorRandom,
    distribution: Distribution,
    num_embeddings: usize,
) -> (Mat<f64>, Vec<Array2<f32>>) {
    let (depth, d) = (config.depth(), config.model.embedding_dim);
    let k = config.model.inner_dim.unwrap_or(d);
    let (sigma, v) = right_singular(
        table,
        distribution,
        num_embeddings,
        d,
        config.initialization.embedding_scale,
    );
    let rank = num_embeddings.min(d).min(k);
    let a = orthonormal_columns(config.seed, &format!("{feature}.balanced"), k, rank);
    let root = |r: usize| sigma[r].powf(1.0 / depth as f64);
    // The scale lies in Σ; the rows that W1 is made of do not have it yet.
    let scale = config.initialization.embedding_scale;
    let inverse = |r: usize| {
        if sigma[r] > 0.0 {
            scale * root(r) / sigma[r]
        } else {
            0.0
        }
    };
    let sum = |f: &dyn Fn(usize) -> f64| (0..rank).map(f).sum::<f64>();
    let projection = Mat::from_fn(d, k, |i, j| sum(&|r| v[(i, r)] * inverse(r) * a[(j, r)]));
    let further = (1..depth).map(|index| {
        let last = index + 1 == depth;
        Array2::from_shape_fn((k, if last { d } else { k }), |(i, j)| {
            let right = |r: usize| if last { v[(j, r)] } else { a[(j, r)] };
            sum(&|r| a[(i, r)] * root(r) * right(r)) as f32
        })
    });
    (projection, further.collect())
}

/// Singular values (scaled) and right singular vectors of the table that the generator describes, from the R of its row
/// blocks: the table itself is never held.
fn right_singular(
    table: &TensorRandom,
    distribution: Distribution,
    num_embeddings: usize,
    d: usize,
    scale: f64,
) -> (Vec<f64>, Mat<f64>) {
    const ROWS: usize = 4096;
    let mut r: Mat<f64> = Mat::zeros(0, d);
    let mut values = vec![0.0; ROWS * d];
    for first in (0..num_embeddings).step_by(ROWS) {
        let rows = first..(first + ROWS).min(num_embeddings);
        let count = rows.len();
        table.fill(rows, distribution, &mut values);
        let above = r.nrows();
        let stacked = Mat::from_fn(above + count, d, |i, j| match i.checked_sub(above) {
            None => r[(i, j)],
            Some(i) => values[i * d + j],
        });
        r = stacked.qr().thin_R().to_owned();
    }
    // RᵀR = VΣ²Vᵀ would square the condition; the eigenvectors of a d×d matrix near the identity's multiple lose nothing,
    // but a table with fewer rows than d is singular, so the decomposition is of R itself.
    let decomposition = r.thin_svd();
    match decomposition {
        Ok(svd) => {
            let sigma = svd.S().column_vector().iter().map(|sigma| scale * sigma).collect();
            (sigma, svd.V().to_owned())
        }
        // The bidiagonal iteration did not converge: the symmetric one, on the same matrix.
        Err(_) => {
            let gram = r.transpose() * &r;
            let eigen = gram.self_adjoint_eigen(Side::Lower);
            let (values, vectors) = match &eigen {
                Ok(eigen) => (
                    eigen.S().column_vector().iter().copied().collect(),
                    eigen.U().to_owned(),
                ),
                Err(_) => (vec![1.0; d], Mat::identity(d, d)),
            };
            let sigma = values
                .iter()
                .rev()
                .map(|value: &f64| scale * value.max(0.0).sqrt())
                .collect();
            (sigma, Mat::from_fn(d, d, |i, j| vectors[(i, d - 1 - j)]))
        }
    }
}

/// k × rank with orthonormal columns: the Q of a normal matrix.
fn orthonormal_columns(seed: u64, name: &str, k: usize, rank: usize) -> Mat<f64> {
    let random = TensorRandom::new(seed, name, rank);
    let mut values = vec![0.0; k * rank];
    random.fill(0..k, Distribution::Normal { std: 1.0 }, &mut values);
    Mat::from_fn(k, rank, |i, j| values[i * rank + j]).qr().compute_thin_Q()
}
