//! `summary.json`: the result of a run.

use super::evaluate::Evaluation;
use serde::{Deserialize, Serialize};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Measures on the validation split.
    pub validation: Evaluation,
    /// Measures on the test split.
    pub test: Evaluation,
    /// What computed.
    pub device: String,
    /// Seconds of training, evaluation not counted.
    pub seconds: f64,
    /// Steps done.
    pub steps: u64,
    /// Examples seen.
    pub examples: u64,
    /// Their quotient.
    pub examples_per_second: f64,
    /// Numbers of the model as trained, frozen ones included.
    pub parameters: u64,
    /// Size of the tables.
    pub table_bytes: TableBytes,
}

/// Bytes of all tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableBytes {
    /// As trained: all factors.
    pub trained: u64,
    /// After the collapse: n × d each.
    pub collapsed: u64,
}
