//! `mlet train --monitor-dynamics`.

use super::common::{checkpoint, fail, succeed, text};
use super::{SMALL, flights, train};
use mlet::theory::slopes::{LEAST_ORDER, observed_order};
use mlet::train::dynamics::Dynamics;
use mlet::train::run::Line;
use std::path::Path;

/// What a run's `metrics.jsonl` says of singular values.
fn dynamics(run: &Path) -> Vec<Dynamics> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    let looks = lines.filter_map(|line| match line {
        Line::Dynamics(dynamics) => Some(dynamics),
        Line::Metric(_) | Line::Spectrum(_) => None,
    });
    looks.collect()
}

#[test]
fn the_result_is_the_same_with_and_without() {
    let directory = tempfile::tempdir().unwrap();
    flights(directory.path());
    let arms: [&[&str]; 3] = [&[], &["--inner-dim", "8"], &["--inner-dim", "8", "--depth", "3"]];
    for (a, arm) in arms.into_iter().enumerate() {
        let run = |name: &str, more: &[&str]| {
            let steps = ["--max-steps", "40", "--log-every", "10"];
            train(directory.path(), &format!("{a}{name}"), &[arm, &steps, more].concat())
        };
        let plain = run("plain", &[]);
        let watched = run("watched", &["--monitor-dynamics", "7"]);
        assert_eq!(checkpoint(&plain), checkpoint(&watched), "{arm:?}");
        let found = dynamics(&watched);
        assert!(dynamics(&plain).is_empty());
        let steps: Vec<u64> = found.iter().map(|look| look.step).collect();
        let expected: Vec<u64> = (1..=5).flat_map(|look| [7 * look; 3]).collect();
        assert_eq!(steps, expected, "three features, every seventh step");
        // The three largest tables: tailnum 4,037 rows, flight 3,835, model 128.
        for feature in ["flight", "tailnum", "model"] {
            assert_eq!(found.iter().filter(|look| look.feature == feature).count(), 5);
        }
        assert!(found.iter().all(|look| look.sigma.len() == 3 && look.actual.len() == 3));
    }
}

#[test]
fn a_run_that_goes_on_has_the_same_lines() {
    let directory = tempfile::tempdir().unwrap();
    flights(directory.path());
    let watch = [
        "--inner-dim",
        "8",
        "--monitor-dynamics",
        "5",
        "--monitor-features",
        "carrier,origin",
        "--monitor-values",
        "2",
        "--log-every",
        "10",
    ];
    let whole = train(
        directory.path(),
        "whole",
        &[&watch[..], &["--max-steps", "40"]].concat(),
    );
    let halves = train(
        directory.path(),
        "halves",
        &[&watch[..], &["--max-steps", "20"]].concat(),
    );
    // What a run that was killed wrote after its checkpoint is dropped: a look at step 25, and half a line.
    let metrics = halves.join("metrics.jsonl");
    let mut text_so_far = std::fs::read_to_string(&metrics).unwrap();
    let look = text_so_far
        .lines()
        .find(|line| line.contains("\"step\":20,\"feature\""))
        .unwrap();
    text_so_far = format!(
        "{text_so_far}{}\n{}",
        look.replace("\"step\":20", "\"step\":25"),
        &look[..30]
    );
    std::fs::write(&metrics, text_so_far).unwrap();
    succeed(&["train", "--resume", text(&halves), "--max-steps", "40"]);
    assert_eq!(checkpoint(&whole), checkpoint(&halves));
    let (whole, halves) = (dynamics(&whole), dynamics(&halves));
    assert_eq!(whole, halves);
    assert_eq!(whole.len(), 16);
    assert!(whole.iter().all(|look| look.sigma.len() == 2));
}

/// The residual of a prediction over the first step, against the learning rate: the state before and the gradient are the same
/// for every rate.
fn order(directory: &Path, name: &str, more: &[&str], predicted: fn(&Dynamics, usize) -> f64) -> f64 {
    let mut points = Vec::new();
    // Large enough that the second order stands out of the f32 rounding of the step, 2⁻²⁴ of the factors.
    for rate in ["0.25", "0.5", "1", "2", "4"] {
        let watch = ["--max-steps", "1", "--monitor-dynamics", "1", "--learning-rate", rate];
        let run = directory.join(format!("{name}-{rate}"));
        if !run.exists() {
            train(directory, &format!("{name}-{rate}"), &[&watch[..], more].concat());
        }
        let looks = dynamics(&run);
        let residuals = looks
            .iter()
            .flat_map(|look| (0..look.sigma.len()).map(|r| look.actual[r] - predicted(look, r)));
        points.push((rate.parse().unwrap(), residuals.map(|x| x * x).sum::<f64>().sqrt()));
    }
    observed_order(&points).unwrap()
}

#[test]
fn predictions_are_right_to_first_order() {
    let directory = tempfile::tempdir().unwrap();
    flights(directory.path());
    let general = |look: &Dynamics, r: usize| look.predicted[r].unwrap();
    let too_much = |look: &Dynamics, r: usize| 1.3 * look.predicted[r].unwrap();
    let balanced = |look: &Dynamics, r: usize| look.predicted_balanced[r].unwrap();
    for depth in ["2", "3", "4"] {
        let factors = ["--inner-dim", "6", "--depth", depth, "--init-std", "0.4"];
        let of = |predicted| order(directory.path(), depth, &factors, predicted);
        let (right, wrong, equation_6) = (of(general), of(too_much), of(balanced));
        assert!(right >= LEAST_ORDER, "depth {depth}: order {right}");
        assert!(wrong < 1.5, "depth {depth}: a factor 1.3 has order {wrong}");
        assert!(
            equation_6 < 1.5,
            "depth {depth}: Eq. 6 has order {equation_6} though the factors are not balanced"
        );
        // Where it is attained: balanced factors.
        let name = format!("balanced{depth}");
        let factors = ["--inner-dim", "6", "--depth", depth, "--init", "balanced"];
        let of = |predicted| order(directory.path(), &name, &factors, predicted);
        let (right, equation_6) = (of(general), of(balanced));
        assert!(right >= LEAST_ORDER, "depth {depth}, balanced: order {right}");
        assert!(
            equation_6 >= LEAST_ORDER,
            "depth {depth}, balanced: Eq. 6 has order {equation_6}"
        );
    }
}

#[test]
fn what_cannot_be_monitored_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = flights(directory.path());
    let out = directory.path().join("run");
    let with = |more: &[&str]| {
        let base = [
            "train",
            "--data",
            text(&data),
            "--out",
            text(&out),
            "--monitor-dynamics",
            "5",
        ];
        let error = fail(&[&base[..], &SMALL, more].concat());
        assert!(!out.join("checkpoint.safetensors").exists());
        error
    };
    let error = with(&["--optimizer", "adagrad"]);
    assert!(
        error.contains("monitor_dynamics") && error.contains("--optimizer sgd"),
        "{error}"
    );
    let error = with(&["--inner-dim", "6", "--freeze-further-factors"]);
    assert!(error.contains("freeze_further_factors"), "{error}");
    assert!(with(&["--monitor-values", "0"]).contains("monitor_values"));
    let error = with(&["--monitor-features", "carrier,wings"]);
    assert!(
        error.contains("no feature wings") && error.contains("tailnum"),
        "{error}"
    );
}
