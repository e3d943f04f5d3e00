//! Parquet files, cell by cell.

mod refused;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, UInt64Array,
};
use mlet::data::dataset::Split;

use crate::common::*;

const COLUMNS: &str = r#"
    label = "y"
    dense = ["price", "count"]
    categorical = ["id", "word", "flag", "bytes", "tags", "codes"]
    split = { rule = "column", column = "part" }
"#;

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn tags(rows: &[Option<&[Option<&str>]>]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in rows {
        row.iter()
            .copied()
            .flatten()
            .for_each(|value| builder.values().append_option(*value));
        builder.append(row.is_some());
    }
    Arc::new(builder.finish())
}

fn codes(rows: &[&[i64]]) -> ArrayRef {
    let mut builder = ListBuilder::new(Int64Builder::new());
    rows.iter()
        .for_each(|row| builder.append_value(row.iter().map(|value| Some(*value))));
    Arc::new(builder.finish())
}

/// Four rows with every type and every kind of null.
fn four_rows(labels: ArrayRef) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("unused", Arc::new(Float64Array::from(vec![f64::NAN; 4]))),
        ("codes", codes(&[&[7, -1], &[], &[7], &[8, 7, 8]])),
        (
            "part",
            Arc::new(StringArray::from(vec!["train", "test", "train", "validation"])),
        ),
        ("y", labels),
        (
            "price",
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-2.25), Some(0.0)])),
        ),
        (
            "count",
            Arc::new(Int32Array::from(vec![Some(3), Some(-4), None, Some(5)])),
        ),
        (
            "id",
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(1), Some(u64::MAX), None])),
        ),
        (
            "word",
            Arc::new(StringArray::from(vec![Some("é"), None, Some(""), Some("b")])),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)])),
        ),
        (
            "bytes",
            Arc::new(BinaryArray::from_opt_vec(vec![
                Some(b"x"),
                Some(b"y"),
                None,
                Some(b"x"),
            ])),
        ),
        (
            "tags",
            tags(&[Some(&[Some("a"), Some("b")]), None, Some(&[]), Some(&[None, Some("a")])]),
        ),
    ]
}

fn labels() -> ArrayRef {
    Arc::new(Int64Array::from(vec![1, 0, 0, 1]))
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new(columns: &str) -> Place {
        let place = Place {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.input()).unwrap();
        fs::write(place.columns(), columns).unwrap();
        place
    }

    fn input(&self) -> PathBuf {
        self.directory.path().join("input")
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    fn columns(&self) -> PathBuf {
        self.directory.path().join("columns.toml")
    }

    fn fail(&self, more: &[&str]) -> String {
        let columns = self.columns();
        fail(
            "parquet",
            &self.input(),
            &self.out(),
            &[&["--columns", columns.to_str().unwrap()], more].concat(),
        )
    }

    fn prepare(&self, more: &[&str]) -> mlet::data::dataset::Dataset {
        let columns = self.columns();
        prepare(
            "parquet",
            &self.input(),
            &self.out(),
            &[&["--columns", columns.to_str().unwrap()], more].concat(),
        )
    }
}

fn row(label: f32, dense: [f32; 2], bags: [&[&str]; 6]) -> Row {
    let bags = bags.map(|bag| bag.iter().map(|value| value.to_string()).collect());
    Row {
        label,
        dense: dense.into(),
        bags: bags.into(),
    }
}

#[test]
fn every_type_comes_back() {
    let place = Place::new(COLUMNS);
    write(&place.input().join("b.parquet"), four_rows(labels()));
    write(
        &place.input().join("a.parquet"),
        four_rows(Arc::new(BooleanArray::from(vec![false; 4]))),
    );
    fs::write(place.input().join("_SUCCESS"), "").unwrap();
    let dataset = place.prepare(&[]);
    let id = "18446744073709551615";
    let first = |label| {
        row(
            label,
            [1.5, 3.0],
            [&[id], &["é"], &["true"], &["x"], &["a", "b"], &["7", "-1"]],
        )
    };
    let third = |label| row(label, [-2.25, 0.0], [&[id], &[""], &[""], &[""], &[], &["7"]]);
    assert_eq!(
        rows(&dataset, Split::Train),
        [first(0.0), third(0.0), first(1.0), third(0.0)]
    );
    let fourth = |label| {
        row(
            label,
            [0.0, 5.0],
            [&[""], &["b"], &["true"], &["x"], &["", "a"], &["8", "7", "8"]],
        )
    };
    assert_eq!(rows(&dataset, Split::Validation), [fourth(0.0), fourth(1.0)]);
    let second = |label| row(label, [0.0, -4.0], [&["1"], &[""], &["false"], &["y"], &[], &[]]);
    assert_eq!(rows(&dataset, Split::Test), [second(0.0), second(0.0)]);
    check_frequencies(&dataset);
    let bags: Vec<(bool, usize)> = dataset
        .schema
        .categorical
        .iter()
        .map(|feature| (feature.bag, feature.max_bag))
        .collect();
    assert_eq!(
        bags,
        [(false, 1), (false, 1), (false, 1), (false, 1), (true, 2), (true, 3)]
    );
    assert_eq!(dataset.schema.source.name, "input");
}

#[test]
fn rows_split_at_random_or_in_order() {
    let many = |rows: std::ops::Range<i64>| -> Vec<(&'static str, ArrayRef)> {
        vec![
            (
                "y",
                Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row % 2))),
            ),
            ("id", Arc::new(Int64Array::from_iter_values(rows))),
        ]
    };
    for rule in ["random", "in-order"] {
        let split = format!("split = {{ rule = \"{rule}\", weights = [2, 1, 1] }}");
        let place = Place::new(&format!("label = \"y\"\ncategorical = [\"id\"]\n{split}"));
        write(&place.input().join("1.parquet"), many(0..15_000));
        write(&place.input().join("2.parquet"), many(15_000..20_000));
        let dataset = place.prepare(&["--seed", "3"]);
        let splits = Split::ALL.map(|split| {
            rows(&dataset, split)
                .iter()
                .map(|row| row.bags[0][0].parse::<u64>().unwrap())
                .collect::<Vec<_>>()
        });
        assert!(splits.iter().all(|rows| rows.is_sorted()));
        let mut all = splits.concat();
        assert_eq!(all.is_sorted(), rule == "in-order");
        all.sort();
        assert!(all.into_iter().eq(0..20_000));
        if rule == "in-order" {
            assert_eq!(splits.map(|rows| rows.len()), [10_000, 5_000, 5_000]);
        }
    }
}
