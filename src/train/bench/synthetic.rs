//! Examples in memory and initial values. Nothing is learnt from them; they only have to cost what real ones cost.

use super::setup::{Rows, Setup};
use crate::data::dataset::DatasetError;
use crate::data::examples::Examples;
use crate::model::Architecture;
use crate::train::engine::{Engine, EngineError};
use crate::train::initialize::{Distribution, TensorRandom, mlp_bias, mlp_weight};
use crate::train::parameters::{Named, Parameters};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

/// Examples, at least: at 40 words each more than most caches hold, since a loader of real data reads from memory too.
const EXAMPLES: usize = 1 << 18;
/// Batches, at least.
const BATCHES: usize = 64;

/// Examples for a set-up: dense features ln(1 + x) of whole numbers x below 100, rows as [`Rows`] says, labels that depend
/// on the first rows, so that there is something to learn.
///
/// # Errors
/// None that could come of these columns.
pub fn examples(setup: &Setup, architecture: &Architecture) -> Result<Examples, DatasetError> {
    let count = EXAMPLES.max(BATCHES * setup.config.training.batch_size);
    let stream = |purpose: u64, index: usize| {
        let mut generator = ChaCha8Rng::seed_from_u64(setup.config.seed);
        generator.set_stream((purpose << 32) | index as u64);
        generator
    };
    let dense = (0..architecture.num_dense_features).into_par_iter().map(|column| {
        let mut random = stream(1, column);
        (0..count)
            .map(|_| (1.0 + (100.0 * unit(&mut random)).floor()).ln() as f32)
            .collect()
    });
    let rows = architecture.tables.par_iter().enumerate().map(|(feature, table)| {
        let mut random = stream(2, feature);
        let n = table.num_embeddings;
        let row = |u: f64| match setup.rows {
            Rows::Uniform => n as f64 * u,
            Rows::Power => n as f64 * u.powi(4),
        };
        (0..count)
            .map(|_| (row(unit(&mut random)) as usize).min(n - 1) as u32)
            .collect()
    });
    let (dense, rows): (Vec<Vec<f32>>, Vec<Vec<u32>>) = (dense.collect(), rows.collect());
    let mut random = stream(3, 0);
    let label = |example: usize| {
        let hash = rows
            .iter()
            .take(4)
            .fold(0, |hash, column| mix(hash ^ u64::from(column[example] % 8)));
        let threshold = 0.1 + 0.3 * (hash >> 40) as f64 / (1u64 << 24) as f64;
        f32::from(unit(&mut random) < threshold)
    };
    let labels = (0..count).map(label).collect();
    Examples::plain(labels, dense, rows)
}

/// Initial values as training starts them, but the first factors' uniform numbers come from a hash of their place instead
/// of ChaCha8: every page of every table is written, by all threads, in seconds where a table has gigabytes. (Pages that
/// were never written would all show the same page of zeros, and a cache would hold every table.)
///
/// # Errors
/// [`EngineError`].
pub fn initialize(
    setup: &Setup,
    architecture: &Architecture,
    parameters: &Parameters,
    engine: &mut Engine,
) -> Result<(), EngineError> {
    let seed = setup.config.seed;
    for named in &parameters.named {
        if named.name.starts_with("embedding.") {
            continue;
        }
        let values = match named.shape[..] {
            [outputs, inputs] => mlp_weight(seed, &named.name, [outputs, inputs]),
            _ => mlp_bias(seed, &named.name, named.shape[0]),
        };
        write(engine, named, values.as_slice().unwrap_or_default())?;
    }
    let tables = architecture.tables.len();
    let factors = parameters
        .named
        .iter()
        .filter(|named| named.name.starts_with("embedding."));
    for (place, named) in factors.enumerate() {
        if place >= tables {
            let std = setup.config.initialization.std;
            let normal = TensorRandom::new(seed, &named.name, named.shape[1]);
            let values = normal.matrix(named.shape[0], Distribution::Normal { std });
            write(engine, named, values.as_slice().unwrap_or_default())?;
            continue;
        }
        let bound = (1.0 / named.shape[0] as f32).sqrt();
        let key = mix(seed ^ mix(place as u64));
        engine.fill_region(&named.region, |row, out| {
            let mut state = mix(key ^ row as u64);
            for value in out {
                state = state.wrapping_add(GOLDEN);
                *value = bound * ((mix(state) >> 40) as f32 / (1u32 << 23) as f32 - 1.0);
            }
        })?;
    }
    Ok(())
}

fn write(engine: &mut Engine, named: &Named, values: &[f32]) -> Result<(), EngineError> {
    let cols = named.region.matrix.cols;
    engine.write_region(&named.region, |rows, out| {
        out.copy_from_slice(&values[rows.start * cols..rows.end * cols]);
        Ok(())
    })
}

/// 2⁶⁴ divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finaliser (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(GOLDEN);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// [0, 1).
fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}
