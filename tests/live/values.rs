//! The values are those of the tables, and looking changes nothing.

use super::common::{checkpoint, fail, succeed, text};
use super::{drivers, flights, looks, train};
use mlet::model::Config;
use mlet::report::record::{Feature, Spectrum};
use mlet::report::run::{Options, measure};
use mlet::spectrum::measures;
use mlet::train::engine::Engine;
use mlet::train::run::{Silent, train_on};
use mlet::train::spectra::Snapshot;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Kinds of tables: one factor; two, of which W₁ is looked at; two, of which W₁W₂ is; three.
const KINDS: [(&str, Option<usize>, usize); 4] = [
    ("single", None, 2),
    ("narrow", Some(7), 2),
    ("wide", Some(20), 2),
    ("deep", Some(9), 3),
];
const STEPS: u64 = 25;
const EVERY: u64 = 10;

fn config(data: &Path, (_, inner_dim, depth): (&str, Option<usize>, usize)) -> Config {
    let mut config = Config {
        data: data.to_path_buf(),
        ..Config::default()
    };
    (config.model.bottom_mlp, config.model.top_mlp) = (vec![16], vec![16]);
    (config.model.embedding_dim, config.model.inner_dim) = (6, inner_dim);
    config.model.depth = inner_dim.map(|_| depth);
    config.training.max_steps = Some(STEPS);
    config.training.spectrum_every = EVERY;
    config
}

/// A look's values are no farther from the proved ones than it says, and what it says is worth something.
fn agree(look: &Snapshot, spectrum: &Spectrum, of: &str) {
    let values = &look.singular_values;
    assert_eq!(values.len(), spectrum.singular_values.len(), "{of}");
    let leading = look.errors[0] / values[0];
    assert!(leading <= 1e-4, "{of}: {leading:e} of σ₁");
    for (i, (value, proved)) in values.iter().zip(&spectrum.intervals).enumerate() {
        let range = proved.lo - look.errors[i]..=proved.hi + look.errors[i];
        assert!(range.contains(value), "{of}: σ_{} = {value}, not in {range:?}", i + 1);
    }
}

/// The first look is at the start of training, and the last at its end.
fn check(run: &Path, of: &str) {
    let report = measure(&[(run.to_path_buf(), None)], &Options::default(), &mut |_| {}).unwrap();
    let features: &[Feature] = &report.models[0].features;
    assert_eq!(features.len(), 11);
    for feature in features {
        let name = format!("{of}, {}", feature.name);
        let looks = feature.history.as_ref().unwrap();
        let steps: Vec<u64> = looks.iter().map(|look| look.step).collect();
        assert_eq!(steps, [0, 10, 20, STEPS], "{name}");
        agree(&looks[0], feature.initial.as_ref().unwrap(), &name);
        agree(&looks[3], &feature.spectrum, &name);
        for look in looks {
            let (sigma, found) = (&look.singular_values, look.energy_dim_99);
            assert_eq!(look.effective_rank, measures::effective_rank(sigma), "{name}");
            assert_eq!(look.stable_rank, measures::stable_rank(sigma), "{name}");
            assert_eq!(look.participation_ratio, measures::participation_ratio(sigma), "{name}");
            assert_eq!(
                (look.rank_at_001, found),
                (measures::rank_at(sigma, 0.01), measures::energy_dim(sigma, 0.99)),
                "{name}"
            );
        }
        assert_ne!(looks[2].singular_values, looks[3].singular_values, "{name}: it trains");
    }
}

#[test]
fn on_the_cpu() {
    let directory = tempfile::tempdir().unwrap();
    let data = flights(directory.path());
    for kind in KINDS {
        let run = |name: &str, threads: usize| {
            let out = directory.path().join(format!("{}-{name}", kind.0));
            let engine = Engine::cpu(threads).unwrap();
            train_on(engine, &config(&data, kind), &out, &mut Silent, &AtomicBool::new(false)).unwrap();
            out
        };
        let (one, two) = (run("one", 1), run("two", 2));
        check(&two, kind.0);
        assert_eq!(
            looks(&one),
            looks(&two),
            "{}: the same bits with any number of threads",
            kind.0
        );
    }
}

#[test]
fn on_every_driver() {
    let directory = tempfile::tempdir().unwrap();
    let data = flights(directory.path());
    let mut count = 0;
    // So small that the larger tables lie in several buffers.
    drivers::on_each(Some(100_000), |driver, gpu| {
        count += 1;
        // Each kind on one driver at least; all on each would be three minutes.
        let kind = KINDS[count % KINDS.len()];
        let out = directory.path().join(format!("{count}"));
        let engine = Engine::Gpu(Box::new(gpu));
        train_on(engine, &config(&data, kind), &out, &mut Silent, &AtomicBool::new(false)).unwrap();
        check(&out, &format!("{driver}, {}", kind.0));
    });
}

#[test]
fn the_result_is_the_same_with_and_without() {
    let directory = tempfile::tempdir().unwrap();
    flights(directory.path());
    for more in ["", "--inner-dim 7", "--inner-dim 20", "--inner-dim 7 --depth 3"] {
        let run = |name: &str, every: &str| {
            let name = format!("{name}{}", more.replace(' ', ""));
            train(directory.path(), &name, &format!("--max-steps 40 {more} {every}"))
        };
        let (plain, watched) = (run("plain", ""), run("watched", "--spectrum-every 7"));
        assert_eq!(checkpoint(&plain), checkpoint(&watched), "{more}");
        assert!(looks(&plain).is_empty());
        let steps: Vec<u64> = looks(&watched).iter().map(|look| look.step).collect();
        let expected: Vec<u64> = [0, 7, 14, 21, 28, 35, 40]
            .into_iter()
            .flat_map(|step| [step; 11])
            .collect();
        assert_eq!(steps, expected, "{more}");
    }
}

#[test]
fn a_run_that_goes_on_has_the_same_lines() {
    let directory = tempfile::tempdir().unwrap();
    flights(directory.path());
    let watch = "--inner-dim 8 --spectrum-every 10";
    let whole = train(directory.path(), "whole", &format!("{watch} --max-steps 40"));
    let halves = train(directory.path(), "halves", &format!("{watch} --max-steps 20"));
    // What a run that was killed wrote after its checkpoint is dropped: a look at step 25, and half a line.
    let metrics = halves.join("metrics.jsonl");
    let so_far = std::fs::read_to_string(&metrics).unwrap();
    let is_look = |line: &&str| line.starts_with("{\"step\":20,\"feature\"");
    let look = so_far.lines().find(is_look).unwrap();
    let later = look.replace("\"step\":20", "\"step\":25");
    std::fs::write(&metrics, format!("{so_far}{later}\n{}", &look[..30])).unwrap();
    succeed(&["train", "--resume", text(&halves), "--max-steps", "40"]);
    assert_eq!(checkpoint(&whole), checkpoint(&halves));
    assert_eq!(looks(&whole), looks(&halves));
    assert_eq!(looks(&whole).len(), 5 * 11);
}

#[test]
fn a_table_that_is_not_finite_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let data = flights(directory.path());
    let out = directory.path().join("run");
    let args = ["train", "--data", text(&data), "--out", text(&out), "--device", "cpu"];
    let wild = ["--learning-rate", "1e30", "--max-steps", "20", "--spectrum-every", "5"];
    let said = fail(&[&args[..], &wild].concat());
    assert!(said.contains("not finite after 5 steps"), "{said}");
    assert!(said.contains("the table of "), "{said}");
}
