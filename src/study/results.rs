//! All runs of a study as records: what `results.csv` and `results.json` hold.

use super::metric::{Measure, Metric};
use super::plan::Plan;
use super::runs::Run;
use super::statistics::{Difference, Sample};
use super::truth::Truth;
use crate::data::schema::{Schema, Split};
use crate::model::Config;
use crate::train::metrics::Bucket;
use crate::train::summary::{Summary, TableBytes};
use serde::Serialize;
use std::collections::BTreeMap;

/// The results of a study.
#[derive(Debug, Clone)]
pub struct Results {
    /// The plan's title.
    pub title: String,
    /// The plan's question.
    pub question: String,
    /// What was trained on, in a few words.
    pub data: String,
    /// What these results were put together on, in a few words.
    pub machine: String,
    /// The arms, in the plan's order.
    pub arms: Vec<ArmResults>,
    /// The plan's seeds.
    pub seeds: Vec<u64>,
    /// What the table shows.
    pub metrics: Vec<Metric>,
    /// What is known of planted data.
    pub truth: Option<Truth>,
}

/// The runs of one arm.
#[derive(Debug, Clone)]
pub struct ArmResults {
    /// The arm.
    pub name: String,
    /// Its settings.
    pub config: Config,
    /// What is done of it, by seed in the plan's order.
    pub runs: Vec<RunResult>,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct RunResult {
    /// Its seed.
    pub seed: u64,
    /// Its folder, within that of the study's results.
    pub folder: String,
    /// Its result.
    pub summary: Summary,
}

impl Results {
    /// The results of the runs that are done.
    pub fn new(plan: &Plan, schema: &Schema, truth: Option<Truth>, done: &[(Run, Summary)]) -> Results {
        let arms = plan.arms.iter().enumerate().map(|(place, arm)| {
            let of_seed = |&seed: &u64| {
                let (run, summary) = done.iter().find(|(run, _)| run.arm == place && run.seed == seed)?;
                Some(RunResult {
                    seed,
                    folder: run.place.clone(),
                    summary: summary.clone(),
                })
            };
            ArmResults {
                name: arm.name.clone(),
                config: arm.config.clone(),
                runs: plan.seeds.iter().filter_map(of_seed).collect(),
            }
        });
        Results {
            title: plan.title.clone(),
            question: plan.question.clone(),
            data: format!(
                "{} ({}), {} training examples",
                schema.kind, schema.source.name, schema.rows.train
            ),
            machine: super::machine::describe(),
            arms: arms.collect(),
            seeds: plan.seeds.clone(),
            metrics: plan.metrics.clone(),
            truth,
        }
    }

    /// Runs that are done.
    pub fn num_done(&self) -> usize {
        self.arms.iter().map(|arm| arm.runs.len()).sum()
    }

    /// Runs that the plan has.
    pub fn num_planned(&self) -> usize {
        self.arms.len() * self.seeds.len()
    }

    /// A metric over an arm's seeds.
    pub fn sample(&self, arm: &ArmResults, metric: Metric) -> Option<Sample> {
        let values: Vec<f64> = arm.runs.iter().filter_map(|run| metric.of(&run.summary)).collect();
        Sample::of(&values)
    }

    /// An arm less the first, paired by the seeds that both have; `None` for the first itself.
    pub fn difference(&self, arm: &ArmResults, metric: Metric) -> Option<Difference> {
        let first = self.arms.first().filter(|first| first.name != arm.name)?;
        self.difference_between(arm, first, metric)
    }

    /// One arm less another, paired by the seeds that both have.
    pub fn difference_between(&self, one: &ArmResults, other: &ArmResults, metric: Metric) -> Option<Difference> {
        let pair = |&seed: &u64| Some((one.value(seed, metric)?, other.value(seed, metric)?));
        let pairs: Vec<(f64, f64)> = self.seeds.iter().filter_map(pair).collect();
        Difference::paired(&pairs)
    }

    /// Every run with its arm, arm by arm.
    pub fn runs(&self) -> impl Iterator<Item = (&ArmResults, &RunResult)> {
        self.arms
            .iter()
            .flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)))
    }

    /// `results.csv`: one line a run. Empty where a measure is undefined. On planted data also the LogLoss of each split
    /// less the Bayes LogLoss, and less the teacher's on the same labels.
    ///
    /// # Errors
    /// Only what the csv writer reports for memory, which is never.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut header: Vec<String> = vec!["arm".into(), "seed".into()];
        header.extend(Metric::all().map(|metric| format!("{}_{}", metric.split, metric.measure.key())));
        if self.truth.is_some() {
            let of = |split| ["bayes", "teacher"].map(|over| format!("{split}_log_loss_over_{over}"));
            header.extend([Split::Validation, Split::Test].into_iter().flat_map(of));
        }
        header.extend(RUN_COLUMNS.map(String::from));
        writer.write_record(&header)?;
        for (arm, run) in self.runs() {
            let mut cells = vec![arm.name.clone(), run.seed.to_string()];
            cells.extend(Metric::all().map(|metric| number(metric.of(&run.summary))));
            if let Some(truth) = &self.truth {
                let summary = &run.summary;
                for (split, best) in [(&summary.validation, truth.validation), (&summary.test, truth.test)] {
                    let loss = split.quality.log_loss;
                    cells.push(number(Some(loss - best.bayes_log_loss)));
                    cells.push(number(Some(loss - best.teacher_log_loss)));
                }
            }
            cells.extend(run_cells(run));
            writer.write_record(&cells)?;
        }
        finish(writer)
    }

    /// `results_by_frequency.csv`: one line a run, split and group of examples by how often their rarest category was seen
    /// in training.
    ///
    /// # Errors
    /// As [`Results::csv`].
    pub fn by_frequency_csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut header = vec!["arm", "seed", "split", "seen_from", "seen_to", "examples"];
        header.extend(Measure::ALL.map(Measure::key));
        writer.write_record(&header)?;
        for (arm, run) in self.runs() {
            let summary = &run.summary;
            for (split, evaluation) in [("validation", &summary.validation), ("test", &summary.test)] {
                for Bucket {
                    seen_from,
                    seen_to,
                    quality,
                } in &evaluation.by_frequency
                {
                    let mut cells = vec![arm.name.clone(), run.seed.to_string(), split.into()];
                    cells.push(seen_from.to_string());
                    cells.push(seen_to.map(|to| to.to_string()).unwrap_or_default());
                    cells.push(quality.examples.to_string());
                    cells.extend(Measure::ALL.map(|measure| number(measure.of(quality))));
                    writer.write_record(&cells)?;
                }
            }
        }
        finish(writer)
    }

    /// `results.json`: the plan, every arm in short, every run whole.
    pub fn json(&self) -> String {
        let file = File {
            mlet: env!("CARGO_PKG_VERSION"),
            title: &self.title,
            question: &self.question,
            data: &self.data,
            machine: &self.machine,
            seeds: &self.seeds,
            truth: self.truth.as_ref(),
            arms: self.arms.iter().map(|arm| self.arm_in_short(arm)).collect(),
        };
        // No map with keys that are not strings, no number that is not finite: a run with such a loss has no summary.
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }

    fn arm_in_short<'a>(&self, arm: &'a ArmResults) -> ArmFile<'a> {
        let sample = |metric| Some((format!("{metric}"), self.sample(arm, metric)?));
        let difference = |metric| Some((format!("{metric}"), self.difference(arm, metric)?));
        ArmFile {
            name: &arm.name,
            parameters: arm.parameters(),
            table_bytes: arm.table_bytes(),
            metrics: Metric::all().filter_map(sample).collect(),
            differences_to_the_first_arm: Metric::all().filter_map(difference).collect(),
            config: Config {
                data: Default::default(),
                ..arm.config.clone()
            },
            runs: &arm.runs,
        }
    }
}

impl ArmResults {
    /// A metric of the run with this seed.
    pub fn value(&self, seed: u64, metric: Metric) -> Option<f64> {
        let run = self.runs.iter().find(|run| run.seed == seed)?;
        metric.of(&run.summary)
    }

    /// Trained numbers; `None` before its first run.
    pub fn parameters(&self) -> Option<u64> {
        self.runs.first().map(|run| run.summary.parameters)
    }

    /// Size of its tables; `None` before its first run.
    pub fn table_bytes(&self) -> Option<TableBytes> {
        self.runs.first().map(|run| run.summary.table_bytes)
    }
}

/// `results.json`.
#[derive(Serialize)]
struct File<'a> {
    mlet: &'static str,
    title: &'a str,
    question: &'a str,
    data: &'a str,
    machine: &'a str,
    seeds: &'a [u64],
    truth: Option<&'a Truth>,
    arms: Vec<ArmFile<'a>>,
}

#[derive(Serialize)]
struct ArmFile<'a> {
    name: &'a str,
    parameters: Option<u64>,
    table_bytes: Option<TableBytes>,
    metrics: BTreeMap<String, Sample>,
    differences_to_the_first_arm: BTreeMap<String, Difference>,
    config: Config,
    runs: &'a [RunResult],
}

/// Columns of `results.csv` behind the metrics.
const RUN_COLUMNS: [&str; 8] = [
    "parameters",
    "table_bytes_trained",
    "table_bytes_collapsed",
    "steps",
    "seconds",
    "examples_per_second",
    "device",
    "run",
];

fn run_cells(run: &RunResult) -> [String; RUN_COLUMNS.len()] {
    let summary = &run.summary;
    [
        summary.parameters.to_string(),
        summary.table_bytes.trained.to_string(),
        summary.table_bytes.collapsed.to_string(),
        summary.steps.to_string(),
        summary.seconds.to_string(),
        summary.examples_per_second.to_string(),
        summary.device.clone(),
        run.folder.clone(),
    ]
}

/// As many digits as it takes to read the same number back.
fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

pub(super) fn finish(writer: csv::Writer<Vec<u8>>) -> Result<String, csv::Error> {
    let bytes = writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
