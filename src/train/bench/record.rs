//! What came out, as it is printed and written.

use crate::train::memory::Needs;
use serde::Serialize;

/// All that one process measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The first set-up.
    #[serde(flatten)]
    pub first: Step,
    /// The others, set against it.
    pub against: Vec<Against>,
    /// The most bytes of memory that the process had at once, all set-ups together; absent where the system does not say.
    pub peak_rss_bytes: Option<u64>,
}

/// Milliseconds a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Times {
    /// Half of the steps took less.
    pub median_ms: f64,
    /// A tenth took less.
    pub p10_ms: f64,
    /// Nine tenths took less.
    pub p90_ms: f64,
}

/// One set-up's steps.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// In a line.
    pub setup: String,
    /// What computed.
    pub device: String,
    /// With the loader: distinct batches, prepared ahead on a thread of their own, as in training.
    #[serde(flatten)]
    pub times: Times,
    /// Steps that were counted.
    pub steps: usize,
    /// Steps between two looks at the clock: the times are means over so many.
    pub steps_per_time: usize,
    /// Rounds.
    pub rounds: usize,
    /// Rounds that count: those in which other processes had at most a twentieth of the processors, or all of them if these
    /// are fewer than five.
    pub counted_rounds: usize,
    /// Processors that the process had during its steps, the loader's thread among them: median of the rounds that count; absent
    /// where the system does not say.
    pub processors: Option<f64>,
    /// Median share of the processors that other processes had, over all rounds; absent where the system does not say.
    pub others: Option<f64>,
    /// Examples a second, by the median.
    pub examples_per_second: f64,
    /// The same steps on one batch, over and over: what the loader costs is missing, and caches are warm.
    pub repeated_batch_ms: f64,
    /// The same with its percentiles.
    pub repeated_batch: Times,
    /// With the loader over one repeated batch.
    pub loader: Ratio,
    /// `flops` at the rate of the best product.
    pub floor_ms: f64,
    /// Median rate of the best product, 10⁹ FLOP a second.
    pub floor_gflops: f64,
    /// Whose product that is.
    pub floor_product: &'static str,
    /// Side of its square matrices.
    pub floor_side: usize,
    /// The median over the floor.
    pub over_floor: f64,
    /// Floating-point operations of a step's products, counted from the shapes.
    pub flops: f64,
    /// Bytes that a step's operations read and write, each operand once, counted from the shapes.
    pub bytes: f64,
    /// The share of the hidden layers' outputs that are not zero, in the last step: the CPU leaves out the terms of the others,
    /// which `flops` counts.
    pub active: f64,
    /// Mean number of unique rows of a batch.
    pub unique_rows: f64,
    /// B.
    pub batch_size: usize,
    /// Rows of all tables.
    pub table_rows: usize,
    /// Parameters.
    pub parameters: u64,
    /// Bytes of memory, counted before anything was allocated.
    pub needs_bytes: Needs,
    /// The mean loss of the last batches.
    pub loss: f64,
    /// Each operation by itself, in the order of the step; absent where the device has no clock.
    pub operations: Option<Vec<OperationTime>>,
    /// Round by round.
    pub by_round: Vec<Round>,
}

/// A set-up beside the first one.
#[derive(Debug, Clone, Serialize)]
pub struct Against {
    /// What it is.
    #[serde(flatten)]
    pub step: Step,
    /// Its times over the first one's, with the loader.
    pub ratio: Ratio,
    /// The same on one repeated batch each.
    pub repeated_batch_ratio: Ratio,
}

/// One thing over another, measured in turn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// Median over median.
    pub of_medians: f64,
    /// The median of the rounds' own ratios: what disturbs a round falls on both.
    pub median_of_rounds: f64,
    /// A tenth of the rounds' ratios are below.
    pub p10_of_rounds: f64,
    /// Nine tenths are below.
    pub p90_of_rounds: f64,
}

/// Medians of one round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Round {
    /// With the loader.
    pub median_ms: f64,
    /// On one repeated batch.
    pub repeated_batch_ms: f64,
    /// The best product.
    pub floor_gflops: f64,
    /// The share of the processors that other processes had meanwhile; absent where the system does not say.
    pub others: Option<f64>,
    /// Processors that the process had during its steps; absent where the system does not say.
    pub processors: Option<f64>,
    /// Whether the round counts.
    pub counted: bool,
}

/// One operation of the step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationTime {
    /// What it does.
    pub name: &'static str,
    /// Its shape; U: the batch's unique rows.
    pub shape: String,
    /// Median time.
    pub ms: f64,
    /// Its part of the sum of these times.
    pub share: f64,
    /// Floating-point operations of its products.
    pub flops: f64,
    /// Bytes read and written.
    pub bytes: f64,
}

impl Measured {
    /// The set-ups' steps, in their order.
    pub fn into_steps(self) -> Vec<Step> {
        let others = self.against.into_iter().map(|against| against.step);
        std::iter::once(self.first).chain(others).collect()
    }
}

impl Step {
    /// Its times over another's of the same process, with the loader.
    pub fn over(&self, other: &Self) -> Ratio {
        let medians = [self.times.median_ms, other.times.median_ms];
        Ratio::of(medians, self.rounds_beside(other, |round| round.median_ms))
    }

    /// The same on one repeated batch each.
    pub fn over_on_one_batch(&self, other: &Self) -> Ratio {
        let medians = [self.repeated_batch_ms, other.repeated_batch_ms];
        Ratio::of(medians, self.rounds_beside(other, |round| round.repeated_batch_ms))
    }

    fn rounds_beside(&self, other: &Self, of: fn(&Round) -> f64) -> impl Iterator<Item = [f64; 2]> {
        let rounds = self.by_round.iter().zip(&other.by_round);
        let counted = rounds.filter(|(one, other)| one.counted && other.counted);
        counted.map(move |(one, other)| [of(one), of(other)])
    }
}

impl Times {
    /// Of some times, which are sorted.
    pub fn of(times: &mut [f64]) -> Self {
        times.sort_by(f64::total_cmp);
        Self {
            median_ms: quantile(times, 0.5),
            p10_ms: quantile(times, 0.1),
            p90_ms: quantile(times, 0.9),
        }
    }
}

impl Ratio {
    /// Of two medians, and of the medians of the same rounds.
    pub fn of(medians: [f64; 2], rounds: impl Iterator<Item = [f64; 2]>) -> Self {
        let mut ratios: Vec<f64> = rounds.map(|[one, other]| one / other).collect();
        ratios.sort_by(f64::total_cmp);
        Self {
            of_medians: medians[0] / medians[1],
            median_of_rounds: quantile(&ratios, 0.5),
            p10_of_rounds: quantile(&ratios, 0.1),
            p90_of_rounds: quantile(&ratios, 0.9),
        }
    }
}

/// The `share` quantile of sorted numbers, between neighbours in a straight line; NaN of none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    low + (high - low) * (place - below as f64)
}

/// The median of numbers in any order.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0, 8.0], 0.5), 3.0);
        assert_eq!(quantile(&[1.0, 3.0], 0.1), 1.2);
        assert_eq!(quantile(&[5.0], 0.9), 5.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_disturbed_round_moves_the_ratio_of_medians_only() {
        let rounds = [[2.0, 1.0], [20.0, 10.0], [2.0, 1.0]];
        let ratio = Ratio::of([2.0, 1.25], rounds.into_iter());
        assert_eq!((ratio.of_medians, ratio.median_of_rounds), (1.6, 2.0));
    }
}
