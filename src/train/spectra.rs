//! The singular values of every feature's end-to-end table W₁⋯W_N while it trains.
//!
//! The Gram matrix is computed where the table lies, by the operation [`Gram`]; of a table of any height only m×m numbers are read,
//! and the factors 2…N, which are small. The parameters are only read: the run stays the same to the last bit.

use super::engine::{Engine, EngineError, Program};
use super::error::TrainError;
use super::state::Model;
use crate::backend::{Allocate, Matrix as Buffer, stride};
use crate::kernels::Operation;
use crate::kernels::gram::{Gram, Piece, Scratch};
use crate::model::Config;
use crate::model::architecture::factor_name;
use crate::spectrum::decompose;
use crate::spectrum::measures;
use faer::Mat;
use serde::{Deserialize, Serialize};

/// The unit roundoffs of f64 and of f32.
const UNIT: [f64; 2] = [1.0 / (1u64 << 53) as f64, 1.0 / (1u64 << 24) as f64];

/// A line of `metrics.jsonl` about one feature's table at one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Steps done.
    pub step: u64,
    /// The feature.
    pub feature: String,
    /// σ, descending: d of them, or n where the table has fewer rows.
    pub singular_values: Vec<f64>,
    /// How far each value may be from that of the table as it is stored.
    pub errors: Vec<f64>,
    /// [`measures::effective_rank`].
    pub effective_rank: f64,
    /// [`measures::stable_rank`].
    pub stable_rank: f64,
    /// [`measures::participation_ratio`].
    pub participation_ratio: f64,
    /// [`measures::rank_at`] of 0.01.
    #[serde(rename = "rank_at_0.01")]
    pub rank_at_001: usize,
    /// [`measures::energy_dim`] of 0.99.
    pub energy_dim_99: usize,
}

/// Looks at the tables every so many steps.
pub(super) struct Watch {
    every: u64,
    grams: Vec<Gram>,
    program: Program,
}

impl Watch {
    /// The watch that the configuration asks for, if any: room for the results, and the operations made ready.
    pub(super) fn new(config: &Config, model: &Model, engine: &mut Engine) -> Result<Option<Self>, TrainError> {
        let every = config.training.spectrum_every;
        if every == 0 {
            return Ok(None);
        }
        let grams = grams(model, engine)?;
        let operations = grams.iter().cloned().map(Operation::Gram).collect();
        let program = engine.compile(operations)?;
        Ok(Some(Self { every, grams, program }))
    }

    /// Whether the tables are looked at after `done` steps of a run that ends after `end`.
    pub(super) fn due(&self, done: u64, end: u64) -> bool {
        done.is_multiple_of(self.every) || done == end
    }

    /// A line a feature.
    pub(super) fn look(&self, engine: &mut Engine, model: &Model, step: u64) -> Result<Vec<Snapshot>, TrainError> {
        engine.run(&self.program)?;
        self.grams
            .iter()
            .map(|gram| snapshot(gram, engine, model, step))
            .collect()
    }
}

/// The Gram matrix of each table: of W₁W₂ (d×d) where there are two factors and that takes fewer products a row than that of W₁
/// (k×k), whose further factors are multiplied to it afterwards.
fn grams(model: &Model, engine: &mut Engine) -> Result<Vec<Gram>, EngineError> {
    let (tables, parameters) = (model.architecture.tables.len(), &model.parameters);
    let (k, d) = (parameters.tables.cols, model.architecture.embedding_dim);
    let right = match parameters.factors[..] {
        [second] if k * d + d * d < k * k => Some(second.weight),
        _ => None,
    };
    let m = right.map_or(k, |right| right.cols);
    let mut matrix = |rows: usize, cols: usize| -> Result<Buffer, EngineError> {
        let buffer = engine.allocate_floats(rows * stride(cols))?;
        Ok(Buffer { buffer, rows, cols })
    };
    let [gram, low, squares] = [matrix(tables * m, m)?, matrix(tables * m, m)?, matrix(tables, 4)?];
    let pieces: Vec<Vec<Piece>> = (0..tables).map(|t| pieces(model, t)).collect();
    let most = pieces.iter().flatten().map(|piece| piece.rows.len()).max().unwrap_or(0);
    let rows = Scratch::rows_for(most, m);
    let [projected, partial] = Scratch::lens(rows, m);
    let scratch = match engine {
        Engine::Cpu(_) => None,
        Engine::Gpu(_) => Some(Scratch {
            rows,
            projected: engine.allocate_floats(projected)?,
            partial: engine.allocate_floats(partial)?,
        }),
    };
    let of = |(table, pieces)| Gram {
        table,
        pieces,
        cols: k,
        right,
        gram,
        low,
        squares,
        scratch,
    };
    Ok(pieces.into_iter().enumerate().map(of).collect())
}

/// Where table `t`'s first factor lies.
fn pieces(model: &Model, t: usize) -> Vec<Piece> {
    let name = factor_name(&model.architecture.tables[t].feature, 0);
    let named = model.parameters.named.iter().filter(|named| named.name == name);
    named
        .flat_map(|named| named.region.pieces())
        .map(|(buffer, rows, _)| Piece { buffer, rows })
        .collect()
}

/// Reads one table's result and takes its singular values.
fn snapshot(gram: &Gram, engine: &mut Engine, model: &Model, step: u64) -> Result<Snapshot, TrainError> {
    let table = &model.architecture.tables[gram.table];
    let not_finite = || TrainError::TableNotFinite {
        feature: table.feature.clone(),
        step,
    };
    let (roundings, unit) = match engine {
        Engine::Cpu(_) => (gram.roundings_cpu() as f64, UNIT[0]),
        Engine::Gpu(_) => (gram.roundings_gpu() as f64, UNIT[1]),
    };
    let g = read_gram(gram, engine)?;
    let trace: f64 = (0..g.nrows()).map(|i| g[(i, i)]).sum();
    // ‖G − PᵀP‖ ≤ γ·Σ‖p‖², and the trace is itself off by as much.
    let gamma = gamma(roundings, unit);
    let mut square_error = gamma / (1.0 - gamma) * trace;
    let (product, further) = match gram.right {
        Some(_) => (g, projection_error(gram, engine, model)?),
        None => {
            let found = times_factors(&g, gram.table, engine, model)?;
            let (product, norm, rounding) = found.ok_or_else(not_finite)?;
            square_error = square_error * norm * norm + rounding;
            (product, 0.0)
        }
    };
    let squares = decompose::singular_values(product.as_ref()).map_err(|_| not_finite())?;
    if !(square_error + further).is_finite() || squares.iter().any(|square| !square.is_finite()) {
        return Err(not_finite());
    }
    let count = table.num_embeddings.min(model.architecture.embedding_dim);
    let sigma: Vec<f64> = squares.iter().take(count).map(|square| square.sqrt()).collect();
    // |σ² − s²| ≤ e leaves |σ − s| ≤ √e, and ≤ e/s.
    let error = |s: &f64| square_error.sqrt().min(square_error / s) + further;
    Ok(Snapshot {
        step,
        feature: table.feature.clone(),
        errors: sigma.iter().map(error).collect(),
        effective_rank: measures::effective_rank(&sigma),
        stable_rank: measures::stable_rank(&sigma),
        participation_ratio: measures::participation_ratio(&sigma),
        rank_at_001: measures::rank_at(&sigma, 0.01),
        energy_dim_99: measures::energy_dim(&sigma, 0.99),
        singular_values: sigma,
    })
}

/// γ of so many roundings (Higham, Accuracy and Stability, Lemma 3.1).
fn gamma(roundings: f64, unit: f64) -> f64 {
    roundings * unit / (1.0 - roundings * unit)
}

/// Table t's m×m numbers, with what they lost in the rounding to f32 where that is known.
fn read_gram(gram: &Gram, engine: &mut Engine) -> Result<Mat<f64>, EngineError> {
    let (m, distance) = (gram.gram.cols, gram.gram.stride());
    let range = gram.table * m * distance..(gram.table + 1) * m * distance;
    let high = engine.read(gram.gram.buffer, range.clone())?;
    let low = engine.read(gram.low.buffer, range)?;
    let at = |i: usize, j: usize| f64::from(high[i * distance + j]) + f64::from(low[i * distance + j]);
    Ok(Mat::from_fn(m, m, |i, j| at(i.min(j), i.max(j))))
}

/// ‖P − A·X‖_F ≤ γ_{k+1}·‖A‖_F·‖X‖_F of the products in f32. The sum of squares is one of f32 too, hence the hundredth.
fn projection_error(gram: &Gram, engine: &mut Engine, model: &Model) -> Result<f64, EngineError> {
    let at = gram.table * gram.squares.stride();
    let squares = engine.read(gram.squares.buffer, at..at + 4)?;
    let left: f64 = squares.iter().map(|&square| f64::from(square)).sum();
    let right = norm(&factor(gram.table, 1, engine, model)?);
    Ok(1.01 * gamma(gram.cols as f64 + 1.0, UNIT[1]) * left.sqrt() * right)
}

/// TᵀGT of the factors 2…N, T = W₂⋯W_N; a bound of ‖T‖₂; and one of what that rounded, and the eigenvalues after it.
fn times_factors(
    g: &Mat<f64>,
    t: usize,
    engine: &mut Engine,
    model: &Model,
) -> Result<Option<(Mat<f64>, f64, f64)>, EngineError> {
    let depth = model.architecture.factor_shapes(t).len();
    let (mut right, mut norms) = (Mat::identity(g.nrows(), g.nrows()), 1.0);
    for j in 1..depth {
        let factor = factor(t, j, engine, model)?;
        norms *= norm(&factor);
        right = &right * &factor;
    }
    let product = right.transpose() * g * &right;
    let roundings = ((2 * depth + 2) * g.nrows() + 16 * product.nrows()) as f64;
    let rounding = gamma(roundings, UNIT[0]);
    let Ok(values) = decompose::singular_values(right.as_ref()) else {
        return Ok(None);
    };
    let largest = values.first().copied().unwrap_or(0.0) + rounding * norms;
    Ok(Some((product, largest, rounding * norms * norms * norm(g))))
}

/// Factor j of table t, from 1, in f64.
fn factor(t: usize, j: usize, engine: &mut Engine, model: &Model) -> Result<Mat<f64>, EngineError> {
    let name = factor_name(&model.architecture.tables[t].feature, j);
    let [rows, cols] = model.architecture.factor_shapes(t)[j];
    let Some(named) = model.parameters.named.iter().find(|named| named.name == name) else {
        unreachable!("every factor is a named parameter");
    };
    let values = engine.read_region(&named.region)?;
    Ok(Mat::from_fn(rows, cols, |i, c| f64::from(values[i * cols + c])))
}

fn norm(a: &Mat<f64>) -> f64 {
    a.norm_l2()
}
