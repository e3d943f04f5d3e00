//! `metrics.jsonl`: one object a log interval, and one a look at a feature's singular values.

use super::dynamics::Dynamics;
use super::error::TrainError;
use super::folder::write_beside;
use super::network::LOSS_SLOTS;
use super::spectra::Snapshot;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A line of `metrics.jsonl` about the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Steps done.
    pub step: u64,
    /// Examples seen.
    pub examples: u64,
    /// Mean loss of the examples since the line before.
    pub loss: f64,
    /// η of the last step.
    pub learning_rate: f64,
    /// Examples a second since the line before.
    pub examples_per_second: f64,
    /// Seconds of training up to here, over all sessions of the run.
    pub seconds: f64,
}

/// Any line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// The loss.
    Metric(Metric),
    /// How a feature's singular values moved.
    Dynamics(Dynamics),
    /// What a feature's singular values are.
    Spectrum(Snapshot),
}

impl Line {
    /// Steps done.
    pub fn step(&self) -> u64 {
        match self {
            Self::Metric(metric) => metric.step,
            Self::Dynamics(dynamics) => dynamics.step,
            Self::Spectrum(snapshot) => snapshot.step,
        }
    }
}

/// `metrics.jsonl` as it grows.
pub(super) struct Log {
    path: PathBuf,
    file: std::fs::File,
    /// Examples of the steps whose losses are still on the device.
    counts: Vec<u32>,
    loss_sum: f64,
    examples_in_line: u64,
    pub(super) examples: u64,
    pub(super) seconds: f64,
    since: Instant,
}

impl Log {
    /// Opens the file; lines past step `start`, which a run that was killed wrote after its checkpoint, are dropped.
    pub(super) fn open(path: &Path, start: u64) -> Result<Self, TrainError> {
        let mut kept = Vec::new();
        let mut last = None;
        if start > 0 && path.exists() {
            let file = std::fs::File::open(path).map_err(TrainError::io(path))?;
            for line in std::io::BufReader::new(file).lines() {
                let line = line.map_err(TrainError::io(path))?;
                match serde_json::from_str::<Line>(&line) {
                    Ok(found) if found.step() > start => break,
                    Ok(Line::Metric(metric)) => last = Some(metric),
                    Ok(Line::Dynamics(_) | Line::Spectrum(_)) => {}
                    Err(_) => break,
                }
                kept.extend_from_slice(line.as_bytes());
                kept.push(b'\n');
            }
        }
        write_beside(path, &kept)?;
        let file = std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(TrainError::io(path))?;
        Ok(Self {
            path: path.into(),
            file,
            counts: Vec::with_capacity(LOSS_SLOTS),
            loss_sum: 0.0,
            examples_in_line: 0,
            examples: last.map_or(0, |metric| metric.examples),
            seconds: last.map_or(0.0, |metric| metric.seconds),
            since: Instant::now(),
        })
    }

    pub(super) fn count(&mut self, examples: u32) {
        self.counts.push(examples);
    }

    pub(super) fn pending(&self) -> usize {
        self.counts.len()
    }

    /// Adds the losses of the pending steps, of which `done` is the number of the one after the last; the loss of step i
    /// lies in `slots[i mod LOSS_SLOTS]`.
    pub(super) fn collect(&mut self, slots: &[f32], done: u64, rate: f64) -> Result<(), TrainError> {
        let first = done - self.pending() as u64;
        for (step, count) in (first..done).zip(self.counts.drain(..)) {
            let loss = f64::from(slots[(step % LOSS_SLOTS as u64) as usize]);
            if !loss.is_finite() {
                return Err(TrainError::Diverged { loss, step, rate });
            }
            self.loss_sum += loss * f64::from(count);
            self.examples_in_line += u64::from(count);
        }
        Ok(())
    }

    pub(super) fn write(&mut self, step: u64, learning_rate: f64) -> Result<Metric, TrainError> {
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.seconds += seconds;
        self.examples += self.examples_in_line;
        let examples = self.examples_in_line.max(1) as f64;
        let metric = Metric {
            step,
            examples: self.examples,
            loss: self.loss_sum / examples,
            learning_rate,
            examples_per_second: self.examples_in_line as f64 / seconds,
            seconds: self.seconds,
        };
        (self.loss_sum, self.examples_in_line) = (0.0, 0);
        self.line(&metric)?;
        Ok(metric)
    }

    pub(super) fn dynamics(&mut self, dynamics: &Dynamics) -> Result<(), TrainError> {
        self.line(dynamics)
    }

    pub(super) fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), TrainError> {
        self.line(snapshot)
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), TrainError> {
        let line = serde_json::to_string(line).unwrap_or_default();
        writeln!(self.file, "{line}").map_err(TrainError::io(&self.path))
    }
}
