//! What is known of planted data: `teacher.toml`, which `mlet prepare planted` writes.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The truth of a planted data set.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Truth {
    /// What can be attained on the validation split.
    pub validation: Attainable,
    /// What can be attained on the test split.
    pub test: Attainable,
    /// The teacher's tables.
    #[serde(rename = "table")]
    pub tables: Vec<PlantedTable>,
}

/// What can be attained on a split, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub struct Attainable {
    /// No predictor has a smaller expected LogLoss.
    pub bayes_log_loss: f64,
    /// The teacher's LogLoss on the labels as they fell.
    pub teacher_log_loss: f64,
    /// Who looks at no feature has this.
    pub base_rate_log_loss: f64,
}

/// A table of the teacher.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct PlantedTable {
    /// The feature.
    pub name: String,
    /// Its planted rank.
    pub rank: usize,
    /// Its planted singular values, descending, `rank` of them.
    pub singular_values: Vec<f64>,
}

/// Why the truth cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}; prepare the data set again", path.display())]
pub struct TruthError {
    /// The file.
    path: PathBuf,
    /// What is wrong.
    message: String,
}

impl Truth {
    /// Reads the truth of the data set in `directory`; `None` where there is none, as for real data.
    ///
    /// # Errors
    /// [`TruthError`] for a file that cannot be read.
    pub fn load(directory: &Path) -> Result<Option<Truth>, TruthError> {
        let path = directory.join("teacher.toml");
        let wrong = |message: String| TruthError {
            path: path.clone(),
            message,
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let truth = toml::from_str(&text);
                truth
                    .map(Some)
                    .map_err(|error| wrong(error.to_string().trim_end().to_owned()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}
