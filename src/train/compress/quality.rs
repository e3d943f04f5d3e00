//! What compressing costs: LogLoss and AUC before and after, and at other sizes.

use super::{CompressError, Goal, Model, file_of};
use crate::data::dataset::Dataset;
use crate::data::schema::Split;
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Rule;
use crate::spectrum::advice::Form;
use crate::spectrum::truncate::Directions;
use crate::train::engine::{Engine, EngineError};
use crate::train::error::TrainError;
use crate::train::evaluate::Evaluator;
use crate::train::metrics::Quality;
use crate::train::{self};
use serde::Serialize;
use std::path::Path;

/// How the ranks of a point of the curve were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Every table keeps the same share of its energy.
    Energy,
    /// As much as can be kept in the same bytes, over all tables.
    Budget,
}

/// The quality of the model at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// How the ranks were chosen.
    pub way: Way,
    /// The share of energy that every table keeps; of a budget, the share that takes as many bytes.
    pub energy: f64,
    /// Bytes of all tables.
    pub bytes: u64,
    /// Measures on the split.
    pub quality: Quality,
}

/// Measures the model in a file on a split.
///
/// # Errors
/// [`TrainError`] where the file is no model of mlet's, or does not fit the data.
pub fn of_file(path: &Path, dataset: &Dataset, split: Split, engine: &mut Engine) -> Result<Quality, TrainError> {
    let checkpoint = Checkpoint::open(&file_of(path))?;
    let mut config = checkpoint.metadata()?.config;
    config.optimizer.rule = Rule::Sgd; // nothing steps: no room for the optimiser's sums
    let model = train::state::Model::load(&config, dataset, &checkpoint, engine)?;
    let mut evaluator = Evaluator::new(&model.architecture, &model.parameters, dataset, engine)?;
    Ok(evaluator.split(dataset, split, engine)?.quality)
}

/// What the points of a curve leave of a table for the next.
#[derive(Default)]
struct Put<'a> {
    /// None until the first point.
    directions: Option<Directions<'a>>,
    /// The form that lies in the loaded model.
    form: Option<Form>,
}

impl Model {
    /// Measures the compressed file `compressed` on a split with its tables at each share of energy, and with as many bytes
    /// shared out over all tables. The MLPs are those of the file; the tables are this model's, truncated and rounded as they
    /// would be written. Every table is decomposed once, when the first point cuts it; what is kept for the next points are
    /// [`Directions`], a k×d and a d×min(n, k, d) matrix a table, whatever its rows and however many the shares. A table whose
    /// form is that of the point before is left where it is.
    ///
    /// # Errors
    /// [`CompressError`].
    pub fn curve(
        &self,
        compressed: &Path,
        shares: &[f64],
        (dataset, split): (&Dataset, Split),
        engine: &mut Engine,
        progress: &mut dyn FnMut(usize, usize, &str),
    ) -> Result<Vec<Point>, CompressError> {
        let checkpoint = Checkpoint::open(compressed)?;
        let mut config = checkpoint.metadata()?.config;
        config.optimizer.rule = Rule::Sgd;
        let loaded = train::state::Model::load(&config, dataset, &checkpoint, engine)?;
        let mut evaluator =
            Evaluator::new(&loaded.architecture, &loaded.parameters, dataset, engine).map_err(CompressError::from)?;
        let mut points = Vec::new();
        let mut put: Vec<Put<'_>> = self.source.tables.iter().map(|_| Put::default()).collect();
        for (done, &energy) in shares.iter().enumerate() {
            progress(done, shares.len(), &format!("quality at {energy}"));
            let mut bytes = None;
            for way in [Way::Energy, Way::Budget] {
                let goal = bytes.map_or(Goal::Energy(energy), Goal::Budget);
                let choice = self.choose(&goal)?;
                bytes = Some(choice.bytes);
                self.put_tables(&choice.forms, &mut put, &loaded, engine)?;
                let quality = evaluator.split(dataset, split, engine)?.quality;
                points.push(Point {
                    way,
                    energy,
                    bytes: choice.bytes,
                    quality,
                });
            }
        }
        Ok(points)
    }

    /// Writes the tables, in these forms, where the loaded model has its own.
    fn put_tables<'a>(
        &'a self,
        forms: &[Form],
        put: &mut [Put<'a>],
        loaded: &train::state::Model,
        engine: &mut Engine,
    ) -> Result<(), CompressError> {
        for ((table, &form), put) in self.source.tables.iter().zip(forms).zip(put) {
            if put.form == Some(form) {
                continue;
            }
            let name = crate::model::architecture::factor_name(&table.name, 0);
            let Some(named) = loaded.parameters.named.iter().find(|named| named.name == name) else {
                continue;
            };
            let failed = |error| CompressError::table(table, error);
            let directions = match &mut put.directions {
                Some(directions) => directions,
                none => none.insert(Directions::of(table).map_err(failed)?),
            };
            let cut = directions.cut(form).map_err(failed)?;
            let cols = table.embedding_dim();
            let written = engine.write_region::<EngineError>(&named.region, |rows, out| {
                let values = cut.rows(rows);
                for (i, row) in out.chunks_exact_mut(cols).enumerate() {
                    row.iter_mut().enumerate().for_each(|(j, x)| *x = values[(i, j)] as f32);
                }
                Ok(())
            });
            written.map_err(TrainError::from)?;
            put.form = Some(form);
        }
        Ok(())
    }
}
