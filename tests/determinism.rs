//! The same seed gives the same bytes: for any number of threads, and for a run that was stopped and went on.

mod common;

use common::{checkpoint, prepared, succeed, text, train};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One arm of each kind: depth 1, 2 and 3, every optimiser, both interactions, all factors but the first frozen.
const ARMS: [&[&str]; 5] = [
    &[],
    &["--inner-dim", "6"],
    &[
        "--inner-dim",
        "6",
        "--depth",
        "3",
        "--optimizer",
        "adagrad",
        "--learning-rate",
        "0.02",
    ],
    &[
        "--inner-dim",
        "6",
        "--interaction",
        "cat",
        "--optimizer",
        "rowwise-adagrad",
        "--learning-rate",
        "0.02",
    ],
    &[
        "--inner-dim",
        "6",
        "--depth",
        "3",
        "--freeze-further-factors",
        "--optimizer",
        "adagrad",
        "--learning-rate",
        "0.02",
    ],
];

#[test]
fn threads_do_not_change_a_bit() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 1500);
    for (a, arm) in ARMS.iter().enumerate() {
        let run = |threads: &str| {
            let name = format!("arm{a}-{threads}");
            checkpoint(&train(
                directory.path(),
                &name,
                &[arm, &["--threads", threads][..]].concat(),
            ))
        };
        let one = run("1");
        assert_eq!(one, run("2"), "{arm:?}: 2 threads differ from 1");
        assert_eq!(one, run("4"), "{arm:?}: 4 threads differ from 1");
    }
}

#[test]
fn the_seed_decides() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 300);
    let run = |name: &str, seed: &str| checkpoint(&train(directory.path(), name, &["--seed", seed]));
    let (first, again, other) = (run("a", "1"), run("b", "1"), run("c", "2"));
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn a_run_that_goes_on_ends_in_the_same_bits() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 1500);
    let steps = [
        "--epochs",
        "3",
        "--warmup-steps",
        "20",
        "--decay-start-step",
        "30",
        "--decay-steps",
        "90",
    ];
    for (a, arm) in ARMS.iter().enumerate() {
        let name = |part: &str| format!("arm{a}-{part}");
        let whole = train(
            directory.path(),
            &name("whole"),
            &[arm, &steps[..], &["--max-steps", "97"]].concat(),
        );
        let parts = train(
            directory.path(),
            &name("parts"),
            &[arm, &steps[..], &["--max-steps", "41"]].concat(),
        );
        assert_ne!(checkpoint(&whole), checkpoint(&parts));
        succeed(&["train", "--resume", text(&parts), "--max-steps", "97"]);
        assert_eq!(
            checkpoint(&whole),
            checkpoint(&parts),
            "{arm:?}: a resumed run ends elsewhere"
        );
        let lines = |run: &Path| {
            std::fs::read_to_string(run.join("metrics.jsonl"))
                .unwrap()
                .lines()
                .count()
        };
        assert_eq!(
            lines(&parts),
            lines(&whole) + 1,
            "the line of the stop is the only one more"
        );
    }
}

/// Ctrl-C in the middle of an epoch, then `--resume`.
#[cfg(unix)]
#[test]
fn ctrl_c_writes_a_checkpoint_to_go_on_from() {
    let directory = tempfile::tempdir().unwrap();
    prepared(directory.path(), 1500);
    let long = ["--inner-dim", "6", "--epochs", "60", "--log-every", "10"];
    let whole = train(directory.path(), "whole", &long);
    let (data, out) = (directory.path().join("data"), directory.path().join("stopped"));
    let base = ["train", "--data", text(&data), "--out", text(&out), "--device", "cpu"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_mlet"))
        .args([&base[..], &common::SMALL, &long].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let metrics = out.join("metrics.jsonl");
    let began = Instant::now();
    while !std::fs::metadata(&metrics).is_ok_and(|file| file.len() > 0) {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the run wrote no line of metrics"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    assert!(child.wait().unwrap().success());
    assert!(
        !out.join("summary.json").exists(),
        "the run ended before it could be stopped"
    );
    succeed(&["train", "--resume", text(&out)]);
    assert_eq!(checkpoint(&whole), checkpoint(&out));
}
