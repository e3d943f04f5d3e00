//! What a study of time says: sentences, tables, remarks, and all of them as Markdown.

use super::{ArmTime, RuntimeResults};
use crate::study::table::{Table, thousands};
use crate::train::bench::record::OperationTime;
use crate::train::memory::size;

/// Every arm against its reference, in a sentence.
pub fn sentences(results: &RuntimeResults) -> Vec<String> {
    let sentence = |arm: &ArmTime| {
        let (ratio, against) = (arm.ratio.as_ref()?, arm.against.as_ref()?);
        Some(format!(
            "{}: {} ms a step, {} {against}; round by round the median is {}, with four fifths from {} to {}.",
            arm.name,
            milliseconds(arm.step.times.median_ms),
            more(ratio.of_medians),
            percent(ratio.median_of_rounds),
            percent(ratio.p10_of_rounds),
            percent(ratio.p90_of_rounds),
        ))
    };
    results.arms.iter().filter_map(sentence).collect()
}

/// `8.1 % more than`.
fn more(ratio: f64) -> String {
    let percent = 100.0 * (ratio - 1.0).abs();
    let than = if ratio >= 1.0 { "more" } else { "less" };
    format!("{percent:.1} % {than} than")
}

/// `+8.1 %`.
fn percent(ratio: f64) -> String {
    let sign = if ratio < 1.0 { "−" } else { "+" };
    format!("{sign}{:.1} %", 100.0 * (ratio - 1.0).abs())
}

/// One line an arm.
pub fn arms(results: &RuntimeResults) -> Table {
    let header = [
        "arm",
        "ms a step",
        "p10 – p90",
        "examples/s",
        "one repeated\nbatch, ms",
        "floor, ms",
        "step over\nfloor",
        "MFLOP",
        "over its\nreference",
        "by rounds",
        "reference",
    ];
    let row = |arm: &ArmTime| {
        let (step, none) = (&arm.step, || "–".to_owned());
        vec![
            arm.name.clone(),
            milliseconds(step.times.median_ms),
            format!(
                "{} – {}",
                milliseconds(step.times.p10_ms),
                milliseconds(step.times.p90_ms)
            ),
            thousands(step.examples_per_second.round() as u64),
            milliseconds(step.repeated_batch_ms),
            milliseconds(step.floor_ms),
            format!("{:.2}", step.over_floor),
            format!("{:.0}", step.flops / 1e6),
            arm.ratio
                .as_ref()
                .map_or_else(none, |ratio| format!("{:.3}", ratio.of_medians)),
            arm.ratio
                .as_ref()
                .map_or_else(none, |ratio| format!("{:.3}", ratio.median_of_rounds)),
            arm.against.clone().unwrap_or_else(none),
        ]
    };
    Table {
        header: header.map(String::from).to_vec(),
        rows: results.arms.iter().map(row).collect(),
    }
}

/// Milliseconds of the operations by kind, a column an arm; `None` where no device could tell.
pub fn operations(results: &RuntimeResults) -> Option<Table> {
    let mut kinds: Vec<&str> = Vec::new();
    let times = |arm: &ArmTime| arm.step.operations.clone().unwrap_or_default();
    for arm in &results.arms {
        for operation in times(arm) {
            if !kinds.contains(&operation.name) {
                kinds.push(operation.name);
            }
        }
    }
    if kinds.is_empty() {
        return None;
    }
    let of = |arm: &ArmTime, kind: &str| {
        let times: Vec<OperationTime> = times(arm).into_iter().filter(|one| one.name == kind).collect();
        match times.len() {
            0 => "–".to_owned(),
            _ => format!("{:.3}", times.iter().map(|one| one.ms).sum::<f64>()),
        }
    };
    let row = |kind: &&str| {
        let cells = results.arms.iter().map(|arm| of(arm, kind));
        std::iter::once((*kind).to_owned()).chain(cells).collect()
    };
    // On two lines, so that eight arms fit.
    let names = results.arms.iter().map(|arm| arm.name.replacen(" (", "\n(", 1));
    Some(Table {
        header: std::iter::once("operation, ms".to_owned()).chain(names).collect(),
        rows: kinds.iter().map(row).collect(),
    })
}

/// What has to be said beneath the tables.
pub fn remarks(results: &RuntimeResults) -> Vec<String> {
    let Some(first) = results.arms.first().map(|arm| &arm.step) else {
        return Vec::new();
    };
    let clock = match first.steps_per_time {
        1 => "Every step is timed by itself.".to_owned(),
        steps => {
            format!("Several steps go to the device in one submission, so {steps} are timed together and divided.")
        }
    };
    let peak = results.peak_rss_bytes.map_or(String::new(), |bytes| {
        format!(
            " The process, all arms together, had {} of memory at most.",
            size(bytes)
        )
    });
    let quiet = match (first.counted_rounds, first.rounds, first.others) {
        (counted, rounds, _) if counted < rounds => {
            format!(
                "{rounds} rounds, of which the {counted} count in which other processes had at most 5 % of the processors"
            )
        }
        (_, rounds, Some(others)) => format!(
            "{rounds} rounds; other processes had {:.0} % of the processors",
            100.0 * others
        ),
        (_, rounds, None) => format!("{rounds} rounds"),
    };
    vec![
        format!(
            "All arms took turns in one process, in {quiet}. A ratio is that of an arm and its reference in the same rounds. \
             A step is a whole training step with a batch that the loader prepared ahead on threads of its own; beside it \
             stands the same step on one batch over and over. {clock}"
        ),
        format!(
            "The floor is the time that the step's products would take at the best rate that was found, {:.0} GFLOP/s of {} of \
             matrices of side {}, measured between the turns on the same threads. FLOPs are counted from the \
             shapes, 2·m·n·k a product, with the rows that the batches really had ({:.0} unique ones).",
            first.floor_gflops, first.floor_product, first.floor_side, first.unique_rows
        ),
        format!("{}; {}.{peak}", first.device, results.machine),
    ]
}

/// `results.md`: title, question, what the table says, the tables, remarks.
pub fn document(results: &RuntimeResults) -> String {
    let mut text = format!("# {}\n\n{}\n\n", results.title, results.question);
    for sentence in sentences(results) {
        text += &format!("* {sentence}\n");
    }
    text += &format!("\n{}", arms(results).markdown());
    for remark in remarks(results) {
        text += &format!("\n{remark}\n");
    }
    if let Some(operations) = operations(results) {
        text += &format!(
            "\nEach operation by itself, in steps of their own:\n\n{}",
            operations.markdown()
        );
    }
    text
}

/// At least three digits.
fn milliseconds(value: f64) -> String {
    let digits = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}
