//! Balanced factors of a table that is never held (theory.md, E8; Arora et al. 2018).

use super::{Distribution, TensorRandom};
use crate::model::Config;
use crate::spectrum::decompose::{self, DecomposeError};
use faer::Mat;
use ndarray::Array2;

/// theory.md, E8: of W = UΣVᵀ, `W1 = UΣ^{1/N}Aᵀ = W·(VΣ^{1/N−1}Aᵀ)`, `Wj = AΣ^{1/N}Aᵀ`, `WN = AΣ^{1/N}Vᵀ`, A (k, r) with
/// orthonormal columns, r = min(n, d, k). Returns what W is multiplied by to give W1, and the other factors.
pub(super) fn balanced(
    config: &Config,
    feature: &str,
    table: &TensorRandom,
    distribution: Distribution,
    num_embeddings: usize,
) -> Result<(Mat<f64>, Vec<Array2<f32>>), DecomposeError> {
    let (depth, d) = (config.depth(), config.model.embedding_dim);
    let k = config.model.inner_dim.unwrap_or(d);
    let (sigma, v) = right_singular(
        table,
        distribution,
        num_embeddings,
        d,
        config.initialization.embedding_scale,
    )?;
    let rank = num_embeddings.min(d).min(k);
    let a = orthonormal_columns(config.seed, &format!("{feature}.balanced"), k, rank)?;
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
    Ok((projection, further.collect()))
}

/// Singular values (scaled) and right singular vectors of the table that the generator describes, from the R of its row
/// blocks: the table itself is never held. (RᵀR = VΣ²Vᵀ would square the condition.)
fn right_singular(
    table: &TensorRandom,
    distribution: Distribution,
    num_embeddings: usize,
    d: usize,
    scale: f64,
) -> Result<(Vec<f64>, Mat<f64>), DecomposeError> {
    let r = decompose::triangular_factor(num_embeddings, d, |rows, mut out| {
        let mut values = vec![0.0; rows.len() * d];
        table.fill(rows, distribution, &mut values);
        for (i, row) in values.chunks_exact(d).enumerate() {
            row.iter().enumerate().for_each(|(j, &value)| out[(i, j)] = value);
        }
    });
    let svd = decompose::svd(r.as_ref())?;
    Ok((svd.sigma.iter().map(|sigma| scale * sigma).collect(), svd.v))
}

/// k × rank with orthonormal columns: the Q of a normal matrix.
fn orthonormal_columns(seed: u64, name: &str, k: usize, rank: usize) -> Result<Mat<f64>, DecomposeError> {
    let random = TensorRandom::new(seed, name, rank);
    let mut values = vec![0.0; k * rank];
    random.fill(0..k, Distribution::Normal { std: 1.0 }, &mut values);
    let normal = Mat::from_fn(k, rank, |i, j| values[i * rank + j]);
    Ok(decompose::qr(normal.as_ref())?.q)
}
