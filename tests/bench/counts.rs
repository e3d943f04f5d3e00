//! FLOPs counted by hand, from the network's shape and from the operations.

use mlet::backend::count::Counting;
use mlet::kernels::cost::Rows;
use mlet::model::architecture::TableShape;
use mlet::model::config::{Interaction, Loss};
use mlet::model::{Architecture, Config};
use mlet::train::bench::arm::step_flops;
use mlet::train::parameters::Parameters;
use mlet::train::step;

fn model(depth: usize, interaction: Interaction) -> (Config, Architecture) {
    let mut config = Config::default();
    config.model.bottom_mlp = vec![6];
    config.model.top_mlp = vec![9];
    config.model.embedding_dim = 5;
    config.model.inner_dim = (depth > 1).then_some(11);
    config.model.depth = Some(depth);
    config.model.interaction = interaction;
    config.training.batch_size = 7;
    let table = |feature: &str, num_embeddings| TableShape {
        feature: feature.into(),
        num_embeddings,
        max_bag: 1,
    };
    let architecture = Architecture::new(&config, 3, vec![table("a", 100), table("b", 4)]);
    (config, architecture)
}

/// Bottom 3-6-5, top 8-9-1 (5 and the three products of two features), two layers (11, 5), B = 7, U = 10:
/// MLPs 3·7·2·(18 + 30 + 72 + 9) less the first layer's gradient of its input, 7·2·18; products 3·7·2·3·5; factors 3·10·2·55.
#[test]
fn flops_by_hand() {
    let (_, architecture) = model(2, Interaction::Dot);
    let by_hand = 5418.0 - 252.0 + 630.0 + 3300.0;
    assert_eq!(step_flops(&architecture, 7, 10.0, false), by_hand);
    assert_eq!(step_flops(&architecture, 7, 10.0, true), by_hand - 1100.0);
    let (_, single) = model(1, Interaction::Dot);
    assert_eq!(step_flops(&single, 7, 10.0, false), by_hand - 3300.0);
}

/// Whatever the operations are, together they do the products that the network's shape asks for.
#[test]
fn the_operations_do_these_flops_and_no_others() {
    for depth in [1, 2, 3] {
        for interaction in [Interaction::Dot, Interaction::Cat] {
            for frozen in [false, true] {
                let (mut config, architecture) = model(depth, interaction);
                config.optimizer.freeze_further_factors = frozen;
                let mut memory = Counting::with_shards(usize::MAX);
                let Ok(parameters) = Parameters::allocate(&architecture, &config.optimizer, &mut memory);
                let Ok(step) = step::build(&architecture, &parameters, 7, Some(Loss::Bce), &mut memory);
                let rows = Rows {
                    unique: 10.0,
                    entries: 14.0,
                };
                let costs = step.operations.iter().map(|operation| operation.cost(&rows));
                let flops: f64 = costs.map(|cost| cost.flops).sum();
                let expected = step_flops(&architecture, 7, 10.0, frozen);
                assert_eq!(flops, expected, "depth {depth}, {interaction:?}, frozen {frozen}");
            }
        }
    }
}
