//! Progress of a training run: a bar with loss and ETA on a terminal, plain lines otherwise.

use crate::train::memory::Needs;
use crate::train::run::{Metric, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Shows a run's progress on standard error.
pub struct TrainProgress {
    bar: ProgressBar,
    terminal: bool,
    lines: u64,
}

impl TrainProgress {
    /// Nothing is shown before the run begins.
    pub fn new() -> Self {
        Self {
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            terminal: std::io::stderr().is_terminal(),
            lines: 0,
        }
    }

    /// Clears the bar.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

impl Default for TrainProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for TrainProgress {
    fn memory(&mut self, needs: &Needs) {
        eprintln!("needs {needs}");
    }

    fn begin(&mut self, device: &str, start: u64, end: u64) {
        eprintln!("training on {device}: steps {start} to {end}");
        self.bar.set_length(end);
        self.bar.set_position(start);
        self.bar.reset_eta();
        let style = "{bar:30} {pos}/{len} steps  {msg}  {eta} left";
        self.bar
            .set_style(ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar()));
    }

    fn step(&mut self, step: u64) {
        if self.terminal {
            self.bar.set_position(step);
        }
    }

    /// The bar shows every line of metrics; a log would drown in them: every power of two and every fiftieth.
    fn metric(&mut self, metric: &Metric) {
        self.lines += 1;
        let Metric {
            step,
            loss,
            examples_per_second,
            ..
        } = metric;
        if self.terminal {
            self.bar
                .set_message(format!("loss {loss:.4}  {examples_per_second:.0} examples/s"));
        } else if self.lines.is_power_of_two() || self.lines.is_multiple_of(50) {
            eprintln!("step {step}: loss {loss:.5}, {examples_per_second:.0} examples/s");
        }
    }

    fn evaluating(&mut self) {
        if self.terminal {
            self.bar.set_message("evaluating");
        } else {
            eprintln!("evaluating");
        }
    }
}
