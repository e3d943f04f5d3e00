//! What the CPU runs as one operation gives the bits of the operations that it stands for.

#[path = "common/load.rs"]
mod load;

use mlet::backend::cpu::Memory;
use mlet::data::examples::Examples;
use mlet::data::loader::Batch;
use mlet::kernels::Operation;
use mlet::kernels::embedding::fuse;
use mlet::model::Config;
use mlet::model::architecture::{Architecture, TableShape};
use mlet::model::config::{Loss, Rule};
use mlet::train::initialize::{Distribution, TensorRandom};
use mlet::train::parameters::Parameters;
use mlet::train::step;

const BATCH: usize = 700;
/// One table with more unique rows in a batch than a task takes, one with fewer rows than a register tile, one whose bags
/// are all empty.
const SIZES: [usize; 4] = [2, 5000, 7, 61];

/// Bags of one row; the third feature's are empty, the last one's have up to three rows.
fn examples() -> Examples {
    let draw = |i: usize, salt: usize| (i + 1).wrapping_mul(2_654_435_761).wrapping_add(salt * 97) >> 3;
    let bags = SIZES.iter().enumerate().map(|(feature, &n)| {
        let length = |i: usize| match feature {
            2 => 0,
            3 => draw(i, 1) % 4,
            _ => 1,
        };
        let (mut offsets, mut rows) = (vec![0], Vec::new());
        for i in 0..BATCH {
            rows.extend((0..length(i)).map(|j| (draw(i, feature + 5 * j) % n) as u32));
            offsets.push(rows.len() as u32);
        }
        (offsets, rows)
    });
    let dense = (0..2).map(|column| (0..BATCH).map(|i| (draw(i, column) % 100) as f32 / 50.0).collect());
    let labels = (0..BATCH).map(|i| (draw(i, 9) % 2) as f32).collect();
    Examples::from_memory(labels, dense.collect(), bags.collect()).expect("the columns fit")
}

/// All parameters and sums after three steps, and how many operations a step had; `fused` or as written.
fn after_steps(config: &Config, fused: bool) -> (Vec<Vec<u32>>, usize) {
    let tables = SIZES.iter().enumerate().map(|(t, &n)| TableShape {
        feature: format!("C{t}"),
        num_embeddings: n,
        max_bag: 3,
    });
    let architecture = Architecture::new(config, 2, tables.collect());
    let mut memory = Memory::<f32>::new();
    let Ok(parameters) = Parameters::allocate(&architecture, &config.optimizer, &mut memory);
    for named in &parameters.named {
        let (cols, stride) = (named.region.matrix.cols, named.region.matrix.stride());
        let mut values = vec![0.0; named.region.rows.len() * cols];
        TensorRandom::new(3, &named.name, cols).fill(
            0..named.region.rows.len(),
            Distribution::Uniform { bound: 0.5 },
            &mut values,
        );
        for (buffer, within, rows) in named.region.pieces() {
            for (to, from) in within.zip(rows) {
                let out = &mut memory.floats_mut(buffer)[to * stride..to * stride + cols];
                let values = &values[from * cols..(from + 1) * cols];
                out.iter_mut().zip(values).for_each(|(out, &value)| *out = value as f32);
            }
        }
    }
    let Ok(step) = step::build(&architecture, &parameters, BATCH, Some(Loss::Bce), &mut memory);
    let layout = parameters.row_layout();
    let mut batch = Batch::new(BATCH, 2, &layout, step.batch.sparse.capacity);
    batch.fill(&examples(), 0..BATCH, &layout).expect("the batch fits");
    assert!(
        batch.table_start[2] - batch.table_start[1] > 512,
        "more than two tasks' rows"
    );
    batch.scalars = [0.1, 0.2, 0.0, 0.0];
    let operations: Vec<Operation> = match fused {
        true => fuse(step.operations),
        false => step.operations,
    };
    for _ in 0..3 {
        load::load(&mut memory, &step.batch, &batch);
        operations.iter().for_each(|operation| operation.cpu(&mut memory));
    }
    let all = parameters.named.iter().chain(&parameters.sums);
    let bits = all.flat_map(|named| named.region.pieces().map(|(buffer, ..)| buffer));
    let bits = bits.map(|buffer| memory.floats(buffer).iter().map(|value| value.to_bits()).collect());
    (bits.collect(), operations.len())
}

#[test]
fn the_same_bits_as_the_operations_as_written() {
    for rule in [Rule::Sgd, Rule::Adagrad, Rule::RowwiseAdagrad] {
        // (k, depth, frozen): narrow, wider than a panel, three factors, the second one frozen.
        for (inner, depth, frozen, fewer) in [(5, 2, false, 3), (37, 2, false, 3), (9, 3, false, 3), (6, 2, true, 2)] {
            let mut config = Config::default();
            (config.model.bottom_mlp, config.model.top_mlp) = (vec![6], vec![5]);
            config.model.embedding_dim = 5;
            (config.model.inner_dim, config.model.depth) = (Some(inner), Some(depth));
            config.optimizer.rule = rule;
            config.optimizer.freeze_further_factors = frozen;
            let (written, operations) = after_steps(&config, false);
            let (fused, left) = after_steps(&config, true);
            assert_eq!(operations - left, fewer, "operations that were joined");
            assert!(
                written == fused,
                "{rule:?}, k = {inner}, depth {depth}, frozen {frozen}: bits differ"
            );
        }
    }
}
