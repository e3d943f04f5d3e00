//! A study of time: arms in turn, in this process, on the device at hand.

use crate::cli::say;
use crate::report::runtime::write;
use crate::study::runtime::{RuntimePlan, RuntimeResults, arms, remarks, sentences};
use crate::train::bench::{Observer, Setup, measure};
use crate::train::memory::Needs;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::Path;

/// Measures, and writes what came out.
pub(super) fn run(plan: &RuntimePlan, device: &str, out: &Path) -> anyhow::Result<()> {
    let setups: Vec<Setup> = plan.arms.iter().map(|arm| on(device, &arm.setup)).collect();
    eprintln!(
        "{} arms in turn, {} rounds, about {:.0} s; anything else that runs here will be measured with them",
        setups.len(),
        plan.effort.rounds,
        plan.effort.seconds
    );
    let mut progress = Progress::new(plan);
    let measured = measure(&setups, &plan.effort, &mut progress)?;
    progress.bar.finish_and_clear();
    let results = RuntimeResults::new(plan, measured);
    let page = write(&results, out)?;
    say::text(&text(&results, out, &page));
    Ok(())
}

fn on(device: &str, setup: &Setup) -> Setup {
    let mut setup = setup.clone();
    setup.config.device = device.to_owned();
    setup
}

/// The question, what the table says, the table and the remarks.
fn text(results: &RuntimeResults, out: &Path, page: &Path) -> String {
    let mut text = format!("{}\n\n", results.question);
    for sentence in sentences(results) {
        text += &format!("* {sentence}\n");
    }
    text += &format!("\n{}", arms(results).markdown());
    for remark in remarks(results) {
        text += &format!("\n{remark}\n");
    }
    text + &format!("\n{}\n{}\n", out.join("results.md").display(), page.display())
}

/// Rounds on standard error.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(plan: &RuntimePlan) -> Self {
        let bar = ProgressBar::with_draw_target(Some(plan.effort.rounds as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} round {pos} of {len}  {eta} left");
        bar.set_style(style.unwrap_or(ProgressStyle::default_bar()));
        Self { bar }
    }
}

impl Observer for Progress {
    fn needs(&mut self, setup: &Setup, needs: &Needs) {
        self.bar.suspend(|| eprintln!("{}: needs {needs}", setup.words()));
    }

    fn round(&mut self, done: usize, _of: usize) {
        self.bar.set_position(done as u64);
    }
}
