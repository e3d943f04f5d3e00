//! The whole model: after one SGD step with learning rate 1, before − after is the gradient of every parameter.

use super::{compare, difference, load, numbers, run};
use mlet::backend::cpu::Memory;
use mlet::data::examples::Examples;
use mlet::data::loader::Batch;
use mlet::kernels::Operation;
use mlet::model::Config;
use mlet::model::architecture::{Architecture, TableShape};
use mlet::model::config::{Interaction, Loss};
use mlet::train::parameters::Parameters;
use mlet::train::step::{self, Step};

/// Five examples in batches of seven (so two are padding); a plain feature, a bag with repeats, a table nobody uses.
fn examples() -> Examples {
    let dense = (0..3).map(|column| {
        let values = numbers(&format!("dense {column}"), 5);
        values.into_iter().map(|value| value as f32).collect()
    });
    let bags = vec![
        ((0..=5).collect(), vec![0, 3, 3, 1, 0]),
        (vec![0, 2, 2, 5, 6, 7], vec![4, 4, 0, 1, 2, 4, 1]),
        (vec![0; 6], vec![]),
    ];
    Examples::from_memory(vec![1.0, 0.0, 0.0, 1.0, 1.0], dense.collect(), bags).expect("the columns fit")
}

struct Trial {
    memory: Memory<f64>,
    parameters: Parameters,
    step: Step,
    batch: Batch,
    frozen: bool,
}

impl Trial {
    fn new(inner_dim: Option<usize>, depth: Option<usize>, interaction: Interaction, loss: Loss) -> Self {
        Self::with_factors(inner_dim, depth, interaction, loss, false)
    }

    /// With the factors 2…N frozen.
    fn frozen(inner_dim: usize, depth: usize) -> Self {
        Self::with_factors(Some(inner_dim), Some(depth), Interaction::Dot, Loss::Bce, true)
    }

    fn with_factors(
        inner_dim: Option<usize>,
        depth: Option<usize>,
        interaction: Interaction,
        loss: Loss,
        frozen: bool,
    ) -> Self {
        let mut config = Config::default();
        (config.model.bottom_mlp, config.model.top_mlp) = (vec![6], vec![5]);
        config.model.embedding_dim = 3;
        (config.model.inner_dim, config.model.depth) = (inner_dim, depth);
        config.model.interaction = interaction;
        config.optimizer.freeze_further_factors = frozen;
        let table = |(t, n): (usize, usize)| TableShape {
            feature: format!("C{t}"),
            num_embeddings: n,
            max_bag: 3,
        };
        let architecture = Architecture::new(&config, 3, [4, 5, 2].into_iter().enumerate().map(table).collect());
        let mut memory = Memory::with_shards(12); // rows of 4 in shards of 3: tables cross them
        let Ok(parameters) = Parameters::allocate(&architecture, &config.optimizer, &mut memory);
        let Ok(step) = step::build(&architecture, &parameters, 7, Some(loss), &mut memory);
        let layout = parameters.row_layout();
        let mut batch = Batch::new(7, 3, &layout, step.batch.sparse.capacity);
        batch.fill(&examples(), 0..5, &layout).expect("the batch fits");
        let mut trial = Self {
            memory,
            parameters,
            step,
            batch,
            frozen,
        };
        trial.start();
        trial
    }

    fn start(&mut self) {
        for named in &self.parameters.named {
            let (cols, stride) = (named.region.matrix.cols, named.region.matrix.stride());
            let values = numbers(&named.name, named.region.rows.len() * cols);
            for (buffer, within, rows) in named.region.pieces() {
                for (to, from) in within.zip(rows) {
                    let out = &mut self.memory.floats_mut(buffer)[to * stride..to * stride + cols];
                    out.copy_from_slice(&values[from * cols..(from + 1) * cols]);
                }
            }
        }
        self.batch.scalars = [1.0, 1.0, 0.0, 0.0];
        load::load(&mut self.memory, &self.step.batch, &self.batch);
    }

    fn check(mut self, what: &str) {
        let last = self
            .step
            .operations
            .iter()
            .position(|operation| matches!(operation, Operation::Loss(_)));
        let forward = self.step.operations[..=last.expect("a training step has a loss")].to_vec();
        let mut trained = self.memory.clone();
        run(&mut trained, &self.step.operations);
        let losses = self.step.losses;
        let mut loss = |memory: &mut Memory<f64>| {
            run(memory, &forward);
            memory.floats(losses)[0]
        };
        for named in &self.parameters.named {
            let stride = named.region.matrix.stride();
            for (buffer, within, _) in named.region.pieces() {
                for at in within.start * stride..within.end * stride {
                    if at % stride >= named.region.matrix.cols {
                        assert_eq!(
                            trained.floats(buffer)[at],
                            0.0,
                            "{what}: {}: padding was written",
                            named.name
                        );
                        continue;
                    }
                    if self.frozen && is_further_factor(&named.name) {
                        let (before, after) = (self.memory.floats(buffer)[at], trained.floats(buffer)[at]);
                        assert_eq!(before, after, "{what}: {} stepped", named.name);
                        continue;
                    }
                    let gradient = self.memory.floats(buffer)[at] - trained.floats(buffer)[at];
                    let difference = difference(&mut self.memory, buffer, at, &mut loss);
                    compare(&format!("{what}: {}", named.name), at, gradient, difference);
                }
            }
        }
    }
}

/// `embedding.C1.factor.2`, but not `….factor.1`.
fn is_further_factor(name: &str) -> bool {
    name.contains(".factor.") && !name.ends_with(".factor.1")
}

#[test]
fn frozen_factors_stay_and_pass_the_gradient_on() {
    Trial::frozen(5, 2).check("W2 frozen");
    Trial::frozen(4, 4).check("W2, W3, W4 frozen");
}

#[test]
fn a_frozen_factor_costs_no_weight_gradient() {
    let count = |trial: Trial, what: fn(&Operation) -> bool| trial.step.operations.iter().filter(|o| what(o)).count();
    let weights = |operation: &Operation| matches!(operation, Operation::FactorBackwardWeight(_));
    let trained = || Trial::new(Some(4), Some(4), Interaction::Dot, Loss::Bce);
    assert_eq!((count(trained(), weights), count(Trial::frozen(4, 4), weights)), (3, 0));
}

#[test]
fn single_layer() {
    Trial::new(None, None, Interaction::Dot, Loss::Bce).check("single layer");
}

#[test]
fn two_layers() {
    Trial::new(Some(5), None, Interaction::Dot, Loss::Bce).check("two layers");
}

#[test]
fn two_narrow_layers() {
    Trial::new(Some(2), None, Interaction::Dot, Loss::Mse).check("k < d");
}

#[test]
fn four_layers() {
    Trial::new(Some(4), Some(4), Interaction::Dot, Loss::Bce).check("four layers");
}

#[test]
fn cat() {
    Trial::new(Some(5), None, Interaction::Cat, Loss::Bce).check("cat");
}
