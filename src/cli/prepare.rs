//! `mlet prepare`.

use crate::cli::say;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::data::dataset::{Schema, Split};
use crate::data::prepare::{BadRows, Options, Phase, Progress, prepare};
use crate::data::source::Source;
use crate::data::{avazu, criteo, flights, parquet};

mod planted;

/// Arguments of `mlet prepare`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is prepared.
    #[command(subcommand)]
    kind: Kind,
}

/// The kinds of data.
#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// Criteo-Kaggle's train.txt: 13 integers, 26 categories; split by time
    CriteoKaggle(FileArgs),
    /// Avazu's train.csv: the hour, 21 categories; split at random
    Avazu(FileArgs),
    /// Parquet files and a TOML file that names their columns
    Parquet(ParquetArgs),
    /// The built-in real data: flights out of New York in 2013; split at random
    Flights(OutArgs),
    /// Data with a known truth: labels drawn from a teacher whose tables have a chosen rank and spectrum
    Planted(planted::PlantedArgs),
}

/// What every kind takes.
#[derive(Debug, clap::Args)]
struct OutArgs {
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of the random split
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Categories used fewer times than this in the training split share one row
    #[arg(long, value_name = "N")]
    min_count: Option<u64>,
    /// The most frequent N − 1 categories of a feature keep a row of their own, the others share one
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_rows_per_table: Option<usize>,
    /// Replace the data set in DIR, if there is one
    #[arg(long)]
    force: bool,
}

/// What a kind with a raw file takes.
#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The file: plain, .gz or .zst; - reads standard input
    input: PathBuf,
    #[command(flatten)]
    raw: RawArgs,
}

/// What `parquet` takes.
#[derive(Debug, clap::Args)]
struct ParquetArgs {
    /// A directory of .parquet files, or one file
    input: PathBuf,
    /// The TOML file that names the label, dense and categorical columns (docs/data.md)
    #[arg(long, value_name = "FILE")]
    columns: PathBuf,
    #[command(flatten)]
    raw: RawArgs,
}

/// What a kind takes that may have bad rows.
#[derive(Debug, clap::Args)]
struct RawArgs {
    /// A row that cannot be used ends the preparation, or goes to DIR/rejected.tsv
    #[arg(long, value_enum, default_value_t = BadRowsArg::Fail)]
    bad_rows: BadRowsArg,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum BadRowsArg {
    /// End; nothing is left behind
    Fail,
    /// Leave the row out, write it down with the reason
    Skip,
}

/// Runs `mlet prepare`.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.kind {
        Kind::CriteoKaggle(args) => {
            args.raw.out.keep_away_from(&args.input)?;
            run_source(
                &mut criteo::Criteo::open(&args.input)?,
                args.raw.bad_rows,
                &args.raw.out,
            )
        }
        Kind::Avazu(args) => {
            args.raw.out.keep_away_from(&args.input)?;
            run_source(&mut avazu::Avazu::open(&args.input)?, args.raw.bad_rows, &args.raw.out)
        }
        Kind::Parquet(args) => {
            args.raw.out.keep_away_from(&args.input)?;
            let columns = parquet::Columns::read(&args.columns)?;
            run_source(
                &mut parquet::Parquet::open(&args.input, columns)?,
                args.raw.bad_rows,
                &args.raw.out,
            )
        }
        Kind::Flights(out) => run_source(&mut flights::FlightsSource::open()?, BadRowsArg::Fail, &out),
        Kind::Planted(args) => planted::run(args),
    }
}

impl OutArgs {
    /// `--force` must not replace the directory that holds the input.
    fn keep_away_from(&self, input: &Path) -> anyhow::Result<()> {
        if let (Ok(out), Ok(input)) = (self.out.canonicalize(), input.canonicalize())
            && input.starts_with(&out)
        {
            anyhow::bail!("the input lies in --out {}: name another directory", self.out.display());
        }
        Ok(())
    }
}

fn run_source(source: &mut dyn Source, bad_rows: BadRowsArg, out: &OutArgs) -> anyhow::Result<()> {
    let options = Options {
        seed: out.seed,
        min_count: out.min_count,
        max_rows_per_table: out.max_rows_per_table,
        bad_rows: match bad_rows {
            BadRowsArg::Fail => BadRows::Fail,
            BadRowsArg::Skip => BadRows::Skip,
        },
        replace: out.force,
    };
    let interrupted = interrupt_flag()?;
    let bar = Bar::new();
    let start = Instant::now();
    let schema = prepare(source, &out.out, &options, &mut |progress| {
        bar.show(progress);
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.0.finish_and_clear();
    let summary = summary(&schema?, &out.out, start.elapsed().as_secs_f64());
    // the data set stands; that nobody reads the summary to its end (`| head -1`) is no failure
    say::text(&summary);
    Ok(())
}

/// Set by the first Ctrl-C; a second one ends the program at once (a read of standard input may never come back).
fn interrupt_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(flag)
}

/// A progress bar on standard error; nothing where that is not a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Bar {
        let hidden = !std::io::stderr().is_terminal();
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        };
        Bar(ProgressBar::with_draw_target(None, target))
    }

    fn show(&self, progress: Progress) {
        let template = match (progress.phase, progress.work.total) {
            (Phase::Read, Some(_)) => "reading {wide_bar} {percent:>3} % {msg}, {eta} left",
            (Phase::Read, None) => "reading {spinner} {msg}",
            (Phase::Write, _) => "writing {wide_bar} {percent:>3} % {msg}",
        };
        if self.0.length() != progress.work.total || progress.work.done < self.0.position() {
            self.0.reset();
            self.0
                .set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            progress
                .work
                .total
                .map_or_else(|| self.0.unset_length(), |total| self.0.set_length(total));
        }
        self.0.set_message(format!("{} rows", HumanCount(progress.rows)));
        self.0.set_position(progress.work.done);
    }
}

/// What was prepared, in a few lines.
fn summary(schema: &Schema, directory: &Path, seconds: f64) -> String {
    let rows = schema.rows.total();
    let mut lines = vec![format!(
        "{}: {} rows of {} ({})",
        directory.display(),
        HumanCount(rows),
        schema.kind,
        schema.source.name
    )];
    for split in Split::ALL {
        let (rows, positives) = (schema.rows.get(split), schema.positives.get(split));
        let percent = 100.0 * positives as f64 / rows.max(1) as f64;
        let rows = HumanCount(rows).to_string();
        lines.push(format!(
            "  {:<11}{rows:>14} rows, {percent:.2} % positive",
            split.name()
        ));
    }
    let largest = schema.categorical.iter().max_by_key(|feature| feature.num_embeddings);
    let largest = largest.map_or(String::new(), |feature| {
        let rows = HumanCount(feature.num_embeddings as u64);
        format!("; the largest is {} with {rows}", feature.name)
    });
    lines.push(format!(
        "  {} dense features, {} tables with {} rows together{largest}",
        schema.dense.len(),
        schema.categorical.len(),
        HumanCount(schema.total_embeddings())
    ));
    if schema.rejected > 0 {
        let file = directory.join("rejected.tsv");
        lines.push(format!(
            "  {} rows rejected: {}",
            HumanCount(schema.rejected),
            file.display()
        ));
    }
    let (bytes, rate) = (
        HumanBytes(schema.source.bytes),
        HumanCount((rows as f64 / seconds.max(1e-3)) as u64),
    );
    lines.push(format!("  {bytes} read in {seconds:.1} s ({rate} rows a second)\n"));
    lines.join("\n")
}
