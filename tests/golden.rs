//! DLRM's own README prints a whole training run of three steps: initial parameters, bags of several rows, losses and final
//! parameters, to five digits. Here the same run is made on every backend there is.

#[path = "drivers/mod.rs"]
mod drivers;

use mlet::data::examples::Examples;
use mlet::data::loader::Batch;
use mlet::model::architecture::{Architecture, TableShape};
use mlet::model::config::{Interaction, Loss, Optimizer};
use mlet::train::engine::{Engine, EngineError};
use mlet::train::parameters::Parameters;
use mlet::train::step;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Inputs and outputs are printed to five digits (half a unit is 5e-6); through three steps of a network of this size
/// the error stays below ten such halves.
const ATOL: f64 = 5e-5;

#[derive(Deserialize)]
struct Golden {
    config: Config,
    initial: BTreeMap<String, Tensor>,
    batches: Vec<MiniBatch>,
    losses: Vec<f64>,
    r#final: BTreeMap<String, Tensor>,
}

#[derive(Deserialize)]
struct Config {
    num_dense_features: usize,
    embedding_dim: usize,
    features: Vec<Feature>,
    bottom_mlp: Vec<usize>,
    top_mlp: Vec<usize>,
    learning_rate: f32,
    batch_size: usize,
}

#[derive(Deserialize)]
struct Feature {
    name: String,
    num_embeddings: usize,
}

#[derive(Deserialize)]
struct Tensor {
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct MiniBatch {
    dense: Vec<Vec<f32>>,
    offsets: Vec<Vec<u32>>,
    indices: Vec<Vec<u32>>,
    targets: Vec<f32>,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("golden/dlrm_readme.json")).expect("the golden file is JSON")
    }

    fn architecture(&self) -> Architecture {
        let c = &self.config;
        let widths = |input: usize, rest: &[usize]| [&[input], rest].concat();
        let vectors = c.features.len() + 1;
        let tables = c.features.iter().map(|feature| TableShape {
            feature: feature.name.clone(),
            num_embeddings: feature.num_embeddings,
            max_bag: feature.num_embeddings,
        });
        Architecture {
            num_dense_features: c.num_dense_features,
            tables: tables.collect(),
            embedding_dim: c.embedding_dim,
            factor_widths: vec![c.embedding_dim],
            bottom_mlp: widths(c.num_dense_features, &c.bottom_mlp),
            top_mlp: widths(c.embedding_dim + vectors * (vectors - 1) / 2, &c.top_mlp),
            interaction: Interaction::Dot,
        }
    }
}

impl MiniBatch {
    fn examples(&self) -> Examples {
        let columns = self.dense[0].len();
        let dense = (0..columns).map(|j| self.dense.iter().map(|row| row[j]).collect());
        let bags = self.offsets.iter().cloned().zip(self.indices.iter().cloned());
        Examples::from_memory(self.targets.clone(), dense.collect(), bags.collect()).expect("the columns fit")
    }
}

fn check(mut engine: Engine) {
    let golden = Golden::read();
    let name = engine.description();
    let architecture = golden.architecture();
    let parameters = Parameters::allocate(&architecture, &Optimizer::default(), &mut engine).unwrap();
    for named in &parameters.named {
        let (values, cols) = (&golden.initial[&named.name].values, named.region.matrix.cols);
        let rows = |rows: std::ops::Range<usize>, out: &mut [f32]| {
            out.copy_from_slice(&values[rows.start * cols..rows.end * cols]);
            Ok::<(), EngineError>(())
        };
        engine.write_region(&named.region, rows).unwrap();
    }
    let step = step::build(
        &architecture,
        &parameters,
        golden.config.batch_size,
        Some(Loss::Mse),
        &mut engine,
    )
    .unwrap();
    let program = engine.compile(step.operations.clone()).unwrap();
    let layout = parameters.row_layout();
    let mut batch = Batch::new(golden.config.batch_size, 4, &layout, step.batch.sparse.capacity);
    for (slot, mini_batch) in golden.batches.iter().enumerate() {
        let examples = mini_batch.examples();
        batch.fill(&examples, 0..examples.len(), &layout).unwrap();
        batch.scalars = [golden.config.learning_rate, golden.config.learning_rate, 0.0, 0.0];
        batch.counts[2] = slot as u32;
        engine.enqueue(&step.batch, &batch, &program).unwrap();
    }
    let losses = engine.read(step.losses, 0..golden.losses.len()).unwrap();
    for (i, (&found, expected)) in losses.iter().zip(&golden.losses).enumerate() {
        assert!(
            (f64::from(found) - expected).abs() <= ATOL,
            "{name}: loss {i} is {found}, DLRM's {expected}"
        );
    }
    for named in &parameters.named {
        let found = engine.read_region(&named.region).unwrap();
        let expected = &golden.r#final[&named.name].values;
        assert_eq!(found.len(), expected.len(), "{}", named.name);
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let gap = f64::from((found - expected).abs());
            assert!(gap <= ATOL, "{name}: {}[{i}] is {found}, DLRM's {expected}", named.name);
        }
    }
    println!("{name}: losses {losses:?}");
}

#[test]
fn cpu_repeats_dlrms_run() {
    check(Engine::cpu(1).unwrap());
}

/// Whole, and with the tables cut into shards of two rows.
#[test]
fn every_driver_repeats_dlrms_run() {
    for max_shard_bytes in [None, Some(32)] {
        drivers::on_each(max_shard_bytes, |_, gpu| check(Engine::Gpu(Box::new(gpu))));
    }
}
