//! `mlet compress`: every table at a rank that keeps what matters, and what that costs.

use crate::cli::say::say;
use crate::data::dataset::Dataset;
use crate::data::schema::Split;
use crate::report::quality::{BeforeAfter, Record, write};
use crate::spectrum::sources;
use crate::train::compress::{CompressError, Goal, Model, quality};
use crate::train::engine::Engine;
use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Arguments of `mlet compress`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("goal").required(true))]
pub struct Args {
    /// A run's folder, a checkpoint, or a file of tables as `mlet spectrum` reads them
    model: PathBuf,
    /// Every table keeps this share of its energy Σσ², above 0 and at most 1
    #[arg(long, group = "goal", value_name = "SHARE", value_parser = share)]
    energy: Option<f64>,
    /// All tables together take at most so many bytes: 1500000, 10MB, 512KiB
    #[arg(long, group = "goal", value_name = "BYTES", value_parser = bytes)]
    budget: Option<u64>,
    /// TOML file of ranks, feature = d'; features that it does not name stay as they are
    #[arg(long, group = "goal", value_name = "FILE")]
    rank: Option<PathBuf>,
    /// The compressed model
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Prepared data set: measure LogLoss and AUC before and after, and draw them against bytes
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Split measured before and after (the curve is measured on the validation split)
    #[arg(long, default_value = "test", requires = "data")]
    split: String,
    /// Shares of energy at which the curve is measured
    #[arg(long, value_delimiter = ',', value_parser = share, value_name = "SHARES",
        default_values_t = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999])]
    curve: Vec<f64>,
    /// Draw no curve
    #[arg(long)]
    no_curve: bool,
    /// auto, cpu, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads of the CPU backend; 0: all
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Take the matrices whose names match as tables, and no others (a glob, may be repeated)
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out tensors whose names match: they are copied (a glob, may be repeated)
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        Err("must be above 0 and at most 1".into())
    }
}

/// `1500`, `10k`, `10MB`, `1.5 GiB`: a number and a unit of 1000 or, with an i, of 1024.
fn bytes(text: &str) -> Result<u64, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (prefix, base) = match unit.strip_suffix('i') {
        Some(prefix) => (prefix, 1024f64),
        None => (unit, 1000.0),
    };
    let power = match prefix {
        "" if base == 1000.0 => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err("a number of bytes, as in 1500000, 10MB or 512KiB".into()),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{number}` is no number"))?;
    Ok((number * base.powi(power)).floor() as u64)
}

/// Runs `mlet compress`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let (goal, said) = goal(&args)?;
    let options = sources::Options {
        include: args.include.clone(),
        exclude: args.exclude.clone(),
    };
    let stop = stop_on_ctrl_c()?;
    let bar = super::spectrum::bar();
    let mut show = |done: usize, all: usize, name: &str| step(&bar, done, all, name);
    let model = Model::open(&args.model, &options, &mut show)?;
    let measured = match &args.data {
        Some(data) => Some(Measured::open(&args, &model, data)?),
        None => None,
    };
    let choice = model.choose(&goal)?;
    let tables = model.write(&choice.forms, &args.out, &stop, &mut show)?;
    let mut record = Record::new(&args.model, said, model.stored_bytes(), &choice, tables);
    let mut before = None;
    if let Some(mut measured) = measured {
        before = measured.measure(&args, &model, &mut record, &mut show)?;
    }
    bar.finish_and_clear();
    print(&record);
    say!("{}", args.out.display());
    for file in write(&record, before, &args.out)? {
        say!("{}", file.display());
    }
    Ok(())
}

/// What is asked for, and how it is said in the record.
fn goal(args: &Args) -> anyhow::Result<(Goal, String)> {
    Ok(match (args.energy, args.budget, &args.rank) {
        (Some(share), _, _) => (Goal::Energy(share), format!("--energy {share}")),
        (_, Some(bytes), _) => (Goal::Budget(bytes), format!("--budget {bytes}")),
        (_, _, Some(file)) => (Goal::Ranks(ranks(file)?), format!("--rank {}", file.display())),
        _ => anyhow::bail!("one of --energy, --budget and --rank is needed"),
    })
}

/// The ranks of a TOML file.
fn ranks(file: &Path) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut ranks = BTreeMap::new();
    for (feature, value) in crate::model::config::read_table(file)? {
        let rank = value.as_integer().and_then(|rank| usize::try_from(rank).ok());
        let rank = rank.with_context(|| {
            format!(
                "{}: {feature} = {value}: a rank is a whole number, and a name with dots stands in quotes",
                file.display()
            )
        })?;
        ranks.insert(feature, rank);
    }
    ensure!(
        !ranks.is_empty(),
        "{} names no feature: write lines of the form C1 = 4",
        file.display()
    );
    Ok(ranks)
}

/// The data that quality is measured on.
struct Measured {
    dataset: Dataset,
    split: Split,
    engine: Engine,
}

impl Measured {
    /// Everything that can be refused is refused before the long work.
    fn open(args: &Args, model: &Model, data: &Path) -> anyhow::Result<Self> {
        if !model.is_own() {
            return Err(CompressError::Foreign(args.model.clone()).into());
        }
        let split = super::evaluate::split(&args.split)?;
        let dataset = Dataset::open(data)?;
        let engine = Engine::open(&args.device, args.threads)?;
        eprintln!("evaluating on {}", engine.description());
        Ok(Self { dataset, split, engine })
    }

    /// Fills the record's quality and curve; returns the LogLoss before on the curve's split.
    fn measure(
        &mut self,
        args: &Args,
        model: &Model,
        record: &mut Record,
        show: &mut dyn FnMut(usize, usize, &str),
    ) -> anyhow::Result<Option<f64>> {
        let Self { dataset, split, engine } = self;
        show(0, 1, "quality before and after");
        record.quality = Some(BeforeAfter {
            split: split.name(),
            before: quality::of_file(&args.model, dataset, *split, engine)?,
            after: quality::of_file(&args.out, dataset, *split, engine)?,
        });
        if args.no_curve {
            return Ok(None);
        }
        let before = quality::of_file(&args.model, dataset, Split::Validation, engine)?;
        record.curve = model.curve(&args.out, &args.curve, (dataset, Split::Validation), engine, show)?;
        Ok(Some(before.log_loss))
    }
}

/// A flag that Ctrl-C raises: what is half written is removed. A second Ctrl-C ends at once.
fn stop_on_ctrl_c() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = stop.clone();
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nstopping (Ctrl-C again: at once)");
    })?;
    Ok(stop)
}

fn step(bar: &ProgressBar, done: usize, all: usize, name: &str) {
    bar.set_length(all as u64);
    bar.set_position(done as u64);
    bar.set_message(name.to_string());
}

fn print(record: &Record) {
    let name = record
        .tables
        .iter()
        .map(|t| t.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(7);
    say!(
        "{:<name$} {:>10} {:>4} {:>4} {:>14} {:>14} {:>9} {:>10} {:>10}",
        "feature",
        "n",
        "d",
        "d'",
        "bytes",
        "saved",
        "energy",
        "error",
        "least"
    );
    for table in &record.tables {
        say!(
            "{:<name$} {:>10} {:>4} {:>4} {:>14} {:>14} {:>9.5} {:>10.3e} {:>10.3e}",
            table.name,
            table.n,
            table.d,
            table.rank.map_or("–".into(), |rank| rank.to_string()),
            table.bytes,
            table.stored_bytes - table.bytes,
            table.energy,
            table.error,
            table.least_error
        );
    }
    say!(
        "tables: {} → {} bytes ({:.1} %)",
        record.stored_bytes,
        record.bytes,
        100.0 * record.bytes as f64 / record.stored_bytes.max(1) as f64
    );
    if let Some(quality) = &record.quality {
        let auc = |auc: Option<f64>| auc.map_or("–".into(), |auc| format!("{auc:.5}"));
        say!(
            "{}: LogLoss {:.5} → {:.5}, AUC {} → {}",
            quality.split,
            quality.before.log_loss,
            quality.after.log_loss,
            auc(quality.before.auc),
            auc(quality.after.auc)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_they_are_written() {
        for (text, count) in [
            ("1500", 1500),
            ("10MB", 10_000_000),
            ("10m", 10_000_000),
            ("512KiB", 524_288),
            ("1.5 GiB", 1_610_612_736),
            ("7B", 7),
        ] {
            assert_eq!(bytes(text), Ok(count), "{text}");
        }
        for text in ["", "MB", "10XB", "1e3", "-5", "10 i", "1.2.3k"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
