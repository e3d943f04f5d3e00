//! The teacher: a DLRM whose tables have a chosen rank and spectrum.
//!
//! Parameters are drawn and scaled in f64, rounded to f32 once, and used in f64 from then on: the teacher that is stored is
//! exactly the one that gave the labels.

use super::config::{PlantedConfig, PlantedError};
use super::random::{Purpose, Stream, Zipf};

/// Examples that the scale of the logit is measured on. They are not rows of the data set.
const PILOT_EXAMPLES: usize = 8192;

/// A dense layer: y = W·x + b.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// (out, in), row-major.
    pub weight: Vec<f32>,
    /// (out).
    pub bias: Vec<f32>,
}

/// A table of the teacher.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// (n, d), row-major.
    pub weight: Vec<f32>,
    /// The planted ones: `rank` of them, descending.
    pub singular_values: Vec<f64>,
}

/// A DLRM with dot interaction, in plain f64 arithmetic.
#[derive(Debug, Clone, PartialEq)]
pub struct Teacher {
    /// d.
    pub embedding_dim: usize,
    /// One a categorical feature.
    pub tables: Vec<Table>,
    /// ReLU after each.
    pub bottom_mlp: Vec<Layer>,
    /// ReLU after each but the last.
    pub top_mlp: Vec<Layer>,
}

/// The features of the rows, one after another.
#[derive(Debug, Clone)]
pub struct Examples {
    dense: Stream,
    categories: Vec<Stream>,
}

impl Examples {
    /// From the first on, with streams of these two purposes, for so many categorical features.
    pub fn new(seed: u64, dense: Purpose, category: Purpose, features: usize) -> Self {
        let categories = (0..features)
            .map(|feature| Stream::new(seed, category, feature))
            .collect();
        Self {
            dense: Stream::new(seed, dense, 0),
            categories,
        }
    }

    /// Overwrites `dense` (M) and `rows` (one table row a feature) with the next example, its categories from `zipf`.
    pub fn next(&mut self, zipf: &[Zipf], dense: &mut [f32], rows: &mut [usize]) {
        dense.iter_mut().for_each(|value| *value = self.dense.normal() as f32);
        for ((row, zipf), stream) in rows.iter_mut().zip(zipf).zip(&mut self.categories) {
            *row = zipf.sample(stream);
        }
    }
}

impl Teacher {
    /// Draws the teacher of checked settings, and scales it on examples of its own so that the logit has the chosen standard
    /// deviation and the probability the chosen mean.
    ///
    /// # Errors
    /// [`PlantedError::ConstantTeacher`] if there is no logit to scale.
    pub fn draw(config: &PlantedConfig, zipf: &[Zipf]) -> Result<Self, PlantedError> {
        let d = config.embedding_dim;
        let vectors = config.tables.len() + 1;
        let mut bottom = Stream::new(config.seed, Purpose::BottomMlp, 0);
        let mut top = Stream::new(config.seed, Purpose::TopMlp, 0);
        let widths = |first: usize, hidden: &[usize], last: usize| [&[first][..], hidden, &[last]].concat();
        let mut teacher = Self {
            embedding_dim: d,
            tables: (0..config.tables.len()).map(|at| draw_table(config, at)).collect(),
            bottom_mlp: draw_mlp(&widths(config.num_dense_features, &config.bottom_mlp, d), &mut bottom),
            top_mlp: draw_mlp(&widths(d + vectors * (vectors - 1) / 2, &config.top_mlp, 1), &mut top),
        };
        teacher.scale(config, zipf)?;
        Ok(teacher)
    }

    /// What goes into the top MLP: the bottom MLP's output, then ⟨vᵢ, vⱼ⟩ for i > j, row-major, v₀ the bottom's output.
    fn interaction(&self, dense: &[f32], rows: &[usize]) -> Vec<f64> {
        let d = self.embedding_dim;
        let mut bottom: Vec<f64> = dense.iter().map(|&value| f64::from(value)).collect();
        for layer in &self.bottom_mlp {
            bottom = layer.apply(&bottom).into_iter().map(|value| value.max(0.0)).collect();
        }
        let mut vectors = bottom.clone();
        for (table, &row) in self.tables.iter().zip(rows) {
            vectors.extend(table.weight[row * d..][..d].iter().map(|&value| f64::from(value)));
        }
        let mut out = bottom;
        for i in 1..=rows.len() {
            for j in 0..i {
                out.push(
                    vectors[i * d..][..d]
                        .iter()
                        .zip(&vectors[j * d..][..d])
                        .map(|(a, b)| a * b)
                        .sum(),
                );
            }
        }
        out
    }

    fn top(&self, interaction: Vec<f64>) -> f64 {
        let mut values = interaction;
        for (at, layer) in self.top_mlp.iter().enumerate() {
            values = layer.apply(&values);
            if at + 1 < self.top_mlp.len() {
                values.iter_mut().for_each(|value| *value = value.max(0.0));
            }
        }
        values[0]
    }

    /// The logit of one example: M dense values and one table row a feature.
    pub fn logit(&self, dense: &[f32], rows: &[usize]) -> f64 {
        self.top(self.interaction(dense, rows))
    }

    fn scale(&mut self, config: &PlantedConfig, zipf: &[Zipf]) -> Result<(), PlantedError> {
        let mut examples = Examples::new(config.seed, Purpose::PilotDense, Purpose::PilotCategory, zipf.len());
        let (mut dense, mut rows) = (vec![0.0; config.num_dense_features], vec![0; config.tables.len()]);
        let pilot: Vec<Vec<f64>> = (0..PILOT_EXAMPLES)
            .map(|_| {
                examples.next(zipf, &mut dense, &mut rows);
                self.interaction(&dense, &rows)
            })
            .collect();
        // Every input of the top MLP counts alike, whatever its size: else the bottom MLP drowns the interactions.
        let inputs = pilot[0].len();
        for input in 0..inputs {
            let (_, std) = mean_and_std(pilot.iter().map(|example| example[input]));
            let divide = if std > 0.0 { std } else { 1.0 };
            self.top_mlp[0]
                .weight
                .iter_mut()
                .skip(input)
                .step_by(inputs)
                .for_each(|w| *w = (f64::from(*w) / divide) as f32);
        }
        let logits = |teacher: &Self| {
            pilot
                .iter()
                .map(|example| teacher.top(example.clone()))
                .collect::<Vec<f64>>()
        };
        let (_, std) = mean_and_std(logits(self).into_iter());
        if std.is_nan() || std <= f64::from(f32::EPSILON) {
            return Err(PlantedError::ConstantTeacher);
        }
        let factor = config.logit_std / std;
        if let Some(last) = self.top_mlp.last_mut() {
            last.weight
                .iter_mut()
                .for_each(|w| *w = (f64::from(*w) * factor) as f32);
            last.bias = vec![0.0];
        }
        let bias = bias_for(&logits(self), config.base_rate) as f32;
        if let Some(last) = self.top_mlp.last_mut() {
            last.bias = vec![bias];
        }
        Ok(())
    }
}

impl Layer {
    fn apply(&self, input: &[f64]) -> Vec<f64> {
        let rows = self.weight.chunks_exact(input.len());
        let product = |row: &[f32]| row.iter().zip(input).map(|(&w, x)| f64::from(w) * x).sum::<f64>();
        rows.zip(&self.bias)
            .map(|(row, &bias)| product(row) + f64::from(bias))
            .collect()
    }
}

/// Σ_{i ≤ rank} σᵢ uᵢ vᵢᵀ with random orthonormal u and v, ‖W‖_F² = n: a row has length 1 on average.
fn draw_table(config: &PlantedConfig, at: usize) -> Table {
    let (n, d, rank) = (
        config.tables[at].num_embeddings,
        config.embedding_dim,
        config.tables[at].rank,
    );
    let left = orthonormal(n, rank, &mut Stream::new(config.seed, Purpose::Left, at));
    let right = orthonormal(d, rank, &mut Stream::new(config.seed, Purpose::Right, at));
    let scale = (n as f64).sqrt();
    let singular_values: Vec<f64> = config
        .spectrum
        .values(rank)
        .into_iter()
        .map(|value| value * scale)
        .collect();
    let entry = |row: usize, column: usize| -> f64 {
        (0..rank)
            .map(|i| left[i][row] * singular_values[i] * right[i][column])
            .sum()
    };
    let weight = (0..n * d).map(|index| entry(index / d, index % d) as f32).collect();
    Table {
        weight,
        singular_values,
    }
}

/// `count` orthonormal vectors of the given length: Gaussian ones through Gram–Schmidt, twice for every vector.
fn orthonormal(length: usize, count: usize, stream: &mut Stream) -> Vec<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector: Vec<f64> = (0..length).map(|_| stream.normal()).collect();
        for _ in 0..2 {
            for other in &basis {
                let along = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
            }
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
        basis.push(vector);
    }
    basis
}

/// Layers as DLRM starts them: weights N(0, 2/(in + out)), biases N(0, 1/out).
fn draw_mlp(widths: &[usize], stream: &mut Stream) -> Vec<Layer> {
    let layer = |pair: &[usize]| {
        let (input, output) = (pair[0], pair[1]);
        let weight_std = (2.0 / (input + output) as f64).sqrt();
        let bias_std = (1.0 / output as f64).sqrt();
        Layer {
            weight: (0..output * input)
                .map(|_| (stream.normal() * weight_std) as f32)
                .collect(),
            bias: (0..output).map(|_| (stream.normal() * bias_std) as f32).collect(),
        }
    };
    widths.windows(2).map(layer).collect()
}

fn mean_and_std(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (
        mean,
        (values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt(),
    )
}

/// The bias with which the probabilities of these logits have the given mean, by bisection.
fn bias_for(logits: &[f64], base_rate: f64) -> f64 {
    let mean = |bias: f64| logits.iter().map(|z| probability(z + bias)).sum::<f64>() / logits.len() as f64;
    let bound = logits.iter().fold(0.0, |bound: f64, z| bound.max(z.abs())) + 40.0;
    let (mut low, mut high) = (-bound, bound);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if mean(middle) < base_rate {
            low = middle
        } else {
            high = middle
        }
    }
    0.5 * (low + high)
}

/// 1/(1 + e^−z).
pub fn probability(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

/// −ln P(label) of an outcome whose logit is z: ln(1 + e^z) − label·z, without overflow.
pub fn log_loss(logit: f64, label: f64) -> f64 {
    logit.max(0.0) - label * logit + libm::log1p(libm::exp(-logit.abs()))
}
