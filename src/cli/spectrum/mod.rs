//! `mlet spectrum`.

mod partial;

use crate::cli::say::say;
use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::record::{Feature, Report};
use crate::report::row_words::sentences;
use crate::report::run::{Options, Progress, measure, write};
use crate::report::words::{thousands, three_digits};

/// Arguments of `mlet spectrum`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of runs, or files of tables: .safetensors (or the index of a sharded set), .npy, .npz, .parquet, .arrow, .pt, or word vectors
    /// as .txt; several are laid over one another, feature by feature
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Folder of the report; made where it is missing, its files replaced where they are there
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "partial",
        conflicts_with = "partial"
    )]
    out: Option<PathBuf>,
    /// What the inputs are called in the report, in their order; with --partial, what the one table of INPUT is called
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// From how many uses in training a row counts as frequent (runs only)
    #[arg(long, default_value_t = 20)]
    min_frequency: u64,
    /// Count singular values above this share of the greatest; the first of several is the one shown
    #[arg(long, value_name = "SHARE", default_values_t = [0.01], value_parser = share)]
    tau: Vec<f64>,
    /// Take the matrices whose names match as tables, and no others (a glob, may be repeated)
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out tensors whose names match, also those to be included (a glob, may be repeated)
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Decide counts that the intervals of the singular values leave open by exact integer arithmetic, and find the exact rank
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    parts: partial::Args,
    /// Leave out what is said of the rows (norms, zero, untrained and repeated rows, centred and weighted spectra), which takes further
    /// passes over the tables
    #[arg(long)]
    no_row_statistics: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err("must lie between 0 and 1".into())
    }
}

/// Runs `mlet spectrum`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        inputs,
        out,
        name,
        min_frequency,
        tau,
        include,
        exclude,
        exact,
        parts,
        no_row_statistics,
    } = args;
    ensure!(
        name.len() <= inputs.len(),
        "{} names for {} inputs: give --name at most once an input",
        name.len(),
        inputs.len()
    );
    let options = Options {
        min_frequency,
        taus: tau,
        tables: crate::spectrum::sources::Options { include, exclude },
        exact,
        row_statistics: !no_row_statistics,
    };
    let bar = bar();
    let mut show = |progress: Progress| show(&bar, progress);
    let report = match parts.run(&inputs, &name, &options)? {
        partial::Next::Done => return Ok(()),
        partial::Next::Show(report) => *report,
        partial::Next::Measure => {
            let mut names = name.into_iter();
            let inputs: Vec<_> = inputs.into_iter().map(|path| (path, names.next())).collect();
            measure(&inputs, &options, &mut show)?
        }
    };
    let out = out.unwrap_or_default(); // clap has asked for it
    let page = write(&report, &out, &mut show).with_context(|| format!("the report in {}", out.display()))?;
    bar.finish_and_clear();
    print_table(&report);
    print_rows(&report);
    for model in &report.models {
        for note in &model.notes {
            say!("note: {}: {note}", model.name);
        }
        if !model.left_out.is_empty() {
            say!(
                "{}: {} left out (listed in the report)",
                model.name,
                match model.left_out.len() {
                    1 => "1 tensor".to_string(),
                    count => format!("{count} tensors"),
                }
            );
        }
    }
    say!("{}", page.display());
    let failed: Vec<String> = (report.models.iter())
        .flat_map(|model| {
            model
                .failed
                .iter()
                .map(|table| format!("`{}` of {}: {}", table.name, model.name, table.reason))
        })
        .collect();
    ensure!(
        failed.is_empty(),
        "not all tables could be measured: {}",
        failed.join("; ")
    );
    Ok(())
}

/// What is worth saying of rows, for the largest tables.
fn print_rows(report: &Report) {
    const MOST: usize = 10;
    for model in &report.models {
        let said: Vec<String> = (model.features.iter())
            .map(|feature| (feature, sentences(feature)))
            .filter(|(_, said)| !said.is_empty())
            .map(|(feature, said)| format!("rows: {}: {}: {}", model.name, feature.name, said.join(" ")))
            .collect();
        said.iter().take(MOST).for_each(|line| say!("{line}"));
        if said.len() > MOST {
            say!("rows: {}: {} more tables in the report", model.name, said.len() - MOST);
        }
    }
}

/// A bar on a terminal, nothing elsewhere: measuring is a matter of seconds.
pub(super) fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(1).with_style(style)
}

/// Moves the bar.
pub(super) fn show(bar: &ProgressBar, progress: Progress) {
    match progress {
        Progress::Reading(path) => bar.set_message(format!("reading {}", path.display())),
        Progress::Measuring(model, done, all, feature) => {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message(format!("{model}: {feature}"));
        }
        Progress::Drawing(done, all) => {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message("drawing");
        }
    }
}

/// The features, the largest first.
fn print_table(report: &Report) {
    let several = report.models.len() > 1;
    let tau = report.taus.first().copied().unwrap_or(0.01);
    let mut lines: Vec<Vec<String>> = vec![
        [
            "feature",
            "model",
            "n",
            "d",
            "eff. rank",
            "at start",
            "frequent",
            &format!(">{}%", 100.0 * tau),
            "99% energy",
        ]
        .map(String::from)
        .to_vec(),
    ];
    for name in report.feature_names() {
        for (_, model, feature) in report.of_feature(name) {
            lines.push(cells(&model.name, feature));
        }
    }
    // Columns that say nothing are left away.
    let empty = |column: usize| lines[1..].iter().all(|line| line[column].is_empty());
    let shown: Vec<usize> = (0..lines[0].len())
        .filter(|&c| (c != 1 || several) && !empty(c))
        .collect();
    let width = |c: usize| lines.iter().map(|line| line[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    for line in &lines {
        let cells: Vec<String> = shown
            .iter()
            .map(|&c| {
                if c < 2 {
                    format!("{:<1$}", line[c], widths[c])
                } else {
                    format!("{:>1$}", line[c], widths[c])
                }
            })
            .collect();
        say!("{}", cells.join("  ").trim_end());
    }
}

fn cells(model: &str, feature: &Feature) -> Vec<String> {
    let measures = &feature.spectrum.measures;
    let rank = |s: Option<&crate::report::record::Spectrum>| {
        s.map(|s| three_digits(s.measures.effective_rank)).unwrap_or_default()
    };
    vec![
        feature.name.clone(),
        model.to_string(),
        thousands(feature.n),
        feature.d.to_string(),
        three_digits(measures.effective_rank),
        rank(feature.initial.as_ref()),
        rank(feature.frequent.as_ref().map(|f| &f.spectrum)),
        measures.ranks_at.first().map(|r| r.1.to_string()).unwrap_or_default(),
        measures.energy_dim_99.to_string(),
    ]
}
