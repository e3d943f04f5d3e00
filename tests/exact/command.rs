//! `mlet spectrum --exact`, from a file to its JSON.

use super::near_one_hundredth;
use ndarray::Array2;
use std::path::Path;

fn spectrum(file: &Path, flags: &[&str]) -> (serde_json::Value, String) {
    let out = file.with_extension("report");
    let mut command = assert_cmd::Command::cargo_bin("mlet").unwrap();
    let done = command
        .arg("spectrum")
        .arg(file)
        .args(["--out"])
        .arg(&out)
        .args(flags)
        .assert()
        .success();
    let text = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    let json = std::fs::read_to_string(out.join("spectrum.json")).unwrap();
    (serde_json::from_str(&json).unwrap(), text)
}

#[test]
fn the_range_becomes_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.npy");
    ndarray_npy::write_npy(&file, &near_one_hundredth(20_000, 167_000, 1).mapv(|x| x as f32)).unwrap();
    let (open, _) = spectrum(&file, &[]);
    assert_eq!(open["features"][0]["rank_at_0.01"], serde_json::json!([2, 3]));
    assert_eq!(open["features"][0].get("exact_rank"), None);
    let (decided, _) = spectrum(&file, &["--exact", "--tau", "0.01", "--tau", "0.5"]);
    let feature = &decided["features"][0];
    assert_eq!(feature["rank_at_0.01"], 3);
    assert_eq!(feature["rank_at_0.5"], 1);
    assert_eq!(feature["exact_rank"], 3);
    assert_eq!(feature["decided_exactly"], serde_json::json!(["rank_at_0.01"]));
    let beside = |name: &str| file.with_extension("report").join(name);
    let mut csv = csv::Reader::from_path(beside("spectrum.csv")).unwrap();
    let headers = csv.headers().unwrap().clone();
    let line = csv.records().next().unwrap().unwrap();
    let cell = |name: &str| &line[headers.iter().position(|header| header == name).unwrap()];
    assert_eq!((cell("exact_rank"), cell("decided_exactly")), ("3", "rank_at_0.01"));
    let parquet = std::fs::File::open(beside("spectrum.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(parquet).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let rank = batch.column_by_name("exact_rank").unwrap();
    assert_eq!(rank.data_type(), &arrow_schema::DataType::UInt64);
    assert_eq!(format!("{:?}", rank.slice(0, 1)).lines().nth(2), Some("  3,"));
    let keys = batch.column_by_name("decided_exactly").unwrap();
    assert!(format!("{keys:?}").contains("rank_at_0.01"), "{keys:?}");
    let page = std::fs::read_to_string(beside("report.html")).unwrap();
    assert!(page.contains("Its exact rank, over the rationals, is 3 of"));
}

/// Nothing open: the rows are not read again, and the rank is that of the intervals.
#[test]
fn what_is_decided_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.npy");
    let w = Array2::from_shape_fn((50, 3), |(i, j)| ((i * 7 + j * 13 + i * j) % 11) as f32 - 5.0);
    ndarray_npy::write_npy(&file, &w).unwrap();
    let (json, _) = spectrum(&file, &["--exact"]);
    let feature = &json["features"][0];
    assert_eq!(feature["exact_rank"], 3);
    assert_eq!(feature["decided_exactly"], serde_json::json!([]));
}
