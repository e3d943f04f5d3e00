//! From what was gathered to a record.

use super::arm::{Arm, step_flops};
use super::quiet::DISTURBED;
use super::record::{Against, Measured, OperationTime, Ratio, Round, Step, Times, median};
use super::rounds::{Around, Turn};
use crate::train::error::TrainError;
use crate::train::memory::{self, Needs};

/// Quiet rounds that are enough to leave the others out.
const ENOUGH: usize = 5;

/// Whether others had more of the processors than a round bears.
pub(super) fn disturbed(round: &Around) -> bool {
    round.others.is_some_and(|share| share > DISTURBED)
}

/// Which rounds count: the quiet ones, if there are enough of them to say something; else all.
fn counted(rounds: &[Around]) -> Vec<bool> {
    let quiet: Vec<bool> = rounds.iter().map(|round| !disturbed(round)).collect();
    match quiet.iter().filter(|&&quiet| quiet).count() {
        enough if enough >= ENOUGH => quiet,
        _ => vec![true; rounds.len()],
    }
}

/// One set-up's times, beside its floor and its counts.
pub(super) fn record(
    arm: &mut Arm,
    needs: Needs,
    place: usize,
    rounds: &[Around],
    (floor_product, floor_side): (&'static str, usize),
) -> Result<Step, TrainError> {
    let (loss, active) = (arm.loss()?, arm.active()?);
    let config = &arm.setup.config;
    let batch_size = config.training.batch_size;
    let rows = arm.mean_rows();
    let by_round = rounds.iter().zip(counted(rounds)).map(|(round, counted)| {
        let turn = &round.turns[place];
        Round {
            median_ms: median(&turn.loader),
            repeated_batch_ms: median(&turn.repeated),
            floor_gflops: turn.floor_gflops,
            others: round.others,
            processors: turn.processors,
            counted,
        }
    });
    let by_round: Vec<Round> = by_round.collect();
    let turns = rounds.iter().zip(&by_round).filter(|(_, round)| round.counted);
    let turns: Vec<&Turn> = turns.map(|(round, _)| &round.turns[place]).collect();
    let all = |of: fn(&Turn) -> &Vec<f64>| turns.iter().flat_map(|turn| of(turn)).copied().collect::<Vec<f64>>();
    let mut loader_times = all(|turn| &turn.loader);
    let times = Times::of(&mut loader_times);
    let repeated = Times::of(&mut all(|turn| &turn.repeated));
    let rates: Vec<f64> = turns.iter().map(|turn| turn.floor_gflops).collect();
    let floor_gflops = median(&rates);
    let frozen = config.optimizer.freeze_further_factors;
    let flops = step_flops(&arm.architecture, batch_size, rows.unique, frozen);
    let floor_ms = flops / (floor_gflops * 1e6);
    let costs: Vec<_> = arm.operations.iter().map(|operation| operation.cost(&rows)).collect();
    let processors: Vec<f64> = turns.iter().filter_map(|turn| turn.processors).collect();
    let shares: Vec<f64> = rounds.iter().filter_map(|round| round.others).collect();
    let pairs = by_round.iter().filter(|round| round.counted);
    let pairs = pairs.map(|round| [round.median_ms, round.repeated_batch_ms]);
    Ok(Step {
        setup: arm.setup.words(),
        device: arm.engine.description(),
        times,
        steps: loader_times.len() * arm.block,
        steps_per_time: arm.block,
        rounds: rounds.len(),
        counted_rounds: turns.len(),
        processors: (!processors.is_empty()).then(|| median(&processors)),
        others: (!shares.is_empty()).then(|| median(&shares)),
        examples_per_second: batch_size as f64 / times.median_ms * 1e3,
        repeated_batch_ms: repeated.median_ms,
        repeated_batch: repeated,
        loader: Ratio::of([times.median_ms, repeated.median_ms], pairs),
        floor_ms,
        floor_gflops,
        floor_product,
        floor_side,
        over_floor: times.median_ms / floor_ms,
        flops,
        bytes: costs.iter().map(|cost| cost.bytes).sum(),
        active,
        unique_rows: rows.unique,
        batch_size,
        table_rows: arm.architecture.total_rows(),
        parameters: arm.architecture.num_parameters(),
        needs_bytes: needs,
        loss,
        operations: operations(arm, &turns),
        by_round,
    })
}

/// Each operation's median time and its share of their sum.
fn operations(arm: &Arm, turns: &[&Turn]) -> Option<Vec<OperationTime>> {
    let rows = arm.mean_rows();
    let steps: Vec<&Vec<f64>> = turns.iter().flat_map(|turn| &turn.operations).collect();
    if steps.is_empty() {
        return None;
    }
    let medians = (0..arm.operations.len()).map(|place| {
        let times: Vec<f64> = steps.iter().filter_map(|step| step.get(place)).copied().collect();
        1e3 * median(&times)
    });
    let medians: Vec<f64> = medians.collect();
    let all: f64 = medians.iter().sum();
    let timed = arm.operations.iter().zip(medians).map(|(operation, ms)| {
        let cost = operation.cost(&rows);
        OperationTime {
            name: operation.name(),
            shape: operation.shape(),
            ms,
            share: ms / all,
            flops: cost.flops,
            bytes: cost.bytes,
        }
    });
    Some(timed.collect())
}

/// The first step, and the others against it.
pub(super) fn compared(steps: Vec<Step>) -> Measured {
    let mut steps = steps.into_iter();
    let Some(first) = steps.next() else {
        unreachable!("there is a set-up")
    };
    let against = steps.map(|step| Against {
        ratio: step.over(&first),
        repeated_batch_ratio: step.over_on_one_batch(&first),
        step,
    });
    let against = against.collect();
    Measured {
        first,
        against,
        peak_rss_bytes: memory::peak(),
    }
}
