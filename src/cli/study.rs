//! `mlet study`: a plan → what is missing → results.

mod progress;
mod runtime;

use crate::backend::gpu;
use crate::cli::say;
use crate::data::prepare::PrepareError;
use crate::report::study::{spectra, write_page, write_results};
use crate::report::study_ranks::Ranks;
use crate::study::prepared::{Prepared, PreparedError};
use crate::study::runs::{self, End, Event, Run, State};
use crate::study::runtime::RuntimePlan;
use crate::study::truth::Truth;
use crate::study::{Plan, Results, table, words};
use crate::train::summary::Summary;
use anyhow::{Context, bail};
use progress::StudyProgress;
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Arguments of `mlet study`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The study: a directory with a plan.toml
    #[arg(value_name = "DIR")]
    study: PathBuf,
    /// Where data, runs and results go [default: DIR/results]
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    /// auto, cpu, or a part of an adapter's name (see `mlet devices`)
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Exit status of a program that Ctrl-C ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// Runs `mlet study`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let out = args.out.clone().unwrap_or_else(|| args.study.join("results"));
    if let Some(plan) = RuntimePlan::load(&args.study)? {
        let _lock = lock(&out)?;
        return runtime::run(&plan, &args.device, &out);
    }
    let plan = Plan::load(&args.study)?;
    let gpu = adapter(&args.device)?;
    let _lock = lock(&out)?;
    let stop = super::train::stop_on_ctrl_c()?;
    let progress = StudyProgress::new(&plan);
    let Some(data) = provide(&plan, &out, &progress, &stop)? else {
        stopped(&args, "while the data were prepared");
    };
    let (done, pending) = sort(runs::runs(&plan, &data, &out), &data, &progress);
    let workers = assign(&plan, &args.device, gpu, pending.len());
    let pending = configured(pending, &workers);
    progress.begin(&pending, done.len(), &workers);
    let ends = runs::execute(&pending, &data, workers.runs, &stop, &|event: Event<'_>| {
        progress.show(&pending, event)
    });
    progress.done();
    let (done, failures) = collect(done, &pending, ends);
    let truth = Truth::load(&data.dataset.path)?;
    let results = Results::new(&plan, &data.dataset.schema, truth, &done);
    write_results(&results, &out)?;
    let mut text = summary(&results);
    if stop.load(Ordering::Relaxed) {
        show(&text);
        let (done, planned) = (results.num_done(), results.num_planned());
        stopped(&args, &format!("with {done} of {planned} runs done"));
    }
    if let Some((page, ranks)) = report(&results, &out)? {
        if let Some(ranks) = ranks {
            text += &format!("\n{}", ranks.markdown());
        }
        text += &format!("\n{}\n{}\n", out.join("results.md").display(), page.display());
    }
    show(&text);
    if !failures.is_empty() {
        let planned = results.num_planned();
        bail!(
            "{} of {planned} runs failed:\n  {}",
            failures.len(),
            failures.join("\n  ")
        );
    }
    Ok(())
}

/// The runs that are done now, and what became of those that failed.
fn collect(
    mut done: Vec<(Run, Summary)>,
    pending: &[(Run, State)],
    ends: Vec<(usize, End)>,
) -> (Vec<(Run, Summary)>, Vec<String>) {
    let mut failures = Vec::new();
    for (place, end) in ends {
        let run = &pending[place].0;
        match end {
            End::Finished(summary) => done.push((run.clone(), *summary)),
            End::Failed(error) => failures.push(format!("{}: {error}", progress::title(run))),
            End::Interrupted(_) => {}
        }
    }
    (done, failures)
}

/// Measures the tables and writes the page; gives its path, and the planted ranks beside the recovered ones where they are
/// known.
fn report(results: &Results, out: &Path) -> anyhow::Result<Option<(PathBuf, Option<Ranks>)>> {
    let bar = super::spectrum::bar();
    let mut show = |progress| super::spectrum::show(&bar, progress);
    let spectra = spectra(results, out, &mut show)?;
    let page = write_page(results, &spectra, out, &mut show)?;
    bar.finish_and_clear();
    Ok(page.map(|page| (page, Ranks::of(results, &spectra))))
}

/// Two studies in one folder would write over one another.
fn lock(out: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let path = out.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another mlet study is at work in {}", out.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// The data set; `None` if Ctrl-C came first.
fn provide(plan: &Plan, out: &Path, progress: &StudyProgress, stop: &AtomicBool) -> anyhow::Result<Option<Prepared>> {
    let folder = out.join("data");
    let prepared = plan
        .data
        .provide(&folder, &mut |origin| progress.data(origin, &folder), &mut |work| {
            progress.preparing(work);
            match stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
    match prepared {
        Err(PreparedError::Prepare(PrepareError::Interrupted)) => Ok(None),
        prepared => Ok(Some(prepared?)),
    }
}

/// Done runs with their results, and the others with what stands in their folders.
type Sorted = (Vec<(Run, Summary)>, Vec<(Run, State)>);

/// Which runs are done and which are not.
fn sort(runs: Vec<Run>, data: &Prepared, progress: &StudyProgress) -> Sorted {
    let (mut done, mut pending) = (Vec::new(), Vec::new());
    for run in runs {
        match run.state(data) {
            State::Done(summary) => done.push((run, *summary)),
            state => {
                progress.found(&run, &state);
                pending.push((run, state));
            }
        }
    }
    (done, pending)
}

/// How the machine is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Workers {
    /// What computes, as a run's configuration names it.
    device: String,
    /// The same for people.
    said: String,
    /// Runs at the same time.
    runs: usize,
    /// Threads of the CPU backend for each; 0 on a GPU.
    threads: usize,
}

/// On the CPU as many runs at the same time as there are cores, since a small model's step hardly gains from a second
/// thread; a GPU works on one after the other.
fn assign(plan: &Plan, device: &str, gpu: Option<String>, pending: usize) -> Workers {
    if let Some(said) = gpu {
        return Workers {
            device: device.to_owned(),
            said,
            runs: 1,
            threads: 0,
        };
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runs = plan.parallel.unwrap_or(cores).min(pending).max(1);
    Workers {
        device: "cpu".into(),
        said: if device == "cpu" {
            "cpu"
        } else {
            "cpu (auto: no GPU found)"
        }
        .into(),
        runs,
        threads: (cores / runs).max(1),
    }
}

/// The adapter that a name means; `None` for the CPU.
fn adapter(device: &str) -> anyhow::Result<Option<String>> {
    if device == "cpu" {
        return Ok(None);
    }
    Ok(gpu::choose(device)?.map(|adapter| adapter.description.label()))
}

fn configured(pending: Vec<(Run, State)>, workers: &Workers) -> Vec<(Run, State)> {
    let place = |(mut run, state): (Run, State)| {
        run.config.device = workers.device.clone();
        run.config.threads = workers.threads;
        (run, state)
    };
    pending.into_iter().map(place).collect()
}

/// The question, what the table says, the table and the remarks.
fn summary(results: &Results) -> String {
    let mut text = format!("{}\n\n", results.question);
    for sentence in words::sentences(results) {
        text += &format!("* {sentence}\n");
    }
    text += &format!("\n{}", table::Table::of(results).markdown());
    for remark in words::remarks(results) {
        text += &format!("\n{remark}\n");
    }
    text
}

/// Prints it. That nobody reads it to its end, as behind `| head`, is no failure: all is on disk.
fn show(text: &str) {
    say::text(text);
}

/// Ends the program after Ctrl-C.
fn stopped(args: &Args, when: &str) -> ! {
    let out = args
        .out
        .as_ref()
        .map_or(String::new(), |out| format!(" --out {}", out.display()));
    let device = if args.device == "auto" {
        String::new()
    } else {
        format!(" --device {}", args.device)
    };
    eprintln!(
        "stopped {when}; go on with: mlet study {}{out}{device}",
        args.study.display()
    );
    std::process::exit(INTERRUPTED);
}
