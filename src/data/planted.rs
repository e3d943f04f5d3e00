//! Data with a known truth: rows whose labels are drawn from a teacher DLRM with tables of a chosen rank and spectrum.
//!
//! Beside the data set stand `teacher.safetensors` (the teacher under the names of a collapsed model, its rows numbered as the
//! data set numbers them) and `teacher.toml` (ranks, singular values, and how well anybody can do on each split).
//! `docs/data-planted.md` has the definitions.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::schema::{Schema, SourceInfo, Split};
use super::source::{RawExample, RawFeatures, RowError, Source, SourceError, SourceProgress, SplitRule};

pub mod config;
pub mod random;
mod store;
pub mod teacher;

pub use config::{PlantedConfig, PlantedError, PlantedTable, Spectrum};

use random::{Purpose, Stream, Zipf};
use teacher::{Examples, Teacher, log_loss, probability};

/// How well a predictor can do on one split: sums while rows are drawn, then means.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attainable {
    /// Rows.
    pub rows: u64,
    /// Rows with label 1.
    pub positives: u64,
    /// Σ H(pᵢ), H the entropy in nats of the probability that the label was drawn from.
    entropy: f64,
    /// Σ −ln P(labelᵢ) under the teacher.
    loss: f64,
}

impl Attainable {
    fn add(&mut self, logit: f64, label: bool) {
        self.rows += 1;
        self.positives += u64::from(label);
        // H(p) is the loss expected under p itself.
        self.entropy += log_loss(logit, probability(logit));
        self.loss += log_loss(logit, if label { 1.0 } else { 0.0 });
    }

    /// The Bayes LogLoss: the mean of H(pᵢ), which no predictor can expect to beat.
    pub fn bayes_log_loss(&self) -> f64 {
        self.entropy / self.rows as f64
    }

    /// The teacher's own LogLoss on the labels as they fell.
    pub fn teacher_log_loss(&self) -> f64 {
        self.loss / self.rows as f64
    }

    /// The LogLoss of who knows only the share of positives of this split.
    pub fn base_rate_log_loss(&self) -> f64 {
        let share = self.positives as f64 / self.rows as f64;
        let term = |p: f64| if p > 0.0 { -p * libm::log(p) } else { 0.0 };
        term(share) + term(1.0 - share)
    }
}

/// The planted rows as a source for `mlet prepare`.
pub struct Planted {
    config: PlantedConfig,
    features: RawFeatures,
    teacher: Teacher,
    zipf: Vec<Zipf>,
    examples: Examples,
    labels: Stream,
    dense: Vec<f32>,
    rows: Vec<usize>,
    done: u64,
    attainable: [Attainable; 3],
}

impl Planted {
    /// Draws the teacher; the rows follow with [`Source::next`].
    ///
    /// # Errors
    /// [`PlantedError`] for settings that cannot be used.
    pub fn new(config: PlantedConfig) -> Result<Self, PlantedError> {
        config.check()?;
        let features = RawFeatures::plain(
            (1..=config.num_dense_features).map(|at| format!("I{at}")),
            (1..=config.tables.len()).map(|at| format!("C{at}")),
        );
        let zipf: Vec<Zipf> = config
            .tables
            .iter()
            .map(|table| Zipf::new(table.num_embeddings, config.zipf))
            .collect();
        let teacher = Teacher::draw(&config, &zipf)?;
        Ok(Self {
            features,
            teacher,
            examples: Examples::new(config.seed, Purpose::Dense, Purpose::Category, zipf.len()),
            zipf,
            labels: Stream::new(config.seed, Purpose::Label, 0),
            dense: vec![0.0; config.num_dense_features],
            rows: vec![0; config.tables.len()],
            done: 0,
            attainable: Default::default(),
            config,
        })
    }

    /// The teacher, its table rows numbered by how often they are drawn.
    pub fn teacher(&self) -> &Teacher {
        &self.teacher
    }

    /// What can be attained on the rows of a split drawn so far.
    pub fn attainable(&self, split: Split) -> Attainable {
        self.attainable[split as usize]
    }

    /// Rows are independent and alike, so that tenths in order are as good as tenths at random.
    fn split_of(&self, row: u64) -> Split {
        match row {
            row if row < self.config.rows / 10 * 8 + self.config.rows % 10 => Split::Train,
            row if row < self.config.rows - self.config.rows / 10 => Split::Validation,
            _ => Split::Test,
        }
    }
}

impl Source for Planted {
    fn kind(&self) -> &'static str {
        "planted"
    }

    fn features(&self) -> &RawFeatures {
        &self.features
    }

    fn split_rule(&self) -> SplitRule {
        SplitRule::Given
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        example.clear();
        if self.done == self.config.rows {
            return Ok(false);
        }
        self.examples.next(&self.zipf, &mut self.dense, &mut self.rows);
        let logit = self.teacher.logit(&self.dense, &self.rows);
        example.label = self.labels.uniform() < probability(logit);
        example.dense.extend_from_slice(&self.dense);
        for row in &self.rows {
            example.push_category(&row.to_string());
        }
        let split = self.split_of(self.done);
        example.split = Some(split);
        self.attainable[split as usize].add(logit, example.label);
        self.done += 1;
        Ok(true)
    }

    fn progress(&self) -> SourceProgress {
        SourceProgress {
            done: self.done,
            total: Some(self.config.rows),
        }
    }

    /// The settings stand for the input: the hash is of them, written as TOML.
    fn info(&mut self) -> Result<SourceInfo, SourceError> {
        let settings = store::settings(&self.config)?;
        Ok(SourceInfo {
            name: "drawn with the settings in teacher.toml".into(),
            sha256: Sha256::digest(&settings)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            bytes: settings.len() as u64,
        })
    }

    fn write_extras(&mut self, directory: &Path, schema: &Schema) -> Result<(), SourceError> {
        store::write(directory, schema, &self.config, &self.teacher, &self.attainable)
    }
}
