//! Progress of a study: bars on a terminal, plain lines otherwise.

use super::Workers;
use crate::data::prepare::{Phase, Progress};
use crate::study::Plan;
use crate::study::metric::Metric;
use crate::study::prepared::Origin;
use crate::study::runs::{End, Event, Run, State};
use crate::train::summary::Summary;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shows a study's progress on standard error.
pub(super) struct StudyProgress {
    bars: MultiProgress,
    terminal: bool,
    /// One a run under way, by its place.
    under_way: Mutex<HashMap<usize, ProgressBar>>,
    preparing: ProgressBar,
    finished: AtomicUsize,
    planned: usize,
}

/// `two layers (64, 8), seed 1`.
pub(super) fn title(run: &Run) -> String {
    format!("{}, seed {}", run.name, run.seed)
}

/// An indicatif style that is known to parse.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl StudyProgress {
    pub fn new(plan: &Plan) -> Self {
        let (arms, seeds) = (plan.arms.len(), plan.seeds.len());
        let progress = Self {
            bars: MultiProgress::new(),
            terminal: std::io::stderr().is_terminal(),
            under_way: Mutex::default(),
            preparing: ProgressBar::hidden(),
            finished: AtomicUsize::new(0),
            planned: arms * seeds,
        };
        let title = &plan.title;
        let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        progress.line(&format!(
            "{title}: {} with {}, {}",
            plural(arms, "arm"),
            plural(seeds, "seed"),
            plural(arms * seeds, "run")
        ));
        progress
    }

    /// A line that stays, above the bars.
    fn line(&self, text: &str) {
        // Where standard error is no terminal, indicatif draws nothing, lines included.
        if !self.terminal || self.bars.println(text).is_err() {
            eprintln!("{text}");
        }
    }

    /// How the data set came to be there.
    pub fn data(&self, origin: Origin, folder: &Path) {
        match origin {
            Origin::There => {}
            Origin::Missing => self.line(&format!("preparing the data into {}", folder.display())),
            Origin::Changed => {
                let folder = folder.display();
                self.line(&format!(
                    "the plan's [data] has changed: preparing {folder} again, and every run with it"
                ));
            }
        }
    }

    pub fn preparing(&self, progress: Progress) {
        if !self.terminal {
            return;
        }
        let bar = &self.preparing;
        if bar.is_hidden() {
            self.bars.add(bar.clone());
            bar.set_style(style("{bar:30} {percent:>3} % {msg}"));
        }
        let what = match progress.phase {
            Phase::Read => "reading",
            Phase::Write => "writing",
        };
        bar.set_message(format!("{what}, {} rows", progress.rows));
        bar.set_length(progress.work.total.unwrap_or(progress.work.done));
        bar.set_position(progress.work.done);
    }

    /// A run that has to be made: why, if something stands in its folder.
    pub fn found(&self, run: &Run, state: &State) {
        match state {
            State::Changed(why) => self.line(&format!("{}: made again, {why}", title(run))),
            State::Half => self.line(&format!("{}: goes on where it stopped", title(run))),
            State::Done(_) | State::Missing => {}
        }
    }

    pub fn begin(&self, pending: &[(Run, State)], done: usize, workers: &Workers) {
        self.preparing.finish_and_clear();
        self.finished.store(done, Ordering::Relaxed);
        if done > 0 {
            self.line(&format!("{done} of {} runs are done already", self.planned));
        }
        if pending.is_empty() {
            return;
        }
        let threads = match workers.threads {
            0 => String::new(),
            1 => ", one thread each".into(),
            threads => format!(", {threads} threads each"),
        };
        let runs = match workers.runs {
            1 => "one after the other".into(),
            runs => format!("{runs} at the same time"),
        };
        self.line(&format!("{} runs on {}, {runs}{threads}", pending.len(), workers.said));
        let mut warned = Vec::new();
        for (run, _) in pending {
            if let Some(warning) = run.config.warning()
                && !warned.contains(&run.arm)
            {
                warned.push(run.arm);
                self.line(&format!("warning: {}: {warning}", run.name));
            }
        }
    }

    pub fn show(&self, pending: &[(Run, State)], event: Event<'_>) {
        match event {
            Event::Begin(place, _, start, end) => self.begin_run(place, &title(&pending[place].0), start, end),
            Event::Step(place, step) => self.with_bar(place, |bar| bar.set_position(step)),
            Event::Metric(place, metric) => {
                self.with_bar(place, |bar| bar.set_message(format!("loss {:.4}", metric.loss)));
            }
            Event::Evaluating(place) => self.with_bar(place, |bar| bar.set_message("evaluating")),
            Event::End(place, end) => {
                self.with_bar(place, ProgressBar::finish_and_clear);
                self.end_run(&title(&pending[place].0), end);
            }
        }
    }

    fn begin_run(&self, place: usize, title: &str, start: u64, end: u64) {
        if !self.terminal {
            return;
        }
        let bar = self.bars.add(ProgressBar::new(end));
        bar.set_style(style("{prefix} {bar:24} {pos}/{len} steps  {msg}  {eta} left"));
        bar.set_prefix(title.to_owned());
        bar.set_position(start);
        bar.reset_eta();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.insert(place, bar);
    }

    fn with_bar(&self, place: usize, act: impl FnOnce(&ProgressBar)) {
        if !self.terminal {
            return;
        }
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = under_way.get(&place) {
            act(bar);
        }
    }

    fn end_run(&self, title: &str, end: &End) {
        let text = match end {
            End::Finished(summary) => {
                let finished = self.finished.fetch_add(1, Ordering::Relaxed) + 1;
                let planned = self.planned;
                let width = planned.to_string().len();
                format!("[{finished:>width$}/{planned}] {title}: {}", in_short(summary))
            }
            End::Interrupted(step) => format!("{title}: stopped after step {step}, with a checkpoint"),
            End::Failed(error) => format!("{title}: failed: {error}"),
        };
        self.line(&text);
    }

    pub fn done(&self) {
        let _ = self.bars.clear();
    }
}

fn in_short(summary: &Summary) -> String {
    let values = Metric::DEFAULT.iter().filter_map(|metric| {
        let value = metric.of(summary)?;
        Some(format!("{} {value:.5}", metric.label()))
    });
    let values: Vec<String> = values.collect();
    format!("{}, {:.1} s", values.join(", "), summary.seconds)
}
