//! Running the binary, and reading a prepared data set back as raw values.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use mlet::data::dataset::{Dataset, Split};

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The lines of a fixture.
pub fn fixture_lines(name: &str) -> Vec<String> {
    fs::read_to_string(fixture(name))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// `mlet prepare KIND INPUT --out OUT …`, not run yet.
pub fn command(kind: &str, input: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mlet"));
    command
        .args(["prepare", kind])
        .arg(input)
        .arg("--out")
        .arg(out)
        .args(more);
    command
}

/// Prepares, expecting success, and opens the result.
pub fn prepare(kind: &str, input: &Path, out: &Path, more: &[&str]) -> Dataset {
    command(kind, input, out, more).assert().success();
    Dataset::open(out).unwrap()
}

/// Prepares, expecting failure, and returns standard error. Nothing but what was in the directory of `out` may be there.
pub fn fail(kind: &str, input: &Path, out: &Path, more: &[&str]) -> String {
    let parent = out.parent().unwrap();
    let before = names(parent);
    let output = command(kind, input, out, more)
        .assert()
        .failure()
        .code(1)
        .get_output()
        .clone();
    assert_eq!(names(parent), before, "something was left behind");
    String::from_utf8(output.stderr).unwrap()
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every file under a directory.
pub fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in names(directory) {
        let path = directory.join(&name);
        if path.is_dir() {
            files.extend(
                self::files(&path)
                    .into_iter()
                    .map(|(inner, bytes)| (Path::new(&name).join(inner), bytes)),
            );
        } else {
            files.insert(name.into(), fs::read(path).unwrap());
        }
    }
    files
}

/// One example with its categories as raw values.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub label: f32,
    pub dense: Vec<f32>,
    pub bags: Vec<Vec<String>>,
}

/// The rows of a split, in order.
pub fn rows(dataset: &Dataset, split: Split) -> Vec<Row> {
    let schema = &dataset.schema;
    let vocabularies: Vec<_> = schema
        .categorical
        .iter()
        .map(|feature| dataset.vocabulary(&feature.name).unwrap())
        .collect();
    let examples = dataset.split(split).unwrap();
    let value = |feature: usize, row: u32| vocabularies[feature].values[row as usize].clone();
    let bag = |row, feature| {
        examples
            .bag(row, feature)
            .iter()
            .map(|&entry| value(feature, entry))
            .collect()
    };
    (0..examples.len())
        .map(|row| Row {
            label: examples.label(row),
            dense: (0..schema.dense.len())
                .map(|column| examples.dense(row, column))
                .collect(),
            bags: (0..schema.categorical.len()).map(|feature| bag(row, feature)).collect(),
        })
        .collect()
}

/// The rows of all splits behind one another.
pub fn all_rows(dataset: &Dataset) -> Vec<Row> {
    Split::ALL.into_iter().flat_map(|split| rows(dataset, split)).collect()
}

/// Checks every vocabulary against the training rows: frequencies are their uses, and no row number is unused in all.
pub fn check_frequencies(dataset: &Dataset) {
    for (index, feature) in dataset.schema.categorical.iter().enumerate() {
        let mut uses = vec![0u64; feature.num_embeddings];
        let train = dataset.split(Split::Train).unwrap();
        (0..train.len()).for_each(|row| {
            train
                .bag(row, index)
                .iter()
                .for_each(|&entry| uses[entry as usize] += 1)
        });
        assert_eq!(dataset.frequencies(&feature.name).unwrap(), uses, "{}", feature.name);
        assert_eq!(
            dataset.vocabulary(&feature.name).unwrap().frequencies,
            uses,
            "{}",
            feature.name
        );
    }
}

/// Equal to within one unit in the last place: `ln(1 + x)` is computed by two libraries.
pub fn assert_close(found: f32, expected: f64, what: &str) {
    let error = (f64::from(found) - expected).abs();
    assert!(
        error <= f64::from(f32::EPSILON) * expected.abs(),
        "{what}: {found} where {expected} is expected"
    );
}
