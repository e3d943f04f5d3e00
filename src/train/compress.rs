//! Embedding tables in fewer bytes: which rank each gets, the file they are written to, and what that costs in LogLoss.
//!
//! The choice is [`crate::spectrum::advice`], the truncation [`crate::spectrum::truncate`]. Under a budget a table's squared error
//! counts 1/n: `Σ_t ‖W_t − Ŵ_t‖_F²/n_t` is the expected squared error of the F vectors that an example looks up, if the rows of a
//! table are used equally often.

mod error;
mod file;
pub mod quality;

pub use error::CompressError;

use crate::model::checkpoint::{Checkpoint, Metadata};
use crate::spectrum::advice::{Candidate, Form, Size, within_budget};
use crate::spectrum::measures::energy_dim;
use crate::spectrum::sources::{self, RawFile, Source};
use crate::spectrum::{Accuracy, certified_values};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What decides the ranks.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// Every table keeps this share of its energy, in (0, 1].
    Energy(f64),
    /// All tables together take at most so many bytes.
    Budget(u64),
    /// The ranks of the features named; the others stay as they are.
    Ranks(BTreeMap<String, usize>),
}

/// A form a table, and what that costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// In the order of the model's tables.
    pub forms: Vec<Form>,
    /// Bytes of all tables.
    pub bytes: u64,
    /// `Σ_t Σ_{i>d'} σ²/n_t` over `Σ_t Σσ²/n_t`.
    pub loss: f64,
    /// Under a budget: no choice within it loses less.
    pub least_loss: Option<f64>,
}

/// One table of the file written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compressed {
    /// The feature, or the tensor.
    pub name: String,
    /// `num_embeddings`.
    pub n: usize,
    /// `embedding_dim`.
    pub d: usize,
    /// d', or null where nothing is cut off.
    pub rank: Option<usize>,
    /// `kept`, `multiplied` or `factored`.
    pub form: &'static str,
    /// Bytes before.
    pub stored_bytes: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Share of Σσ² in the directions kept.
    pub energy: f64,
    /// ‖W − Ŵ‖_F/‖W‖_F of the numbers written, measured; 0 for a table that is kept.
    pub error: f64,
    /// The least that this can be at this rank, √(Σ_{i>d'} σ²/Σσ²) with the proved lower ends of the σ that are cut off.
    pub least_error: f64,
}

/// The tables of a model, measured.
pub struct Model {
    source: Source,
    sigma: Vec<Vec<f64>>,
    /// No exact singular value is below.
    low: Vec<Vec<f64>>,
    sizes: Vec<Size>,
    /// Every tensor of the file as bytes; none where it is not safetensors.
    raw: Option<RawFile>,
    /// What the model says of itself, where mlet wrote it.
    own: Option<Metadata>,
}

impl Model {
    /// Reads a model and measures its tables; `progress` gets the number of tables done, of how many, and the next one's name.
    ///
    /// # Errors
    /// [`CompressError`].
    pub fn open(
        path: &Path,
        options: &sources::Options,
        progress: &mut dyn FnMut(usize, usize, &str),
    ) -> Result<Self, CompressError> {
        let source = sources::open_with(path, options)?;
        let raw = sources::raw(path)?;
        let says = raw.as_ref().is_some_and(|raw| raw.metadata.contains_key("mlet"));
        let own = if says {
            Some(Checkpoint::open(&file_of(path))?.metadata()?)
        } else {
            None
        };
        if let Some(metadata) = &own
            && let Some(table) = source.tables.iter().find(|t| !metadata.features.contains(&t.name))
        {
            return Err(CompressError::NotATable(table.name.clone()));
        }
        let (mut sigma, mut low) = (Vec::new(), Vec::new());
        for (done, table) in source.tables.iter().enumerate() {
            progress(done, source.tables.len(), &table.name);
            let values = certified_values(&table.factors, Accuracy::default());
            let values = values.map_err(|error| CompressError::table(table, error))?;
            sigma.push(values.sigma);
            low.push(values.intervals.iter().map(|interval| interval.lo).collect());
        }
        let sizes = source.tables.iter().map(Size::of).collect();
        Ok(Self {
            source,
            sigma,
            low,
            sizes,
            raw,
            own,
        })
    }

    /// The tables and what else was found.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether mlet wrote the model, so that its quality can be measured.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Bytes of all tables as they are stored.
    pub fn stored_bytes(&self) -> u64 {
        self.sizes.iter().map(|size| size.stored).sum()
    }

    /// Chooses a form for every table.
    ///
    /// # Errors
    /// [`CompressError`]: a budget that is too small, a feature that is not there, a rank that a table cannot have.
    pub fn choose(&self, goal: &Goal) -> Result<Choice, CompressError> {
        let forms: Vec<Form> = match goal {
            Goal::Energy(share) => (self.sigma.iter().zip(&self.sizes))
                .map(|(sigma, size)| size.smallest(energy_dim(sigma, *share)))
                .collect(),
            Goal::Budget(bytes) => {
                let plan = within_budget(&self.candidates(), *bytes)?;
                let least_loss = Some(plan.least_loss);
                return Ok(Choice {
                    least_loss,
                    ..self.choice(plan.forms)
                });
            }
            Goal::Ranks(ranks) => self.of_ranks(ranks)?,
        };
        Ok(self.choice(forms))
    }

    fn candidates(&self) -> Vec<Candidate<'_>> {
        let mut candidates = Vec::with_capacity(self.sizes.len());
        for (sigma, &size) in self.sigma.iter().zip(&self.sizes) {
            let weight = 1.0 / size.rows as f64;
            candidates.push(Candidate { size, sigma, weight });
        }
        candidates
    }

    fn of_ranks(&self, ranks: &BTreeMap<String, usize>) -> Result<Vec<Form>, CompressError> {
        let names: Vec<&str> = self.source.tables.iter().map(|table| table.name.as_str()).collect();
        if let Some(feature) = ranks.keys().find(|feature| !names.contains(&feature.as_str())) {
            return Err(CompressError::NoFeature {
                feature: feature.clone(),
                known: names.join(", "),
            });
        }
        let form = |(name, size): (&&str, &Size)| match ranks.get(*name) {
            None => Ok(Form::Kept),
            Some(&rank) if rank == 0 || rank > size.rows.min(size.cols) => Err(CompressError::Rank {
                feature: name.to_string(),
                rank,
                rows: size.rows,
                cols: size.cols,
            }),
            // As asked for, unless that would take more than the table does now.
            Some(&rank) => Ok(size.smallest(rank)),
        };
        names.iter().zip(&self.sizes).map(form).collect()
    }

    fn choice(&self, forms: Vec<Form>) -> Choice {
        let bytes = self
            .sizes
            .iter()
            .zip(&forms)
            .map(|(size, &form)| size.bytes(form))
            .sum();
        let greatest = self.sigma.iter().flatten().fold(f64::MIN_POSITIVE, |a, &b| a.max(b));
        let (mut lost, mut total) = (0.0, 0.0);
        for ((sigma, size), form) in self.sigma.iter().zip(&self.sizes).zip(&forms) {
            let weight = 1.0 / size.rows as f64;
            let energy = |from: usize| {
                sigma
                    .iter()
                    .skip(from)
                    .rev()
                    .map(|s| (s / greatest).powi(2))
                    .sum::<f64>()
            };
            total += weight * energy(0);
            lost += match form {
                Form::Factored(rank) => weight * energy(*rank),
                Form::Kept | Form::Multiplied => 0.0,
            };
        }
        Choice {
            forms,
            bytes,
            loss: if total > 0.0 { lost / total } else { 0.0 },
            least_loss: None,
        }
    }

    /// Writes the model with its tables in these forms, and every other tensor as it is (an mlet model's optimiser state is left
    /// out). `stop` raised, it ends with [`CompressError::Stopped`] and leaves nothing behind.
    ///
    /// # Errors
    /// [`CompressError`].
    pub fn write(
        &self,
        forms: &[Form],
        out: &Path,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize, usize, &str),
    ) -> Result<Vec<Compressed>, CompressError> {
        file::write(self, forms, out, stop, progress)
    }
}

/// The checkpoint that a run's folder or a file means.
fn file_of(path: &Path) -> std::path::PathBuf {
    if path.is_dir() {
        super::folder::RunFolder(path.to_path_buf()).checkpoint()
    } else {
        path.to_path_buf()
    }
}
