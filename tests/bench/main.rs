//! `mlet bench step` and the studies of time: what they print and count. Nothing here depends on how fast a machine is.

#[path = "../common/mod.rs"]
mod common;
#[path = "../drivers/mod.rs"]
mod drivers;

mod counts;
mod study;

use common::{fail, mlet, succeed};
use serde_json::Value;

/// A small network, few steps.
const SMALL: [&str; 14] = [
    "--cap",
    "50",
    "--embedding-dim",
    "4",
    "--batch-size",
    "16",
    "--steps",
    "6",
    "--rounds",
    "3",
    "--warmup",
    "1",
    "--threads",
    "1",
];

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["bench", "step"], &SMALL[..], more].concat()
}

fn number(value: &Value, key: &str) -> f64 {
    let number = value[key].as_f64();
    number.unwrap_or_else(|| panic!("{key} is no number in {value}"))
}

fn json(more: &[&str]) -> Value {
    let text = succeed(&arguments(&[&["--json"], more].concat()));
    serde_json::from_str(&text).expect("standard output is one JSON object and nothing else")
}

/// What every set-up's object holds.
fn check(step: &Value, steps_a_time: u64) {
    let times = ["p10_ms", "median_ms", "p90_ms"].map(|key| number(step, key));
    assert!(0.0 < times[0] && times.is_sorted(), "{times:?}");
    for key in [
        "floor_ms",
        "floor_gflops",
        "flops",
        "bytes",
        "unique_rows",
        "repeated_batch_ms",
        "loss",
    ] {
        assert!(number(step, key) > 0.0, "{key}");
    }
    let active = number(step, "active");
    assert!(0.2 < active && active < 0.8, "{active}: about half at the start");
    let floor = number(step, "flops") / (number(step, "floor_gflops") * 1e6);
    assert!((number(step, "floor_ms") / floor - 1.0).abs() < 1e-9);
    let over = times[1] / number(&step["repeated_batch"], "median_ms");
    assert!((number(&step["loader"], "of_medians") / over - 1.0).abs() < 1e-9);
    assert!(step["device"].is_string() && step["setup"].is_string());
    assert_eq!(
        (step["rounds"].as_u64(), step["steps_per_time"].as_u64()),
        (Some(3), Some(steps_a_time))
    );
    assert_eq!(step["by_round"].as_array().map(Vec::len), Some(3));
    assert!(step["needs_bytes"]["tables"].as_u64() > Some(0));
}

/// What holds of operations that were timed.
fn check_operations(step: &Value) {
    let operations = step["operations"].as_array().expect("this device has a clock");
    let sum = |key: &str| operations.iter().map(|operation| number(operation, key)).sum::<f64>();
    assert!((sum("share") - 1.0).abs() < 1e-9);
    // Two independent counts: from the operations, and from the shape of the network.
    assert!((sum("flops") / number(step, "flops") - 1.0).abs() < 1e-9);
    assert_eq!(sum("bytes"), number(step, "bytes"));
    assert!(operations.iter().all(|operation| number(operation, "ms") >= 0.0));
}

#[test]
fn json_has_what_is_promised() {
    let measured = json(&["--device", "cpu", "--inner-dim", "6"]);
    check(&measured, 1);
    check_operations(&measured);
    assert_eq!(measured["steps"], 6);
    assert_eq!(measured["device"], "cpu (1 thread)");
    assert_eq!(measured["against"].as_array().map(Vec::len), Some(0));
    if cfg!(target_os = "linux") {
        // The tables and the floor's matrices, at the very least.
        assert!(measured["peak_rss_bytes"].as_u64() > Some(1 << 22));
    }
}

#[test]
fn set_ups_are_set_against_the_first() {
    let against = [
        "--against",
        "--single --cap 100",
        "--against",
        "--batch-size 32 --rows power --depth 3",
    ];
    let measured = json(&[&["--device", "cpu", "--inner-dim", "6"], &against[..]].concat());
    let others = measured["against"].as_array().unwrap();
    assert_eq!(others.len(), 2);
    for other in others {
        check(other, 1);
        let ratio = number(other, "median_ms") / number(&measured, "median_ms");
        assert!((number(&other["ratio"], "of_medians") / ratio - 1.0).abs() < 1e-9);
        // The ratio of the rounds, from the rounds themselves.
        let rounds = |step: &Value, round: usize| number(&step["by_round"][round], "median_ms");
        let mut ratios = [0, 1, 2].map(|round| rounds(other, round) / rounds(&measured, round));
        ratios.sort_by(f64::total_cmp);
        assert!((number(&other["ratio"], "median_of_rounds") / ratios[1] - 1.0).abs() < 1e-9);
    }
    assert_eq!(
        others[0]["setup"],
        "criteo, single layer d = 4, batch 16, tables capped at 100 rows"
    );
    let last = "criteo, 3 layers k = 6, d = 4, batch 32, tables capped at 50 rows, rows from a power law";
    assert_eq!(others[1]["setup"], last);
    assert!(number(&others[0], "table_rows") > number(&measured, "table_rows"));
    // Twice the batch, and a product more.
    assert!(number(&others[1], "flops") > 2.0 * number(&measured, "flops"));
}

#[test]
fn for_people_it_is_a_table() {
    let text = succeed(&arguments(&["--device", "cpu", "--against", "--inner-dim 6"]));
    for part in [
        "criteo, single layer d = 4, batch 16",
        "with the loader",
        "one repeated batch",
        "floor",
        "linear forward × 7",
        "over the first",
        "criteo, two layers k = 6, d = 4",
    ] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 140), "{text}");
}

/// The same on whatever driver there is; steps go there several in one submission.
#[test]
fn a_device_is_measured_like_the_cpu() {
    let _turn = drivers::turn();
    let has_lavapipe = drivers::all()
        .iter()
        .any(|adapter| adapter.description.known_as == Some("lavapipe"));
    if !has_lavapipe {
        return;
    }
    let measured = json(&["--device", "lavapipe", "--inner-dim", "6", "--against", "--device cpu"]);
    let steps_a_time = measured["steps_per_time"].as_u64().unwrap();
    assert!(steps_a_time > 0 && steps_a_time.is_multiple_of(8));
    check(&measured, steps_a_time);
    check_operations(&measured);
    check(&measured["against"][0], 1);
    assert!(measured["device"].as_str().unwrap().contains("lavapipe"));
    // Both count the same work.
    assert_eq!(
        number(&measured, "parameters"),
        number(&measured["against"][0], "parameters")
    );
}

/// 676 million rows of 4,096 numbers are 11 TB: refused before the first of them is allocated.
#[test]
fn more_than_the_memory_is_refused_before_it_is_allocated() {
    if !cfg!(target_os = "linux") {
        return; // nobody says what is available
    }
    let huge = [
        "bench",
        "step",
        "--shape",
        "criteo-full",
        "--scale-tables",
        "20",
        "--inner-dim",
        "4096",
    ];
    let said = fail(&[&huge[..], &["--device", "cpu", "--optimizer", "adagrad"]].concat());
    for part in [
        "11.1 TB",
        "optimiser's sums",
        "available",
        "--inner-dim than 4096",
        "--cap",
        "rowwise-adagrad",
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    // In `mlet train` too, and there is no folder then.
    let directory = tempfile::tempdir().unwrap();
    common::prepared(directory.path(), 300);
    let (data, out) = (directory.path().join("data"), directory.path().join("run"));
    let (data, run) = (common::text(&data), common::text(&out));
    let said = fail(&[
        "train",
        "--data",
        data,
        "--out",
        run,
        "--device",
        "cpu",
        "--inner-dim",
        "2000000000",
    ]);
    for part in [
        "of memory: tables",
        "available",
        "--inner-dim than 2000000000",
        "--batch-size than 128",
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    assert!(!out.exists());
}

#[test]
fn a_run_says_what_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    common::prepared(directory.path(), 300);
    let out = directory.path().join("run");
    let data = directory.path().join("data");
    let output = mlet()
        .args([
            "train",
            "--data",
            common::text(&data),
            "--out",
            common::text(&out),
            "--device",
            "cpu",
        ])
        .args(common::SMALL)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let line = said
        .lines()
        .find(|line| line.starts_with("needs "))
        .expect("a line of needs");
    for part in ["of memory: tables ", "activations and gradients ", "batches ahead "] {
        assert!(line.contains(part), "{part:?} is missing: {line}");
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    let cases = [
        (&["--scale-tables", "0"][..], "--scale-tables"),
        (
            &[
                "--shape",
                "criteo-full",
                "--cap",
                "2000000000",
                "--scale-tables",
                "1000",
            ],
            "4,294,967,295",
        ),
        (&["--against", "--innerdim 3"], "--innerdim"),
        (&["--against", "--batch-size 0"], "training.batch_size"),
        (&["--seconds=-1"], "--seconds"),
        (&["--patience=nan"], "--patience"),
        (&["--rounds", "0"], "--rounds"),
    ];
    for (more, part) in cases {
        let said = fail(&[&["bench", "step"], more].concat());
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
}
