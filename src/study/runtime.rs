//! A study of time: arms measured in turn, round after round, in one process. Its plan has `[runtime]` where others have
//! `[data]` and `seeds`.

mod table;

use super::machine;
use super::plan::{self, PlanError};
use crate::model::config::overlay;
use crate::train::bench::record::{Measured, Ratio, Step};
use crate::train::bench::{Effort, Rows, Setup, Shape};
use serde::{Deserialize, Serialize};
use std::path::Path;

pub use table::{arms, document, operations, remarks, sentences};

/// What is measured.
#[derive(Debug, Clone)]
pub struct RuntimePlan {
    /// In a few words.
    pub title: String,
    /// What it asks.
    pub question: String,
    /// How long is measured.
    pub effort: Effort,
    /// What is measured in turn.
    pub arms: Vec<RuntimeArm>,
}

/// One set-up.
#[derive(Debug, Clone)]
pub struct RuntimeArm {
    /// In the tables and the plot.
    pub name: String,
    /// The place of the arm that it is set against; its own: it is a reference itself.
    pub against: usize,
    /// What it is.
    pub setup: Setup,
}

/// The file as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    question: String,
    runtime: Runtime,
    #[serde(default)]
    base: toml::Table,
    arms: Vec<toml::Table>,
}

/// `[runtime]`: shapes and effort.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runtime {
    shape: Shape,
    cap: Option<usize>,
    #[serde(default = "one")]
    scale_tables: f64,
    #[serde(default = "uniform")]
    rows: Rows,
    rounds: usize,
    seconds: f64,
    #[serde(default)]
    patience: f64,
}

fn one() -> f64 {
    1.0
}

fn uniform() -> Rows {
    Rows::Uniform
}

impl RuntimePlan {
    /// Reads `plan.toml` of the study in `directory`; `None` if it is a plan of runs.
    ///
    /// # Errors
    /// [`PlanError`], with the file and the key.
    pub fn load(directory: &Path) -> Result<Option<Self>, PlanError> {
        let path = directory.join(plan::FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| PlanError::Read {
            path: path.clone(),
            source,
        })?;
        // A file that is no TOML is refused by the other reader.
        let table: toml::Table = toml::from_str(&text).unwrap_or_default();
        if !table.contains_key("runtime") {
            return Ok(None);
        }
        Self::parse(&text)
            .map(Some)
            .map_err(|message| PlanError::Content { path, message })
    }

    /// Reads a plan from its text; the message of an error names the key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let runtime = &file.runtime;
        if runtime.rounds == 0 || !(1e-6..1e9).contains(&runtime.seconds) || !(0.0..1e9).contains(&runtime.patience) {
            return Err("runtime: rounds and seconds must be above 0, patience not below".into());
        }
        let mut setup = Setup::new(runtime.shape);
        (setup.cap, setup.scale_tables, setup.rows) = (runtime.cap, runtime.scale_tables, runtime.rows);
        setup.table_rows().map_err(|error| format!("runtime: {error}"))?;
        plan::refuse_own(&file.base, "[base]")?;
        let mut base = toml::Table::try_from(&setup.config).map_err(|error| error.to_string())?;
        // What the study fills in itself.
        for key in ["data", "seed", "device", "threads"] {
            base.remove(key);
        }
        overlay(&mut base, file.base);
        let mut arms: Vec<RuntimeArm> = Vec::new();
        for mut settings in file.arms {
            let against = settings.remove("against");
            let arm = plan::arm(settings, &base)?;
            let place = arms.len();
            let against = match against {
                None => 0,
                Some(toml::Value::String(name)) => {
                    let mut earlier = arms.iter().map(|arm| arm.name.as_str()).chain([arm.name.as_str()]);
                    let found = earlier.position(|earlier| earlier == name);
                    found.ok_or_else(|| format!("arm {:?}: against = {name:?} is no arm above it", arm.name))?
                }
                Some(_) => return Err(format!("arm {:?}: against must be an arm's name", arm.name)),
            };
            if arms[..place].iter().any(|other| other.name == arm.name) {
                return Err(format!("arms: {} stands there twice", arm.name));
            }
            let config = arm.config;
            arms.push(RuntimeArm {
                name: arm.name,
                against,
                setup: Setup {
                    config,
                    ..setup.clone()
                },
            });
        }
        if arms.is_empty() {
            return Err("arms: at least one is needed".into());
        }
        Ok(Self {
            title: file.title,
            question: file.question.trim().to_owned(),
            effort: Effort {
                rounds: runtime.rounds,
                seconds: runtime.seconds,
                patience: runtime.patience,
                ..Effort::default()
            },
            arms,
        })
    }
}

/// What came out.
#[derive(Debug, Clone, Serialize)]
pub struct RuntimeResults {
    /// The version that measured.
    pub mlet: &'static str,
    /// The plan's title.
    pub title: String,
    /// The plan's question.
    pub question: String,
    /// The machine, in a few words.
    pub machine: String,
    /// The arms, in the plan's order.
    pub arms: Vec<ArmTime>,
    /// The most bytes of memory that the process had at once, all arms together.
    pub peak_rss_bytes: Option<u64>,
}

/// One arm's steps.
#[derive(Debug, Clone, Serialize)]
pub struct ArmTime {
    /// The arm.
    pub name: String,
    /// The arm it is set against.
    pub against: Option<String>,
    /// Its times over that one's.
    pub ratio: Option<Ratio>,
    /// Its steps.
    #[serde(flatten)]
    pub step: Step,
}

impl RuntimeResults {
    /// The results of a plan.
    pub fn new(plan: &RuntimePlan, measured: Measured) -> Self {
        let peak_rss_bytes = measured.peak_rss_bytes;
        let steps: Vec<Step> = measured.into_steps();
        let arms = plan.arms.iter().enumerate().zip(&steps).map(|((place, arm), step)| {
            let other = (arm.against != place).then(|| (&plan.arms[arm.against].name, &steps[arm.against]));
            ArmTime {
                name: arm.name.clone(),
                against: other.map(|(name, _)| name.clone()),
                ratio: other.map(|(_, other)| step.over(other)),
                step: step.clone(),
            }
        });
        Self {
            mlet: env!("CARGO_PKG_VERSION"),
            title: plan.title.clone(),
            question: plan.question.clone(),
            machine: machine::describe(),
            arms: arms.collect(),
            peak_rss_bytes,
        }
    }

    /// `results.json`.
    pub fn json(&self) -> String {
        // No map with keys that are not strings.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// `results.csv`: a line an arm.
    ///
    /// # Errors
    /// What the writer says.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([
            "arm",
            "device",
            "median_ms",
            "p10_ms",
            "p90_ms",
            "repeated_batch_ms",
            "floor_ms",
            "flops",
            "bytes",
            "steps",
            "against",
            "ratio_of_medians",
            "median_ratio_of_rounds",
            "p10_ratio_of_rounds",
            "p90_ratio_of_rounds",
        ])?;
        for arm in &self.arms {
            let (step, times) = (&arm.step, &arm.step.times);
            let ratio = |of: fn(&Ratio) -> f64| {
                arm.ratio
                    .as_ref()
                    .map(|ratio| of(ratio).to_string())
                    .unwrap_or_default()
            };
            writer.write_record([
                arm.name.clone(),
                step.device.clone(),
                times.median_ms.to_string(),
                times.p10_ms.to_string(),
                times.p90_ms.to_string(),
                step.repeated_batch_ms.to_string(),
                step.floor_ms.to_string(),
                step.flops.to_string(),
                step.bytes.to_string(),
                step.steps.to_string(),
                arm.against.clone().unwrap_or_default(),
                ratio(|ratio| ratio.of_medians),
                ratio(|ratio| ratio.median_of_rounds),
                ratio(|ratio| ratio.p10_of_rounds),
                ratio(|ratio| ratio.p90_of_rounds),
            ])?;
        }
        super::results::finish(writer)
    }
}

#[cfg(test)]
mod tests;
