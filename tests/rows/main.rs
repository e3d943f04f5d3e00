//! Statistics of rows against naive computations.

mod duplicates;
mod spectra;
mod statistics;

use mlet::spectrum::table::{Factor, Table};
use ndarray::Array2;

/// Numbers that are the same on every machine.
pub struct Random(pub u64);

impl Random {
    /// 32 random bits (PCG's multiplier, the high half).
    pub fn bits(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }

    /// Between −½ and ½.
    pub fn number(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / (1 << 24) as f32 - 0.5
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() as usize) % end
    }
}

/// Random rows among which some are zero (with signs), some repeat earlier ones, and some are very small or great.
pub fn hostile(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut random = Random(seed);
    let mut table = Array2::from_shape_fn((n, d), |_| random.number());
    for i in 0..n {
        match random.below(10) {
            0 => (0..d).for_each(|j| table[(i, j)] = if random.below(2) == 0 { 0.0 } else { -0.0 }),
            1 | 2 if i > 0 => {
                let from = random.below(i);
                (0..d).for_each(|j| table[(i, j)] = table[(from, j)]);
            }
            3 => (0..d).for_each(|j| table[(i, j)] *= 1e-40), // subnormal
            4 => (0..d).for_each(|j| table[(i, j)] *= 1e30),
            5 => table[(i, random.below(d))] = -0.0,
            _ => {}
        }
    }
    table
}

/// A plain table.
pub fn plain(values: Array2<f32>) -> Table {
    Table::new("w", vec![Factor::f32("w", values)])
}
