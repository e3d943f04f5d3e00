//! Random numbers of the planted data: ChaCha8 streams, the same on every platform.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is drawn for. Streams of different purposes, or of different indices, never share a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The left singular vectors of table `index`.
    Left = 1,
    /// The right singular vectors of table `index`.
    Right = 2,
    /// The layers of the bottom MLP.
    BottomMlp = 3,
    /// The layers of the top MLP.
    TopMlp = 4,
    /// Dense features of the rows.
    Dense = 5,
    /// Categories of feature `index` in the rows.
    Category = 6,
    /// Labels of the rows.
    Label = 7,
    /// Dense features of the examples that set the teacher's scale.
    PilotDense = 8,
    /// Categories of feature `index` in the examples that set the teacher's scale.
    PilotCategory = 9,
}

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a seed, a purpose and an index, from its start.
    pub fn new(seed: u64, purpose: Purpose, index: usize) -> Self {
        let mut key = *b"........mlet planted data key 01";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(((purpose as u64) << 32) | index as u64);
        Self(generator)
    }

    /// Uniform on [0, 1): 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Standard normal (Box–Muller; the second number of the pair is not used, so that a draw has no state).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log1p(-self.uniform())).sqrt();
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }
}

/// Zipf's distribution on `0..n`: P(i) ∝ (i + 1)^−exponent.
#[derive(Debug, Clone)]
pub struct Zipf {
    /// Σ_{j ≤ i} (j + 1)^−exponent.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// The distribution on `0..n`, `n ≥ 1`. An exponent of 0 is the uniform distribution.
    pub fn new(n: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=n)
            .map(|place| {
                sum += libm::pow(place as f64, -exponent);
                sum
            })
            .collect();
        Self { cumulative }
    }

    /// One draw, by the inverse of the distribution function.
    pub fn sample(&self, stream: &mut Stream) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let u = stream.uniform() * total;
        // u·total can round up to total itself.
        self.cumulative
            .partition_point(|&sum| sum <= u)
            .min(self.cumulative.len().saturating_sub(1))
    }

    /// P(i).
    pub fn probability(&self, i: usize) -> f64 {
        let below = if i == 0 { 0.0 } else { self.cumulative[i - 1] };
        (self.cumulative[i] - below) / self.cumulative[self.cumulative.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_normal() {
        let mut stream = Stream::new(3, Purpose::Dense, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let moment = |power: i32| draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64;
        // Five standard errors: those of the mean, variance and fourth moment are √1, √2 and √96 over √100,000.
        let error = 5.0 / 100_000f64.sqrt();
        assert!(moment(1).abs() < error, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < error * 2f64.sqrt(), "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < error * 96f64.sqrt(), "{}", moment(4));
    }

    #[test]
    fn zipf_meets_its_probabilities() {
        let zipf = Zipf::new(7, 1.1);
        let mut stream = Stream::new(0, Purpose::Category, 2);
        let draws = 100_000;
        let mut counts = [0u32; 7];
        (0..draws).for_each(|_| counts[zipf.sample(&mut stream)] += 1);
        for (i, &count) in counts.iter().enumerate() {
            let p = zipf.probability(i);
            let error = 5.0 * (p * (1.0 - p) / f64::from(draws)).sqrt();
            assert!(
                (f64::from(count) / f64::from(draws) - p).abs() < error,
                "{i}: {count} for {p}"
            );
        }
        assert!((zipf.probability(0) / zipf.probability(1) - libm::pow(2.0, 1.1)).abs() < 1e-14);
    }

    #[test]
    fn streams_are_apart_and_the_same_everywhere() {
        let first = |seed, purpose, index| Stream::new(seed, purpose, index).0.next_u64();
        assert_ne!(first(0, Purpose::Dense, 0), first(1, Purpose::Dense, 0));
        assert_ne!(first(0, Purpose::Dense, 0), first(0, Purpose::Label, 0));
        assert_ne!(first(0, Purpose::Category, 0), first(0, Purpose::Category, 1));
        assert_eq!(first(7, Purpose::Left, 3), first(7, Purpose::Left, 3));
    }
}
