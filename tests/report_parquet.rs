//! `spectrum.parquet` holds what `spectrum.json` holds, in types that do not change with the data.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use assert_cmd::Command;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

fn mlet(folder: &Path, line: &str) {
    let mut command = Command::cargo_bin("mlet").unwrap();
    command
        .current_dir(folder)
        .args(line.split_whitespace())
        .assert()
        .success();
}

/// Both files of a report.
fn records(folder: &Path) -> (Vec<(String, Value)>, RecordBatch) {
    let json: Value = serde_json::from_slice(&std::fs::read(folder.join("out/spectrum.json")).unwrap()).unwrap();
    let one = vec![json.clone()];
    let models = json["models"].as_array().unwrap_or(&one);
    let name = |m: &Value| m.get("model").or(m.get("name")).unwrap().as_str().unwrap().to_string();
    let features = models.iter().flat_map(|m| {
        m["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(move |f| (name(m), f.clone()))
    });
    let file = std::fs::File::open(folder.join("out/spectrum.parquet")).unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none());
    (features.collect(), batch)
}

/// What a cell holds, as JSON.
fn cell(array: &dyn Array, i: usize) -> Value {
    if array.is_null(i) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(i).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(i).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(i).into(),
        DataType::Boolean => array.as_boolean().value(i).into(),
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(i);
            (0..list.len()).map(|j| cell(&list, j)).collect()
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            let named = fields.iter().zip(columns).map(|(f, c)| (f.name().clone(), cell(c, i)));
            Value::Object(named.collect())
        }
        other => panic!("a column of {other}"),
    }
}

/// Equality, but for the last bit of a float: serde_json reads decimals fast, and one unit in the last place off.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) if x.is_f64() && y.is_f64() => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            (x - y).abs() <= f64::EPSILON * y.abs()
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, x)| y.get(k).is_some_and(|y| same(x, y)))
        }
        (a, b) => a == b,
    }
}

/// Every value of `record` is in the row, under `prefix`.
fn assert_same(batch: &RecordBatch, row: usize, prefix: &str, record: &Value) {
    for (name, value) in record.as_object().unwrap() {
        let column = |name: &str| {
            let found = batch.column_by_name(&format!("{prefix}{name}"));
            cell(found.unwrap_or_else(|| panic!("no column {prefix}{name}")), row)
        };
        match name.as_str() {
            "name" => assert_eq!(column("feature"), *value),
            "initial" | "frequent" | "centred" | "weighted" if value.is_null() => {
                assert!(cell(batch.column_by_name(&format!("{name}_effective_rank")).unwrap(), row).is_null());
            }
            "initial" | "frequent" | "centred" | "weighted" => assert_same(batch, row, &format!("{name}_"), value),
            "intervals" => {
                let end =
                    |k: usize| -> Value { value.as_array().unwrap().iter().map(|pair| pair[k].clone()).collect() };
                assert!(
                    same(&column("lo"), &end(0)) && same(&column("hi"), &end(1)),
                    "{prefix}{name}"
                );
            }
            name if name.starts_with("rank_at_") => {
                let both = (column(&format!("{name}_least")), column(&format!("{name}_most")));
                match value.as_array() {
                    Some(pair) => assert_eq!((column(name), both), (Value::Null, (pair[0].clone(), pair[1].clone()))),
                    None => assert_eq!((column(name), both), (value.clone(), (value.clone(), value.clone()))),
                }
            }
            name => assert!(
                same(&column(name), value),
                "{prefix}{name}: {} and {value}",
                column(name)
            ),
        }
    }
}

fn assert_all_same(folder: &Path) -> RecordBatch {
    let (features, batch) = records(folder);
    assert_eq!(batch.num_rows(), features.len());
    for (row, (model, feature)) in features.iter().enumerate() {
        assert_eq!(cell(batch.column_by_name("model").unwrap(), row), model.as_str());
        assert_same(&batch, row, "", feature);
    }
    batch
}

#[test]
fn a_run_and_a_file_have_the_columns_and_values_of_the_record() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    mlet(at, "prepare flights --out data");
    mlet(
        at,
        "train --data data --device cpu --bottom-mlp 8 --top-mlp 8 --embedding-dim 4 --inner-dim 6 --max-steps 3 --out run",
    );
    mlet(at, "spectrum run --out out --tau 0.01 --tau 0.5");
    let run = assert_all_same(at);

    // One row, one column, zero: hardly a measure is defined.
    let bytes = 0f32.to_le_bytes();
    let view = TensorView::new(Dtype::F32, vec![1, 1], &bytes).unwrap();
    safetensors::serialize_to_file([("zero", view)], None, &at.join("zero.safetensors")).unwrap();
    mlet(at, "spectrum zero.safetensors --out out --tau 0.01 --tau 0.5");
    let zero = assert_all_same(at);
    for column in zero.schema().fields() {
        if let Ok(same) = run.schema().field_with_name(column.name()) {
            let simple = |kind: &DataType| !kind.is_nested();
            if simple(column.data_type()) || column.name().ends_with("singular_values") {
                assert_eq!(same.data_type(), column.data_type(), "{}", column.name());
            }
        }
    }
    mlet(at, "spectrum run zero.safetensors --out out");
    assert_all_same(at);
}
