//! Initial values from a counter-based generator: a number depends on (seed, tensor, row, column) alone, so it is the same
//! for every backend, shard layout and number of threads.

mod balanced;

use crate::model::architecture::factor_name;
use crate::model::config::{Config, Scheme};
use crate::spectrum::decompose::DecomposeError;
use balanced::balanced;
use faer::Mat;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::ops::Range;

/// The random numbers of one tensor: element (row, column) has its own place in a ChaCha8 stream of its own.
#[derive(Debug, Clone)]
pub struct TensorRandom {
    generator: ChaCha8Rng,
    cols: usize,
}

/// How a tensor's elements are distributed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// U(−bound, bound).
    Uniform {
        /// The bound
        bound: f64,
    },
    /// N(0, std²).
    Normal {
        /// The standard deviation
        std: f64,
    },
}

/// 32-bit words of the stream that an element takes: two u64 (a normal needs both, a uniform one the first).
const WORDS: u128 = 4;

impl TensorRandom {
    /// The stream of the tensor `name` with rows of `cols` elements.
    pub fn new(seed: u64, name: &str, cols: usize) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(xxhash_rust::xxh3::xxh3_64(name.as_bytes()));
        Self { generator, cols }
    }

    /// Writes the rows `rows`, densely, into `out`.
    pub fn fill(&self, rows: Range<usize>, distribution: Distribution, out: &mut [f64]) {
        let mut generator = self.generator.clone();
        generator.set_word_pos((rows.start * self.cols) as u128 * WORDS);
        for value in &mut out[..rows.len() * self.cols] {
            let (u, v) = (unit(generator.next_u64()), unit(generator.next_u64()));
            *value = match distribution {
                Distribution::Uniform { bound } => bound * (2.0 * u - 1.0),
                // Box and Muller 1958; 1 − u is never 0. libm: the same bits on every machine.
                Distribution::Normal { std } => {
                    let radius = libm::sqrt(-2.0 * libm::log(1.0 - u));
                    std * radius * libm::cos(2.0 * std::f64::consts::PI * v)
                }
            };
        }
    }

    /// A whole tensor of `rows` rows, as f32.
    pub fn matrix(&self, rows: usize, distribution: Distribution) -> Array2<f32> {
        let mut values = vec![0.0; rows * self.cols];
        self.fill(0..rows, distribution, &mut values);
        Array2::from_shape_fn((rows, self.cols), |(row, col)| values[row * self.cols + col] as f32)
    }
}

/// [0, 1) in steps of 2⁻⁵³.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Initial weight (out, in) of an MLP layer: N(0, 2/(in + out)), as DLRM starts it.
pub fn mlp_weight(seed: u64, name: &str, shape: [usize; 2]) -> Array2<f32> {
    let std = (2.0 / (shape[0] + shape[1]) as f64).sqrt();
    TensorRandom::new(seed, name, shape[1]).matrix(shape[0], Distribution::Normal { std })
}

/// Initial bias (out) of an MLP layer: N(0, 1/out), as DLRM starts it.
pub fn mlp_bias(seed: u64, name: &str, outputs: usize) -> Array2<f32> {
    let std = (1.0 / outputs as f64).sqrt();
    TensorRandom::new(seed, name, outputs).matrix(1, Distribution::Normal { std })
}

/// How one feature's factors start: the first one row by row, since it may be large, the others whole.
pub struct TableInitial {
    random: TensorRandom,
    distribution: Distribution,
    scale: f64,
    /// For balanced factors: what the end-to-end row is multiplied by, (d, k).
    projection: Option<Mat<f64>>,
    /// Factors 2…N.
    pub further: Vec<Array2<f32>>,
}

impl TableInitial {
    /// The initial factors of a table with `num_embeddings` rows.
    ///
    /// # Errors
    /// [`DecomposeError`] where balanced factors are asked for of a table without rows or columns.
    pub fn new(config: &Config, feature: &str, num_embeddings: usize) -> Result<Self, DecomposeError> {
        let d = config.model.embedding_dim;
        let inner = config.model.inner_dim.unwrap_or(d);
        let depth = config.depth();
        let (std, scale) = (config.initialization.std, config.initialization.embedding_scale);
        let bound = (1.0 / num_embeddings as f64).sqrt();
        let first_width = if depth == 1 { d } else { inner };
        let random = |index: usize, cols| TensorRandom::new(config.seed, &factor_name(feature, index), cols);
        if config.initialization.scheme == Scheme::Balanced && depth > 1 {
            let random = random(0, d);
            let distribution = Distribution::Uniform { bound };
            let (projection, further) = balanced(config, feature, &random, distribution, num_embeddings)?;
            let projection = Some(projection);
            return Ok(Self {
                random,
                distribution,
                scale: 1.0,
                projection,
                further,
            });
        }
        // A single layer is a DLRM table whatever the scheme says of factors, unless the text is read literally.
        let distribution = match config.initialization.scheme {
            Scheme::Gaussian => Distribution::Normal { std },
            Scheme::Paper | Scheme::Balanced => Distribution::Uniform { bound },
        };
        let further = (1..depth).map(|index| {
            let cols = if index + 1 == depth { d } else { inner };
            random(index, cols).matrix(inner, Distribution::Normal { std })
        });
        Ok(Self {
            further: further.collect(),
            random: random(0, first_width),
            distribution,
            scale,
            projection: None,
        })
    }

    /// Writes rows of the first factor, densely, into `out`.
    pub fn first_rows(&self, rows: Range<usize>, out: &mut [f32]) {
        let width = self.random.cols;
        let mut values = vec![0.0; rows.len() * width];
        self.random.fill(rows.clone(), self.distribution, &mut values);
        match &self.projection {
            None => {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = (self.scale * value) as f32;
                }
            }
            Some(projection) => {
                let k = projection.ncols();
                for (out, row) in out.chunks_exact_mut(k).zip(values.chunks_exact(width)) {
                    for (j, out) in out.iter_mut().enumerate() {
                        let column = projection.col_as_slice(j);
                        *out = row.iter().zip(column).map(|(a, b)| a * b).sum::<f64>() as f32;
                    }
                }
            }
        }
    }

    /// Width of the first factor.
    pub fn first_width(&self) -> usize {
        self.projection.as_ref().map_or(self.random.cols, Mat::ncols)
    }
}

/// A feature's initial factors, in the order of the product.
///
/// # Errors
/// As [`TableInitial::new`].
pub fn initial_factors(
    config: &Config,
    feature: &str,
    num_embeddings: usize,
) -> Result<Vec<Array2<f32>>, DecomposeError> {
    let initial = TableInitial::new(config, feature, num_embeddings)?;
    let mut first = Array2::zeros((num_embeddings, initial.first_width()));
    if let Some(values) = first.as_slice_mut() {
        initial.first_rows(0..num_embeddings, values);
    }
    Ok(std::iter::once(first).chain(initial.further).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(scheme: Scheme, inner: Option<usize>, depth: Option<usize>) -> Config {
        let mut config = Config::default();
        config.model.embedding_dim = 4;
        config.model.inner_dim = inner;
        config.model.depth = depth;
        config.initialization.scheme = scheme;
        config
    }

    #[test]
    fn a_row_does_not_depend_on_where_the_reading_starts() {
        for scheme in [Scheme::Paper, Scheme::Gaussian, Scheme::Balanced] {
            let initial = TableInitial::new(&config(scheme, Some(6), None), "C1", 50).unwrap();
            let (mut all, mut part) = (vec![0.0; 50 * 6], vec![0.0; 3 * 6]);
            initial.first_rows(0..50, &mut all);
            initial.first_rows(20..23, &mut part);
            assert_eq!(all[20 * 6..23 * 6], part[..]);
        }
    }

    #[test]
    fn the_paper_starts_the_first_factor_as_a_table() {
        let factors = initial_factors(&config(Scheme::Paper, Some(8), None), "C1", 100).unwrap();
        assert_eq!(factors[0].dim(), (100, 8));
        assert_eq!(factors[1].dim(), (8, 4));
        let largest = factors[0].iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!((0.099..=0.1).contains(&largest), "{largest}");
    }

    /// 4000 normals: the mean lies within 4.5 standard errors, the variance within 4.5·√(2/n) of itself.
    #[test]
    fn normals_have_their_moments() {
        let values = TensorRandom::new(1, "x", 40).matrix(100, Distribution::Normal { std: 0.25 });
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 4.5 * 0.25 / n.sqrt(), "{mean}");
        assert!((variance / 0.0625 - 1.0).abs() < 4.5 * (2.0 / n).sqrt(), "{variance}");
    }

    /// The factors are stored in f32: each entry of WⱼᵀWⱼ sums at most n products, so n·ε₃₂·max|·|² bounds the gap.
    #[test]
    fn balanced_factors_are_balanced_and_multiply_to_the_table() {
        for (n, inner, depth) in [(50, 6, 2), (50, 6, 3), (3, 6, 2), (50, 2, 2)] {
            let factors = initial_factors(&config(Scheme::Balanced, Some(inner), Some(depth)), "C1", n).unwrap();
            let wide: Vec<Array2<f64>> = factors.iter().map(|f| f.mapv(f64::from)).collect();
            for pair in wide.windows(2) {
                let (left, right) = (pair[0].t().dot(&pair[0]), pair[1].dot(&pair[1].t()));
                let bound = n.max(inner) as f64 * f64::from(f32::EPSILON);
                let largest = left.iter().chain(&right).fold(0f64, |m, v| m.max(v.abs()));
                let gap = (&left - &right).iter().fold(0f64, |m, v| m.max(v.abs()));
                assert!(
                    gap <= bound * largest,
                    "n {n}, k {inner}, N {depth}: gap {gap}, largest {largest}"
                );
            }
            if inner >= 4 {
                let mut single = config(Scheme::Paper, None, None);
                single.seed = 0;
                let table = initial_factors(&single, "C1", n).unwrap()[0].mapv(f64::from);
                let product = wide[1..]
                    .iter()
                    .fold(wide[0].clone(), |product, factor| product.dot(factor));
                let gap = (&product - &table).iter().fold(0f64, |m, v| m.max(v.abs()));
                assert!(gap <= 16.0 * f64::from(f32::EPSILON), "n {n}, N {depth}: {gap}");
            }
        }
    }
}
