//! A study's results as a Markdown table, with what has to be said beneath it.

use super::metric::{Measure, Metric};
use super::results::{ArmResults, Results};
use super::statistics::{Difference, Sample, t_quantile};
use crate::data::schema::Split;
use std::collections::BTreeSet;

/// A table of texts: the header, then the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// As many cells as the header has, in every row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// One line an arm.
    pub fn of(results: &Results) -> Table {
        let mut header: Vec<String> = ["arm", "parameters", "tables in training", "tables collapsed"]
            .map(String::from)
            .to_vec();
        for metric in &results.metrics {
            header.push(metric.label());
            header.push(format!("Δ {}", metric.label()));
            header.push("95 %".into());
        }
        if results.truth.is_some() {
            header.push("test LogLoss over Bayes".into());
        }
        let rows = results.arms.iter().map(|arm| row(results, arm));
        Table {
            header,
            rows: rows.collect(),
        }
    }

    /// As Markdown, the columns aligned for reading as plain text too.
    pub fn markdown(&self) -> String {
        let clean = |cell: &String| cell.replace('|', "\\|").replace('\n', " ");
        let lines: Vec<Vec<String>> = std::iter::once(&self.header)
            .chain(&self.rows)
            .map(|row| row.iter().map(clean).collect())
            .collect();
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
                .max(3)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let mut text = String::new();
        for (place, line) in lines.iter().enumerate() {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                text += &match column {
                    0 => format!("| {cell:<width$} |"),
                    _ => format!(" {cell:>width$} |"),
                };
            }
            text.push('\n');
            if place == 0 {
                for (column, width) in widths.iter().enumerate() {
                    text += &match column {
                        0 => format!("|:{}-|", "-".repeat(*width)),
                        _ => format!("-{}:|", "-".repeat(*width)),
                    };
                }
                text.push('\n');
            }
        }
        text
    }
}

fn row(results: &Results, arm: &ArmResults) -> Vec<String> {
    let none = || "–".to_owned();
    let bytes = |of: fn(&crate::train::summary::TableBytes) -> u64| arm.table_bytes().map_or(none(), |b| size(of(&b)));
    let mut cells = vec![
        arm.name.clone(),
        arm.parameters().map_or(none(), thousands),
        bytes(|b| b.trained),
        bytes(|b| b.collapsed),
    ];
    for &metric in &results.metrics {
        let difference = results.difference(arm, metric);
        cells.push(
            results
                .sample(arm, metric)
                .map_or(none(), |sample| spread(&sample, false)),
        );
        cells.push(difference.map_or(none(), |difference| spread(&difference.sample, true)));
        cells.push(
            difference
                .and_then(|difference| interval(&difference))
                .unwrap_or_else(none),
        );
    }
    if let Some(truth) = &results.truth {
        let loss = Metric {
            split: Split::Test,
            measure: Measure::LogLoss,
        };
        let over = |mut sample: Sample| {
            sample.mean -= truth.test.bayes_log_loss;
            spread(&sample, true)
        };
        cells.push(results.sample(arm, loss).map_or(none(), over));
    }
    cells
}

/// `0.45812 ± 0.00031`; with a sign, `−0.00102 ± 0.00012`.
fn spread(sample: &Sample, signed: bool) -> String {
    let mean = match signed {
        true => signed_number(sample.mean),
        false => format!("{:.5}", sample.mean),
    };
    sample.sd.map_or(mean.clone(), |sd| format!("{mean} ± {sd:.5}"))
}

fn interval(difference: &Difference) -> Option<String> {
    let [low, high] = difference.interval?;
    Some(format!("[{}, {}]", signed_number(low), signed_number(high)))
}

fn signed_number(value: f64) -> String {
    let text = format!("{:.5}", value.abs());
    match value {
        _ if text.bytes().all(|digit| matches!(digit, b'0' | b'.')) => text,
        value if value < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

/// `1,204`.
fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3.42 MB`, by powers of ten.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    let (unit, name) = match bytes {
        b if b < 1e3 => return format!("{bytes} B"),
        b if b < 1e6 => (1e3, "kB"),
        b if b < 1e9 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    let value = bytes / unit;
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {name}")
}

/// What has to be said beneath the table, a sentence or two each.
pub fn remarks(results: &Results) -> Vec<String> {
    let mut remarks = Vec::new();
    let (done, planned) = (results.num_done(), results.num_planned());
    if done < planned {
        remarks.push(format!("**Not complete: {done} of {planned} runs are done.**"));
    }
    let Some(first) = results.arms.first() else {
        return remarks;
    };
    let n = results.seeds.len();
    if results.arms.len() > 1 {
        remarks.push(format!(
            "Mean ± sample standard deviation over {n} {}. Δ is the arm less “{}” with the same seed, that is the same order \
             of examples and, where the shapes agree, the same initial values. {}",
            if n == 1 { "seed" } else { "seeds" },
            first.name,
            better(results)
        ));
        remarks.push(about_the_interval(n, results.arms.len() - 1));
    }
    if let Some(truth) = &results.truth {
        let test = truth.test;
        remarks.push(format!(
            "The labels were drawn with known probabilities. On the test split the Bayes LogLoss is {:.5}, the teacher's on the \
             labels as they fell {:.5} (the difference is chance, and every model's loss has it too), and who looks at no \
             feature has {:.5}.",
            test.bayes_log_loss, test.teacher_log_loss, test.base_rate_log_loss
        ));
    }
    remarks.push(where_computed(results));
    remarks
}

fn better(results: &Results) -> String {
    let said = results.metrics.iter().filter_map(|metric| {
        let better = metric.measure.better()?;
        Some(format!("{} is better in {}", better, metric.measure.label()))
    });
    let distinct: BTreeSet<String> = said.collect();
    let list: Vec<String> = distinct.into_iter().collect();
    match list.is_empty() {
        true => String::new(),
        false => {
            let text = list.join(", ");
            text[..1].to_uppercase() + &text[1..] + "."
        }
    }
}

/// What an interval on `n` seeds is worth, with `comparisons` arms set against the first.
fn about_the_interval(n: usize, comparisons: usize) -> String {
    let Some(t) = t_quantile(n.saturating_sub(1)) else {
        return "With one seed there is no telling a difference from chance: give the plan more seeds.".into();
    };
    let mut text = format!(
        "The 95 % interval is Student's for the mean of the differences ({} degrees of freedom, t = {t:.2}). It covers chance \
         in initial values and order of examples on this one split, not other data.",
        n - 1
    );
    if n < 10 {
        text += &format!(
            " {n} seeds are few: that the differences are normal cannot be checked, and the interval itself varies much from \
             one set of seeds to another. An interval that holds 0 shows no equality."
        );
    }
    if comparisons > 1 {
        text += &format!(" {comparisons} arms are compared with the first, and no interval is widened for that.");
    }
    text
}

fn where_computed(results: &Results) -> String {
    let devices: BTreeSet<&str> = results.runs().map(|(_, run)| run.summary.device.as_str()).collect();
    let devices: Vec<&str> = devices.into_iter().collect();
    let seconds: f64 = results.runs().map(|(_, run)| run.summary.seconds).sum();
    let mut text = format!(
        "Data: {}. {} runs on {}, {seconds:.1} s of training together. Tables are counted in f32, collapsed: factors \
         multiplied.",
        results.data,
        results.num_done(),
        if devices.is_empty() {
            "nothing".into()
        } else {
            devices.join(" and ")
        },
    );
    if devices.len() > 1 {
        text += " Devices round differently: compare the times of one device only.";
    }
    text
}

/// `results.md`: title, question, table, remarks.
pub fn document(results: &Results) -> String {
    let mut text = format!("# {}\n\n{}\n\n", results.title, results.question);
    text += &Table::of(results).markdown();
    for remark in remarks(results) {
        text += &format!("\n{remark}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_reading() {
        assert_eq!(signed_number(-0.001), "−0.00100");
        assert_eq!(signed_number(0.001), "+0.00100");
        assert_eq!(signed_number(-1e-9), "0.00000");
        assert_eq!(
            (thousands(7), thousands(1204), thousands(33_762_577)),
            ("7".into(), "1,204".into(), "33,762,577".into())
        );
        assert_eq!(
            (size(12), size(3_420_000), size(45_600)),
            ("12 B".into(), "3.42 MB".into(), "45.6 kB".into())
        );
    }

    #[test]
    fn a_table_is_markdown_whatever_a_name_holds() {
        let table = Table {
            header: vec!["arm".into(), "n".into()],
            rows: vec![vec!["a|b".into(), "1".into()]],
        };
        assert_eq!(table.markdown(), "| arm  |   n |\n|:-----|----:|\n| a\\|b |   1 |\n");
    }
}
