//! What may be replaced, and what not.

use std::fs;

use crate::common::*;

#[test]
fn only_a_data_set_is_replaced_and_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (fixture("criteo.tsv"), directory.path().join("a/b/out"));
    prepare("criteo-kaggle", &input, &out, &[]);
    let before = files(&out);
    let error = fail("criteo-kaggle", &input, &out, &["--min-count", "2"]);
    assert!(error.contains("--force"), "{error}");
    assert!(files(&out) == before);
    let dataset = prepare("criteo-kaggle", &input, &out, &["--min-count", "2", "--force"]);
    assert_eq!(dataset.schema.min_count, Some(2));
    assert_eq!(names(out.parent().unwrap()), ["out"]);

    // a failed run with --force leaves the old one in place
    let kept = files(&out);
    let bad = directory.path().join("bad.tsv");
    fs::write(&bad, "1\t2\n").unwrap();
    fail("criteo-kaggle", &bad, &out, &["--force"]);
    assert!(files(&out) == kept);

    // not a data set
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    prepare("criteo-kaggle", &input, &home, &[]);
    fs::remove_file(home.join("dataset.toml")).unwrap();
    let error = fail("criteo-kaggle", &input, &home, &["--force"]);
    assert!(error.contains("neither empty nor a prepared data set"), "{error}");
    let error = fail("criteo-kaggle", &input, &bad, &["--force"]);
    assert!(error.contains("not a directory"), "{error}");
}

#[test]
fn the_input_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    prepare("criteo-kaggle", &fixture("criteo.tsv"), &out, &[]);
    let input = out.join("train.txt");
    fs::copy(fixture("criteo.tsv"), &input).unwrap();
    let error = fail("criteo-kaggle", &input, &out, &["--force"]);
    assert!(error.contains("the input lies in --out"), "{error}");
    assert!(input.exists());
}

#[test]
fn a_missing_input_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for (input, message) in [("nothing.tsv", "nothing.tsv"), ("", "is a directory")] {
        let error = fail(
            "criteo-kaggle",
            &directory.path().join(input),
            &directory.path().join("out"),
            &[],
        );
        assert!(error.contains(message), "{error}");
    }
    let empty = directory.path().join("empty.tsv");
    fs::write(&empty, "").unwrap();
    let error = fail("criteo-kaggle", &empty, &directory.path().join("out"), &[]);
    assert!(error.contains("empty.tsv: no row"), "{error}");
}
