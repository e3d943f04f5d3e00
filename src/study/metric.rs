//! The numbers of a run that a study compares.

use crate::data::schema::Split;
use crate::train::metrics::Quality;
use crate::train::summary::Summary;
use std::fmt;
use std::str::FromStr;

/// A measure of the quality of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// `log_loss`.
    LogLoss,
    /// `auc`.
    Auc,
    /// `normalized_entropy`.
    NormalizedEntropy,
    /// `calibration`.
    Calibration,
    /// `accuracy`.
    Accuracy,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 5] = [
        Measure::LogLoss,
        Measure::Auc,
        Measure::NormalizedEntropy,
        Measure::Calibration,
        Measure::Accuracy,
    ];

    /// Its key in `summary.json`.
    pub fn key(self) -> &'static str {
        match self {
            Measure::LogLoss => "log_loss",
            Measure::Auc => "auc",
            Measure::NormalizedEntropy => "normalized_entropy",
            Measure::Calibration => "calibration",
            Measure::Accuracy => "accuracy",
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Measure::LogLoss => "LogLoss",
            Measure::Auc => "AUC",
            Measure::NormalizedEntropy => "normalised entropy",
            Measure::Calibration => "calibration",
            Measure::Accuracy => "accuracy",
        }
    }

    /// What is better; `None` where neither less nor more is.
    pub fn better(self) -> Option<&'static str> {
        match self {
            Measure::LogLoss | Measure::NormalizedEntropy => Some("less"),
            Measure::Auc | Measure::Accuracy => Some("more"),
            Measure::Calibration => None,
        }
    }

    /// Its value; absent where a split has only one class.
    pub fn of(self, quality: &Quality) -> Option<f64> {
        match self {
            Measure::LogLoss => Some(quality.log_loss),
            Measure::Auc => quality.auc,
            Measure::NormalizedEntropy => quality.normalized_entropy,
            Measure::Calibration => quality.calibration,
            Measure::Accuracy => Some(quality.accuracy),
        }
    }
}

/// A measure on a split; written `test.log_loss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Metric {
    /// `validation` or `test`.
    pub split: Split,
    /// What of it.
    pub measure: Measure,
}

impl Metric {
    /// What a plan that names none compares.
    pub const DEFAULT: [Metric; 2] = [
        Metric {
            split: Split::Test,
            measure: Measure::LogLoss,
        },
        Metric {
            split: Split::Test,
            measure: Measure::Auc,
        },
    ];

    /// Every measure on both splits, in the order of the columns of `results.csv`.
    pub fn all() -> impl Iterator<Item = Metric> {
        let of = |split| Measure::ALL.into_iter().map(move |measure| Metric { split, measure });
        [Split::Validation, Split::Test].into_iter().flat_map(of)
    }

    /// Its value in a run.
    pub fn of(self, summary: &Summary) -> Option<f64> {
        let evaluation = match self.split {
            Split::Test => &summary.test,
            _ => &summary.validation,
        };
        self.measure.of(&evaluation.quality)
    }

    /// For people: `test LogLoss`.
    pub fn label(self) -> String {
        format!("{} {}", self.split, self.measure.label())
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.split, self.measure.key())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Metric::all().find(|metric| metric.to_string() == text);
        found.ok_or_else(|| {
            let known: Vec<String> = Metric::all().map(|metric| metric.to_string()).collect();
            format!("metrics: {text:?} is not one of {}", known.join(", "))
        })
    }
}
