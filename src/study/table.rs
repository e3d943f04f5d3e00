//! A study's results as tables of texts, and as Markdown.

use super::metric::{Measure, Metric};
use super::results::{ArmResults, Results};
use super::statistics::{Difference, Sample};
use super::words;
use crate::data::schema::Split;

/// A table of texts: the header, then the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns. A line break in a cell is a space in Markdown.
    pub header: Vec<String>,
    /// As many cells as the header has, in every row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// One line an arm.
    pub fn of(results: &Results) -> Table {
        let mut header: Vec<String> = ["arm", "parameters", "tables in\ntraining", "tables\ncollapsed"]
            .map(String::from)
            .to_vec();
        for metric in &results.metrics {
            header.push(metric.label());
            if results.arms.len() > 1 {
                header.push(format!("Δ {}\n[95 %]", metric.label()));
            }
        }
        if results.truth.is_some() {
            header.push("test LogLoss\nover Bayes".into());
        }
        header.push("seconds".into());
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
        if results.arms.len() > 1 {
            cells.push(difference.map_or(none(), |difference| {
                with_interval(spread(&difference.sample, true), &difference)
            }));
        }
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
    let seconds: Vec<f64> = arm.runs.iter().map(|run| run.summary.seconds).collect();
    cells.push(Sample::of(&seconds).map_or(none(), |sample| format!("{:.1}", sample.mean)));
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

/// The interval behind the mean, on a line of its own.
fn with_interval(mean: String, difference: &Difference) -> String {
    match difference.interval {
        Some([low, high]) => format!("{mean}\n[{}, {}]", signed_number(low), signed_number(high)),
        None => mean,
    }
}

/// Five digits, with a sign unless they are all 0.
pub fn signed_number(value: f64) -> String {
    let text = format!("{:.5}", value.abs());
    match value {
        _ if text.bytes().all(|digit| matches!(digit, b'0' | b'.')) => text,
        value if value < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

/// `1,204`.
pub fn thousands(value: u64) -> String {
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

/// Every pair of arms in the first metric: the row's arm less the column's. `None` for fewer than three arms, where it says
/// no more than the table of the arms, and for more than eight, where nobody could read it.
pub fn pairs(results: &Results) -> Option<Table> {
    let &metric = results.metrics.first()?;
    let arms = &results.arms;
    if !(3..=8).contains(&arms.len()) {
        return None;
    }
    let columns = &arms[..arms.len() - 1];
    let header = std::iter::once(format!("Δ {}", metric.label()));
    let cell = |one: &ArmResults, other: &ArmResults| {
        let Some(difference) = results.difference_between(one, other, metric) else {
            return "–".to_owned();
        };
        with_interval(signed_number(difference.sample.mean), &difference)
    };
    let rows = arms.iter().enumerate().skip(1).map(|(place, one)| {
        let cells = columns.iter().enumerate().map(|(column, other)| match column < place {
            true => cell(one, other),
            false => String::new(),
        });
        std::iter::once(one.name.clone()).chain(cells).collect()
    });
    Some(Table {
        header: header
            .chain(columns.iter().map(|arm| format!("less {}", arm.name)))
            .collect(),
        rows: rows.collect(),
    })
}

/// `results.md`: title, question, what the table says, the table, every pair, remarks.
pub fn document(results: &Results) -> String {
    let mut text = format!("# {}\n\n{}\n\n", results.title, results.question);
    for sentence in words::sentences(results) {
        text += &format!("* {sentence}\n");
    }
    text += &format!("\n{}", Table::of(results).markdown());
    for remark in words::remarks(results) {
        text += &format!("\n{remark}\n");
    }
    if let Some(pairs) = pairs(results) {
        text += &format!("\nEvery pair, by seed, with the 95 % interval:\n\n{}", pairs.markdown());
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
