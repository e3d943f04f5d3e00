//! What was measured, for people.

use crate::train::bench::Measured;
use crate::train::bench::quiet::DISTURBED;
use crate::train::bench::record::{OperationTime, Ratio, Step, Times};
use crate::train::memory::size;

/// All of it.
pub(super) fn text(measured: &Measured) -> String {
    let mut text = step(&measured.first);
    for against in &measured.against {
        text += &format!("\n{}", step(&against.step));
        text += &format!("{:<20}{}\n", "over the first", ratio(&against.ratio));
        text += &format!("{:<20}{}\n", "on one batch each", ratio(&against.repeated_batch_ratio));
    }
    let first = &measured.first;
    if let Some(others) = first
        .others
        .filter(|&others| others > DISTURBED && first.counted_rounds == first.rounds)
    {
        text += &format!(
            "\nother processes had {:.0} % of the processors: the times are too long, and ratios may be off (--patience waits)\n",
            100.0 * others
        );
    }
    if let Some(peak) = measured.peak_rss_bytes {
        text += &format!("\npeak memory of the process {}\n", size(peak));
    }
    text
}

fn step(step: &Step) -> String {
    let mut text = format!(
        "{}\n{}; {} parameters, {} rows in the tables, {:.0} unique rows a batch\n\n",
        step.setup,
        step.device,
        thousands(step.parameters),
        thousands(step.table_rows as u64),
        step.unique_rows
    );
    let each = match step.steps_per_time {
        1 => String::new(),
        steps => format!(", timed {steps} at a time"),
    };
    let rounds = match (step.counted_rounds, step.rounds) {
        (counted, rounds) if counted < rounds => format!("the {counted} quiet ones of {rounds} rounds"),
        (_, rounds) => format!("{rounds} rounds"),
    };
    text += &format!(
        "{:<20}{:>8} {:>8} {:>8}   ms a step; {} steps in {rounds}{each}\n",
        "", "median", "p10", "p90", step.steps
    );
    text += &format!(
        "{:<20}{}   {} examples/s\n",
        "with the loader",
        times(&step.times),
        thousands(step.examples_per_second.round() as u64)
    );
    text += &format!(
        "{:<20}{}   the loader's steps over these: {}\n",
        "one repeated batch",
        times(&step.repeated_batch),
        ratio(&step.loader)
    );
    text += &format!(
        "{:<20}{:>8} {:>17}   {} MFLOP at {} GFLOP/s ({}, side {}); step over it {:.2}\n",
        "floor",
        number(step.floor_ms),
        "",
        number(step.flops / 1e6),
        number(step.floor_gflops),
        step.floor_product,
        step.floor_side,
        step.over_floor
    );
    text += &format!(
        "{:<20}{:>7.0}%   the CPU leaves out the terms of the zeros, the floor does not\n",
        "hidden units active",
        100.0 * step.active
    );
    if let Some(processors) = step.processors {
        text += &format!("{:<20}{processors:>8.2}\n", "processors used");
    }
    text + &operations(step)
}

/// The operations by kind, the longest first.
fn operations(step: &Step) -> String {
    let Some(operations) = &step.operations else {
        return "\nshares of the operations: not available, the driver has no timestamps\n".into();
    };
    let mut kinds: Vec<(&str, usize, OperationTime)> = Vec::new();
    for one in operations {
        match kinds.iter_mut().find(|(name, ..)| *name == one.name) {
            Some((_, count, sum)) => {
                *count += 1;
                sum.ms += one.ms;
                sum.share += one.share;
                sum.flops += one.flops;
                sum.bytes += one.bytes;
            }
            None => kinds.push((one.name, 1, one.clone())),
        }
    }
    kinds.sort_by(|(.., one), (.., other)| other.ms.total_cmp(&one.ms));
    let mut text = format!(
        "\n{:>6} {:>9} {:>9} {:>8}   operation, each timed by itself\n",
        "share", "ms", "GFLOP/s", "GB/s"
    );
    for (name, count, sum) in &kinds {
        let rate = |amount: f64| match amount {
            a if a > 0.0 => format!("{:.1}", a / sum.ms / 1e6),
            _ => "–".into(),
        };
        text += &format!(
            "{:>5.1}% {:>9.3} {:>9} {:>8}   {name}{}\n",
            100.0 * sum.share,
            sum.ms,
            rate(sum.flops),
            rate(sum.bytes),
            if *count > 1 {
                format!(" × {count}")
            } else {
                String::new()
            }
        );
    }
    let all: f64 = operations.iter().map(|operation| operation.ms).sum();
    text + &format!("{:>6} {all:>9.3}   together\n", "")
}

fn times(times: &Times) -> String {
    let [median, p10, p90] = [times.median_ms, times.p10_ms, times.p90_ms].map(number);
    format!("{median:>8} {p10:>8} {p90:>8}")
}

/// `1.243 (by rounds 1.241, 1.198 to 1.300)`.
fn ratio(ratio: &Ratio) -> String {
    format!(
        "{:.3} (by rounds {:.3}, from {:.3} to {:.3})",
        ratio.of_medians, ratio.median_of_rounds, ratio.p10_of_rounds, ratio.p90_of_rounds
    )
}

/// At least three digits: `0.0123`, `2.52`, `402`.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// `33,762,577`.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
