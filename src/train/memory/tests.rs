use super::*;
use crate::backend::cpu::Memory;
use crate::model::architecture::TableShape;

fn model(rule: Rule, inner_dim: Option<usize>) -> (Config, Architecture) {
    let mut config = Config::default();
    config.model.bottom_mlp = vec![6];
    config.model.top_mlp = vec![9];
    config.model.embedding_dim = 5;
    config.model.inner_dim = inner_dim;
    config.optimizer.rule = rule;
    config.training.batch_size = 7;
    let table = |feature: &str, num_embeddings, max_bag| TableShape {
        feature: feature.into(),
        num_embeddings,
        max_bag,
    };
    let tables = vec![table("a", 100, 1), table("b", 3, 4)];
    let architecture = Architecture::new(&config, 3, tables);
    (config, architecture)
}

/// What is counted is what the CPU's memory then holds, to the byte, with shards and without.
#[test]
fn what_is_counted_is_what_is_allocated() {
    for rule in [Rule::Sgd, Rule::Adagrad, Rule::RowwiseAdagrad] {
        for (inner_dim, shards, threads) in [(None, usize::MAX, 1), (Some(9), usize::MAX, 1), (Some(9), 64, 3)] {
            let (config, architecture) = model(rule, inner_dim);
            let needs = Needs::of_run(&config, &architecture, 0, shards, threads);
            let mut memory = Memory::<f32>::with_shards(shards);
            let Ok(parameters) = Parameters::allocate(&architecture, &config.optimizer, &mut memory);
            assert_eq!(needs.tables + needs.mlps + needs.optimizer, memory.bytes());
            let Ok(step) = step::build(&architecture, &parameters, 7, Some(Loss::Bce), &mut memory);
            let Ok(_) = step::build(&architecture, &parameters, evaluate::BATCH_SIZE, None, &mut memory);
            assert_eq!(needs.on_device(), memory.bytes(), "{rule:?} {inner_dim:?} {shards}");
            let batch = Batch::new(7, 3, &parameters.row_layout(), step.batch.sparse.capacity);
            let scratch = batch.scratch().held_bytes();
            let expected = batches::batches(threads) as u64 * batch.held_bytes() + threads as u64 * scratch;
            assert_eq!(needs.batches, expected);
        }
    }
}

/// By hand: table a has 100 rows and b 3, each 9 numbers wide and so 12 apart; their second factors 9 × 5, 8 apart.
#[test]
fn tables_are_counted_with_their_padding() {
    let (config, architecture) = model(Rule::RowwiseAdagrad, Some(9));
    let needs = Needs::of(&config, &architecture, usize::MAX, 1);
    assert_eq!(needs.tables, 4 * (103 * 12 + 2 * 9 * 8));
    // (6, 3), (5, 6), (9, 5 + 3), (1, 9) and their biases.
    let mlps = 4 * ((6 * 4 + 8) + (5 * 8 + 8) + (9 * 8 + 12) + (12 + 4));
    assert_eq!(needs.mlps, mlps);
    assert_eq!(needs.optimizer, mlps + 4 * (103 * 4 + 2 * 9 * 8));
}

#[test]
fn too_much_is_refused_with_what_to_change() {
    let (config, architecture) = model(Rule::Adagrad, Some(9));
    let needs = Needs::of(&config, &architecture, usize::MAX, 1);
    let check = |available| needs.check(needs.total(), available, &config, "--cap N");
    assert_eq!(check(None), Ok(()));
    assert_eq!(check(Some(needs.total())), Ok(()));
    let refused = check(Some(needs.total() - 1)).unwrap_err();
    assert_eq!((refused.needs, refused.available), (needs, needs.total() - 1));
    let said = check(Some(1234)).unwrap_err().to_string();
    for part in [
        size(needs.total()).as_str(),
        size(needs.tables).as_str(),
        "1.23 kB are available",
        "rowwise-adagrad",
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    let (config, architecture) = {
        let (config, mut architecture) = model(Rule::Sgd, Some(9));
        architecture.tables[0].num_embeddings = 1_000_000;
        (config, architecture)
    };
    let needs = Needs::of(&config, &architecture, usize::MAX, 1);
    let said = needs
        .check(needs.total(), Some(0), &config, "--cap N")
        .unwrap_err()
        .to_string();
    for part in ["--inner-dim than 9", "--cap N"] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    assert!(!said.contains("adagrad"), "{said}");
}

#[test]
fn sizes_have_three_digits() {
    let cases = [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345, "12.3 kB"),
        (999_600, "1.00 MB"),
        (8_650_000_000, "8.65 GB"),
    ];
    for (bytes, text) in cases {
        assert_eq!(size(bytes), text);
    }
}

#[test]
fn linux_says_what_there_is() {
    assert_eq!(
        kilobytes("MemTotal:  9 kB\nMemAvailable:   123 kB\n", "MemAvailable:"),
        Some(123 * 1024)
    );
    assert_eq!(kilobytes("MemTotal: 9 kB\n", "MemAvailable:"), None);
    if cfg!(target_os = "linux") {
        assert!(peak().unwrap() > 1 << 20);
        assert!(available().is_some());
    }
}
