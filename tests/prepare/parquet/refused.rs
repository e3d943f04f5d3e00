//! Parquet files and columns that cannot be used.

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Float64Array, Int64Array, StringArray};

use super::*;

#[test]
fn a_bad_row_names_file_row_and_column() {
    let spoilt: [(&str, ArrayRef, &str); 5] = [
        (
            "y",
            Arc::new(Int64Array::from(vec![1, 0, 2, 1])),
            "column y: the label is 2 where 0 or 1 is expected",
        ),
        (
            "y",
            Arc::new(Int64Array::from(vec![Some(1), Some(0), None, Some(1)])),
            "column y: the label is null",
        ),
        (
            "price",
            Arc::new(Float64Array::from(vec![0.0, 0.0, f64::NAN, 0.0])),
            "column price: NaN is not a finite",
        ),
        (
            "bytes",
            Arc::new(BinaryArray::from_vec(vec![b"x", b"y", b"\xff", b"x"])),
            "column bytes: \\xff is not UTF-8",
        ),
        (
            "part",
            Arc::new(StringArray::from(vec!["train", "test", "dev", "train"])),
            "column part: \"dev\" where train",
        ),
    ];
    for (name, array, message) in spoilt {
        let place = Place::new(COLUMNS);
        write(&place.input().join("1.parquet"), four_rows(labels()));
        let mut columns = four_rows(labels());
        columns
            .iter_mut()
            .filter(|(column, _)| *column == name)
            .for_each(|(_, cells)| *cells = array.clone());
        write(&place.input().join("2.parquet"), columns);
        let error = place.fail(&[]);
        assert!(error.contains(&format!("2.parquet, row 3, {message}")), "{error}");
        let dataset = place.prepare(&["--bad-rows", "skip"]);
        assert_eq!((dataset.schema.rejected, dataset.schema.rows.total()), (1, 7));
        let rejected = fs::read_to_string(place.out().join("rejected.tsv")).unwrap();
        assert!(
            rejected
                .lines()
                .nth(1)
                .unwrap()
                .starts_with(&format!("2.parquet\t3\t{name}\t")),
            "{rejected}"
        );
    }
}

#[test]
fn columns_that_cannot_be_are_refused() {
    let cases = [
        (
            "label = \"z\"\ncategorical = [\"id\"]",
            "there is no column \"z\"; there are unused, codes",
        ),
        (
            "label = \"word\"\ncategorical = [\"id\"]",
            "column \"word\" is Utf8 and cannot be a label column",
        ),
        (
            "label = \"y\"\ndense = [\"tags\"]\ncategorical = [\"id\"]",
            "cannot be a dense column",
        ),
        (
            "label = \"y\"\ncategorical = [\"price\"]",
            "column \"price\" is Float64 and cannot be categorical",
        ),
        (
            "label = \"y\"\ncategorical = []",
            "columns.toml: names no categorical column",
        ),
        (
            "label = \"y\"\ncategorical = [\"id\", \"id\"]",
            "columns.toml: column \"id\" is named twice",
        ),
        ("label = \"y\"\nfeatures = [\"id\"]", "unknown field `features`"),
        ("label = ", "columns.toml"),
    ];
    for (columns, message) in cases {
        let place = Place::new(columns);
        write(&place.input().join("1.parquet"), four_rows(labels()));
        let error = place.fail(&[]);
        assert!(error.contains(message), "{columns}\nsaid: {error}");
    }
}

#[test]
fn files_that_are_not_alike_or_not_parquet() {
    let place = Place::new("label = \"y\"\ncategorical = [\"id\"]");
    let error = place.fail(&[]);
    assert!(error.contains("no .parquet file"), "{error}");
    write(&place.input().join("1.parquet"), four_rows(labels()));
    let mut columns = four_rows(labels());
    columns
        .iter_mut()
        .filter(|(column, _)| *column == "id")
        .for_each(|(_, cells)| *cells = codes(&[&[], &[], &[], &[]]));
    write(&place.input().join("2.parquet"), columns);
    let error = place.fail(&[]);
    assert!(error.contains("2.parquet: its columns have other types"), "{error}");
    let whole = fs::read(place.input().join("1.parquet")).unwrap();
    fs::write(place.input().join("2.parquet"), &whole[..whole.len() / 2]).unwrap();
    let error = place.fail(&["--bad-rows", "skip"]);
    assert!(error.contains("2.parquet: not a readable Parquet file"), "{error}");
}

/// A single file, and the bag that no row fills.
#[test]
fn a_feature_without_a_category() {
    let place = Place::new("label = \"y\"\ncategorical = [\"id\"]");
    let file = place.input().join("1.parquet");
    write(&file, vec![("y", labels()), ("id", codes(&[&[], &[], &[], &[]]))]);
    let error = place.fail(&[]);
    assert!(error.contains("column \"id\": has no category in any row"), "{error}");
    write(&file, vec![("y", labels()), ("id", codes(&[&[1], &[], &[], &[]]))]);
    let columns = place.columns();
    let dataset = prepare(
        "parquet",
        &file,
        &place.out(),
        &["--columns", columns.to_str().unwrap()],
    );
    assert_eq!(dataset.schema.source.name, "1.parquet");
    assert_eq!(dataset.schema.source.bytes, fs::metadata(&file).unwrap().len());
}
