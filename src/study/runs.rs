//! The runs of a study: what is done, what is missing, and the doing of it.

use super::plan::{Arm, Plan};
use super::prepared::Prepared;
use crate::model::Config;
use crate::train::run::{self, Metric, Observer, Outcome, RunFolder, TrainError};
use crate::train::summary::Summary;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The file in a run's folder that names the data it is trained on.
const FINGERPRINT: &str = "data.fingerprint";

/// One arm with one seed.
#[derive(Debug, Clone)]
pub struct Run {
    /// Place of the arm in the plan.
    pub arm: usize,
    /// The arm's name.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// Its files.
    pub folder: PathBuf,
    /// The same from the folder of the study's results: `runs/<arm>/seed-<seed>`.
    pub place: String,
    /// Everything that decides its result.
    pub config: Config,
}

/// What stands in a run's folder.
#[derive(Debug)]
pub enum State {
    /// The result of this very run.
    Done(Box<Summary>),
    /// This very run, stopped on its way.
    Half,
    /// A run of other settings or data; why.
    Changed(String),
    /// Nothing that could be used.
    Missing,
}

/// How the work on a run ended.
#[derive(Debug)]
pub enum End {
    /// With a result.
    Finished(Box<Summary>),
    /// Stopped after this many steps, with a checkpoint.
    Interrupted(u64),
    /// Without.
    Failed(TrainError),
}

/// What goes on, for a progress bar. Runs are named by their place in the list that was given to [`execute`].
#[derive(Debug)]
pub enum Event<'a> {
    /// A run begins: what computes, first and last step.
    Begin(usize, &'a str, u64, u64),
    /// So many steps are done.
    Step(usize, u64),
    /// A line of metrics.
    Metric(usize, &'a Metric),
    /// It is being evaluated.
    Evaluating(usize),
    /// It ended.
    End(usize, &'a End),
}

/// All runs of a plan: every arm with the first seed, then with the second, … so that a study that is stopped early can
/// compare what it has.
pub fn runs(plan: &Plan, data: &Prepared, out: &Path) -> Vec<Run> {
    let of_arm = |(place, arm): (usize, &Arm), seed: u64| {
        let folder = format!("runs/{}/seed-{seed}", arm.folder);
        Run {
            arm: place,
            name: arm.name.clone(),
            seed,
            folder: out.join(&folder),
            place: folder,
            config: Config {
                data: data.dataset.path.clone(),
                seed,
                ..arm.config.clone()
            },
        }
    };
    let of_seed = |&seed: &u64| plan.arms.iter().enumerate().map(move |arm| of_arm(arm, seed));
    plan.seeds.iter().flat_map(of_seed).collect()
}

impl Run {
    /// What stands in its folder. Where it was computed (`device`, `threads`) and where the data lie does not count.
    pub fn state(&self, data: &Prepared) -> State {
        let folder = RunFolder(self.folder.clone());
        if !folder.config().exists() {
            return State::Missing;
        }
        let Ok(found) = Config::load(&folder.config()) else {
            return State::Changed("its config.toml cannot be read".into());
        };
        if let Some(difference) = difference(&found, &self.config) {
            return State::Changed(difference);
        }
        match std::fs::read_to_string(self.folder.join(FINGERPRINT)) {
            Ok(text) if text.trim() == data.fingerprint => {}
            _ => return State::Changed("it was trained on other data".into()),
        }
        match folder.read_summary() {
            Ok(summary) => State::Done(Box::new(summary)),
            Err(_) if folder.checkpoint().exists() => State::Half,
            Err(_) => State::Missing,
        }
    }

    /// Goes on with a half-done run, or makes it anew in an empty folder.
    fn work(
        &self,
        state: &State,
        data: &Prepared,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        if let State::Half = state {
            return run::resume(&self.config, &self.folder, observer, stop);
        }
        let io = |source| TrainError::Io {
            path: self.folder.clone(),
            source,
        };
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => std::fs::create_dir_all(&self.folder).map_err(io)?,
        }
        std::fs::write(self.folder.join(FINGERPRINT), &data.fingerprint).map_err(io)?;
        run::train(&self.config, &self.folder, observer, stop)
    }
}

/// The settings in which two configurations differ, in words; `None` for none that could change a result.
fn difference(found: &Config, wanted: &Config) -> Option<String> {
    let flat = |config: &Config| {
        let same_place = Config {
            data: PathBuf::new(),
            device: String::new(),
            threads: 0,
            ..config.clone()
        };
        let mut settings = Vec::new();
        if let Ok(table) = toml::Table::try_from(same_place) {
            flatten(&table, "", &mut settings);
        }
        settings
    };
    let (found, wanted) = (flat(found), flat(wanted));
    let value = |of: &[(String, String)], key: &str| {
        let found = of.iter().find(|(name, _)| name == key);
        found.map_or("absent".to_owned(), |(_, value)| value.clone())
    };
    let mut keys: Vec<&String> = found.iter().chain(&wanted).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let changes: Vec<String> = keys
        .into_iter()
        .map(|key| (key, value(&found, key), value(&wanted, key)))
        .filter(|(_, was, is)| was != is)
        .map(|(key, was, is)| format!("{key} {was} → {is}"))
        .collect();
    (!changes.is_empty()).then(|| changes.join(", "))
}

fn flatten(table: &toml::Table, prefix: &str, settings: &mut Vec<(String, String)>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => flatten(inner, &format!("{prefix}{key}."), settings),
            value => settings.push((format!("{prefix}{key}"), value.to_string())),
        }
    }
}

/// Does the runs, `workers` at the same time, and returns how each ended; runs that `stop` kept from beginning are left
/// out. A run that fails does not keep the others from theirs.
pub fn execute(
    runs: &[(Run, State)],
    data: &Prepared,
    workers: usize,
    stop: &AtomicBool,
    event: &(dyn Fn(Event<'_>) + Sync),
) -> Vec<(usize, End)> {
    let next = AtomicUsize::new(0);
    let ends = Mutex::new(Vec::new());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some((run, state)) = runs.get(place) else { break };
            let mut observer = Watcher { place, event };
            let end = match run.work(state, data, &mut observer, stop) {
                Ok(Outcome::Finished(summary)) => End::Finished(summary),
                Ok(Outcome::Interrupted(step)) => End::Interrupted(step),
                Err(error) => End::Failed(error),
            };
            event(Event::End(place, &end));
            ends.lock().unwrap_or_else(PoisonError::into_inner).push((place, end));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, runs.len().max(1)) {
            scope.spawn(work);
        }
    });
    let mut ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    ends.sort_by_key(|(place, _)| *place);
    ends
}

/// Turns what a run says into events.
struct Watcher<'a> {
    place: usize,
    event: &'a (dyn Fn(Event<'_>) + Sync),
}

impl Observer for Watcher<'_> {
    fn begin(&mut self, device: &str, start: u64, end: u64) {
        (self.event)(Event::Begin(self.place, device, start, end));
    }
    fn step(&mut self, step: u64) {
        (self.event)(Event::Step(self.place, step));
    }
    fn metric(&mut self, metric: &Metric) {
        (self.event)(Event::Metric(self.place, metric));
    }
    fn evaluating(&mut self) {
        (self.event)(Event::Evaluating(self.place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_change_a_result_are_named() {
        let mut other = Config {
            device: "cpu".into(),
            threads: 3,
            data: "elsewhere".into(),
            ..Config::default()
        };
        assert_eq!(difference(&Config::default(), &other), None);
        other.optimizer.learning_rate = 0.5;
        other.model.inner_dim = Some(64);
        let said = difference(&Config::default(), &other);
        let expected = "model.inner_dim absent → 64, optimizer.learning_rate 0.2 → 0.5";
        assert_eq!(said.as_deref(), Some(expected));
    }
}
