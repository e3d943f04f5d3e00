//! Tables in parts: `mlet spectrum --partial` and `--merge` against the whole table.

mod command;
mod hostile;
mod sums;

use half::{bf16, f16};
use mlet::spectrum::table::{Factor, Float, Table};
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Numbers of every kind that tables hold, and columns of different sizes.
fn numbers(n: usize, d: usize, seed: u64) -> Array2<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || random.next_u64() as f64 / u64::MAX as f64 - 0.5;
    Array2::from_shape_fn((n, d), |(i, j)| {
        let common = if i % 5 == 4 {
            0.0
        } else {
            uniform() * 0.7f64.powi(j as i32)
        };
        common + 1e-4 * uniform()
    })
}

/// As a factor of a stored type, rounded to it.
fn factor(values: &Array2<f64>, float: Float) -> Factor {
    let stored = |x: f64| match float {
        Float::F16 => f16::from_f64(x).to_f64(),
        Float::Bf16 => bf16::from_f64(x).to_f64(),
        Float::F32 => f64::from(x as f32),
        Float::F64 => x,
    };
    let rounded = values.mapv(stored);
    match float {
        Float::F64 => Factor::f64("w", rounded),
        _ => Factor {
            epsilon: float.epsilon(),
            ..Factor::f32("w", rounded.mapv(|x| x as f32))
        },
    }
}

const FLOATS: [Float; 4] = [Float::F16, Float::Bf16, Float::F32, Float::F64];

/// The rows of a table from each cut to the next.
fn cut(table: &Table, cuts: &[usize]) -> Vec<Table> {
    let n = table.num_embeddings();
    let mut ends: Vec<usize> = cuts.iter().map(|&at| at.min(n)).chain([0, n]).collect();
    ends.sort_unstable();
    (ends.windows(2))
        .map(|ends| {
            let rows: Vec<usize> = (ends[0]..ends[1]).collect();
            Table::new(table.name.clone(), table.select_rows(&rows))
        })
        .collect()
}
