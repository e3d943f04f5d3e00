//! `mlet study`: a plan → what is missing → results.

mod progress;

use crate::backend::gpu;
use crate::data::prepare::PrepareError;
use crate::report::study::write_results;
use crate::study::prepared::{Prepared, PreparedError};
use crate::study::runs::{self, End, Event, Run, State};
use crate::study::truth::Truth;
use crate::study::{Plan, Results, table};
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
    let plan = Plan::load(&args.study)?;
    let out = args.out.clone().unwrap_or_else(|| args.study.join("results"));
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let _lock = lock(&out)?;
    let stop = super::train::stop_on_ctrl_c()?;
    let progress = StudyProgress::new(&plan);
    let Some(data) = provide(&plan, &out, &progress, &stop)? else {
        stopped(&args, "while the data were prepared");
    };
    let (mut done, pending) = sort(runs::runs(&plan, &data, &out), &data, &progress);
    let workers = assign(&plan, &args.device, pending.len())?;
    let pending = configured(pending, &args.device, workers);
    progress.begin(&pending, done.len(), workers);
    let ends = runs::execute(&pending, &data, workers.runs, &stop, &|event: Event<'_>| {
        progress.show(&pending, event)
    });
    progress.done();
    let mut failures = Vec::new();
    for (place, end) in ends {
        match end {
            End::Finished(summary) => done.push((pending[place].0.clone(), *summary)),
            End::Failed(error) => failures.push(format!("{}: {error}", progress::title(&pending[place].0))),
            End::Interrupted(_) => {}
        }
    }
    done.sort_by_key(|(run, _)| (run.arm, plan.seeds.iter().position(|&seed| seed == run.seed)));
    let truth = Truth::load(&data.dataset.path)?;
    let results = Results::new(&plan, &data.dataset.schema, truth, &done);
    write_results(&results, &out)?;
    print(&results);
    if stop.load(Ordering::Relaxed) {
        stopped(
            &args,
            &format!("with {} of {} runs done", results.num_done(), results.num_planned()),
        );
    }
    if !failures.is_empty() {
        bail!(
            "{} of {} runs failed:\n  {}",
            failures.len(),
            results.num_planned(),
            failures.join("\n  ")
        );
    }
    println!("\n{}", out.join("results.md").display());
    Ok(())
}

/// Two studies in one folder would write over one another.
fn lock(out: &Path) -> anyhow::Result<File> {
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
#[derive(Debug, Clone, Copy)]
struct Workers {
    /// Runs at the same time.
    runs: usize,
    /// Threads of the CPU backend for each.
    threads: usize,
}

/// On the CPU as many runs at the same time as there are cores, since a small model's step hardly gains from a second
/// thread; a GPU works on one after the other.
fn assign(plan: &Plan, device: &str, pending: usize) -> anyhow::Result<Workers> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = device == "cpu" || pending == 0 || gpu::choose(device)?.is_none();
    if !cpu {
        return Ok(Workers { runs: 1, threads: 0 });
    }
    let runs = plan.parallel.unwrap_or(cores).min(pending).max(1);
    let threads = (cores / runs).max(1);
    Ok(Workers { runs, threads })
}

fn configured(pending: Vec<(Run, State)>, device: &str, workers: Workers) -> Vec<(Run, State)> {
    let place = |(mut run, state): (Run, State)| {
        run.config.device = device.to_owned();
        run.config.threads = workers.threads;
        (run, state)
    };
    pending.into_iter().map(place).collect()
}

fn print(results: &Results) {
    println!("{}\n", results.question);
    print!("{}", table::Table::of(results).markdown());
    for remark in table::remarks(results) {
        println!("\n{remark}");
    }
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
