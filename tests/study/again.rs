//! Run again: what is skipped, what goes on, what is made anew.

use std::fs;
use std::process::Command;

use super::{PLAN, RUNS, Study, copy};

#[test]
fn what_is_done_is_skipped_and_what_has_changed_is_made_again() {
    let study = Study::new(PLAN);
    study.succeeds();
    let modified = |run: &str| {
        fs::metadata(study.path("runs").join(run).join("summary.json"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = RUNS.map(modified);
    let said = study.succeeds();
    assert!(said.contains("4 of 4 runs are done already"), "{said}");
    assert_eq!(RUNS.map(modified), before);

    // An arm that has changed, and only that one.
    study.plan(&PLAN.replace("model.inner_dim = 6", "model.inner_dim = 5"));
    let said = study.succeeds();
    assert!(
        said.contains("two layers (6, 4), seed 7: made again, model.inner_dim 6 → 5"),
        "{said}"
    );
    assert!(said.contains("2 of 4 runs are done already"), "{said}");
    let after = RUNS.map(modified);
    assert_eq!(after[..2], before[..2]);
    assert!(after[2] > before[2] && after[3] > before[3]);

    // Other data: everything.
    study.plan(&PLAN.replace("rows = 2000", "rows = 1500"));
    let said = study.succeeds();
    assert!(said.contains("[data] has changed"), "{said}");
    assert!(
        said.contains("single, seed 0: made again, it was trained on other data"),
        "{said}"
    );
    assert!(!said.contains("done already"), "{said}");
}

#[test]
fn a_half_done_run_goes_on_to_the_same_bits() {
    let whole = Study::new(PLAN);
    whole.succeeds();
    // As a Ctrl-C at step 20 would leave it, and a folder that a kill left without a checkpoint.
    let half = Study::new(PLAN);
    half.succeeds();
    let [one, other, ..] = RUNS;
    let folder = half.path("runs").join(one);
    fs::remove_dir_all(&folder).unwrap();
    let stopped = PLAN.replace("training.batch_size", "training.max_steps = 20\ntraining.batch_size");
    let short = Study::new(&stopped);
    short.succeeds();
    copy(&short.path("runs").join(one), &folder);
    fs::remove_file(folder.join("summary.json")).unwrap();
    let config = fs::read_to_string(folder.join("config.toml"))
        .unwrap()
        .replace("max_steps = 20\n", "");
    fs::write(folder.join("config.toml"), config).unwrap();
    fs::remove_file(half.path("runs").join(other).join("summary.json")).unwrap();
    fs::remove_file(half.path("runs").join(other).join("checkpoint.safetensors")).unwrap();
    let said = half.succeeds();
    assert!(said.contains("single, seed 0: goes on where it stopped"), "{said}");
    assert!(said.contains("2 of 4 runs are done already"), "{said}");
    for run in RUNS {
        assert!(whole.checkpoint(run) == half.checkpoint(run), "{run} is another");
    }
}

#[test]
fn results_do_not_depend_on_how_many_run_at_the_same_time() {
    let (one, three) = (
        Study::new(&format!("parallel = 1\n{PLAN}")),
        Study::new(&format!("parallel = 3\n{PLAN}")),
    );
    let said = [one.succeeds(), three.succeeds()];
    assert!(
        said[0].contains("one after the other") && said[1].contains("3 at the same time"),
        "{said:?}"
    );
    for run in RUNS {
        assert!(one.checkpoint(run) == three.checkpoint(run), "{run} is another");
        assert_eq!(one.summary(run).test, three.summary(run).test);
    }
}

#[test]
fn two_studies_do_not_share_a_folder() {
    let study = Study::new(PLAN);
    fs::create_dir_all(study.path("")).unwrap();
    let lock = fs::File::create(study.path("lock")).unwrap();
    lock.lock().unwrap();
    assert!(study.fails().contains("another mlet study is at work"));
    drop(lock);
    study.succeeds();
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_done_and_says_how_to_go_on() {
    use std::io::{BufRead, BufReader, Read};
    let plan = PLAN.replace("seeds = [0, 7]", "seeds = [0, 7, 8, 9]");
    let plan = plan.replace("training.batch_size", "training.epochs = 60\ntraining.batch_size");
    let study = Study::new(&plan);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlet"));
    command.args(["study", "--device", "cpu"]).arg(study.0.path());
    let pipe = std::process::Stdio::piped;
    let mut child = command.stdout(pipe()).stderr(pipe()).spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("[1/8]") {
        assert!(errors.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    errors.read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("go on with: mlet study"), "{said}");
    let markdown = fs::read_to_string(study.path("results.md")).unwrap();
    assert!(markdown.contains("of 8 runs are done"), "{markdown}");
    let said = study.succeeds();
    assert!(
        said.contains("of 8 runs are done already") && said.contains("[8/8]"),
        "{said}"
    );
    assert_eq!(study.csv().len(), 8);
}
