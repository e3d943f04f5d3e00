//! The same rows, whatever they come in.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::common::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// All files but `dataset.toml`, which names the source and its hash.
fn content(out: &Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut files = files(out);
    assert!(files.remove(Path::new("dataset.toml")).is_some());
    assert_eq!(
        files.len(),
        3 + if out.join("vocabulary/C26.arrow").exists() {
            26
        } else {
            21
        }
    );
    files
}

#[test]
fn plain_gzip_zstandard_and_standard_input_are_alike() {
    for (kind, name) in [("criteo-kaggle", "criteo.tsv"), ("avazu", "avazu.csv")] {
        let directory = tempfile::tempdir().unwrap();
        let out = |case: &str| directory.path().join(case);
        let plain = fs::read(fixture(name)).unwrap();
        let windows = String::from_utf8(plain.clone()).unwrap().replace('\n', "\r\n");
        let no_last_end = plain.strip_suffix(b"\n").unwrap().to_vec();
        let halves = plain.split_at(plain.len() / 2);
        let cases = [
            ("plain", plain.clone()),
            // not recognised by their names, which say nothing
            ("gzip", gzip(&plain)),
            ("gzip in two members", [gzip(halves.0), gzip(halves.1)].concat()),
            ("zstandard", zstd::encode_all(&plain[..], 3).unwrap()),
            ("windows", windows.into_bytes()),
            ("no last line end", no_last_end),
        ];
        let expected = {
            prepare(kind, &fixture(name), &out("expected"), &[]);
            content(&out("expected"))
        };
        for (case, bytes) in cases {
            let input = directory.path().join("input");
            fs::write(&input, &bytes).unwrap();
            prepare(kind, &input, &out(case), &[]);
            assert!(content(&out(case)) == expected, "{kind}, {case}");
            let piped = out(&format!("{case} from standard input"));
            command(kind, Path::new("-"), &piped, &[])
                .write_stdin(bytes)
                .assert()
                .success();
            assert!(content(&piped) == expected, "{kind}, {case} from standard input");
        }
    }
}

/// A cut or damaged stream cannot be skipped over: what follows is lost, and nobody knows how much.
#[test]
fn a_broken_stream_fails_with_either_rule_for_bad_rows() {
    let directory = tempfile::tempdir().unwrap();
    let whole = gzip(&fs::read(fixture("criteo.tsv")).unwrap());
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
    let input = directory.path().join("train.txt.gz");
    for bytes in [&whole[..whole.len() / 2], &whole[..whole.len() - 4], &damaged] {
        fs::write(&input, bytes).unwrap();
        for rule in ["fail", "skip"] {
            let error = fail(
                "criteo-kaggle",
                &input,
                &directory.path().join("out"),
                &["--bad-rows", rule],
            );
            assert!(error.contains("train.txt.gz, after line "), "{error}");
        }
    }
}

/// Ctrl-C while rows are read.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_behind() {
    use std::process::{Command, Stdio};
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("mlet"))
        .args(["prepare", "criteo-kaggle", "-", "--out"])
        .arg(directory.path().join("out"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let rows = fs::read(fixture("criteo.tsv")).unwrap();
    stdin.write_all(&rows).unwrap();
    // the temporary directory is there: reading has begun, and the signal is listened for
    while names(directory.path()).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "mlet ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    // rows keep coming until mlet stops to read them (and not for ever, should it not)
    let refused = (0..20_000).any(|_| stdin.write_all(&rows).is_err());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        refused && !output.status.success() && error.contains("interrupted"),
        "{error}"
    );
    assert!(names(directory.path()).is_empty());
}
