//! Unit tests of [`super::Examples`] over small files.

use std::fs;
use std::sync::Arc;

use arrow_array::{Float32Array, UInt32Array};
use arrow_buffer::OffsetBuffer;

use arrow_array::ListArray;

use super::*;
use crate::data::dataset::{CategoricalFeature, Dataset, PerSplit, SourceInfo, Split};
use crate::data::schema::{FORMAT, list_item};

fn schema(rows: u64) -> Schema {
    let feature = |name: &str, bag, max_bag| CategoricalFeature {
        name: name.to_owned(),
        num_embeddings: 10,
        bag,
        max_bag,
        rare_row: None,
    };
    Schema {
        format: FORMAT,
        kind: "test".to_owned(),
        seed: 1,
        split_rule: "all".to_owned(),
        min_count: None,
        max_rows_per_table: Some(3),
        rejected: 0,
        dense: vec!["x".to_owned()],
        rows: PerSplit {
            train: rows,
            ..Default::default()
        },
        positives: PerSplit::default(),
        source: SourceInfo {
            name: "none".to_owned(),
            sha256: String::new(),
            bytes: 0,
        },
        categorical: vec![feature("plain", false, 1), feature("bag", true, 2)],
    }
}

/// Row i: label i mod 2, x = i / 2, plain = i mod 10, bag of i mod 3 entries [i mod 7, i mod 5].
fn batch(schema: &Schema, rows: std::ops::Range<usize>) -> RecordBatch {
    let bags: Vec<Vec<u32>> = rows
        .clone()
        .map(|i| [i as u32 % 7, i as u32 % 5].into_iter().take(i % 3).collect())
        .collect();
    let bag = ListArray::new(
        list_item(),
        OffsetBuffer::from_lengths(bags.iter().map(Vec::len)),
        Arc::new(UInt32Array::from(bags.concat())),
        None,
    );
    RecordBatch::try_new(
        Arc::new(schema.arrow()),
        vec![
            Arc::new(Float32Array::from_iter_values(rows.clone().map(|i| (i % 2) as f32))),
            Arc::new(Float32Array::from_iter_values(rows.clone().map(|i| i as f32 / 2.0))),
            Arc::new(UInt32Array::from_iter_values(rows.map(|i| i as u32 % 10))),
            Arc::new(bag),
        ],
    )
    .unwrap()
}

fn write(directory: &Path, schema: &Schema, batches: &[RecordBatch]) {
    let file = fs::File::create(directory.join("train.arrow")).unwrap();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &schema.arrow()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    fs::write(directory.join("dataset.toml"), toml::to_string(schema).unwrap()).unwrap();
}

#[test]
fn values_come_back_across_a_batch_boundary() {
    let directory = tempfile::tempdir().unwrap();
    let rows = BATCH_ROWS + 5;
    let schema = schema(rows as u64);
    write(
        directory.path(),
        &schema,
        &[batch(&schema, 0..BATCH_ROWS), batch(&schema, BATCH_ROWS..rows)],
    );
    let dataset = Dataset::open(directory.path()).unwrap();
    assert_eq!(dataset.schema, schema);
    let examples = dataset.split(Split::Train).unwrap();
    assert_eq!(
        (examples.len(), examples.num_dense(), examples.num_features()),
        (rows, 1, 2)
    );
    for i in 0..rows {
        assert_eq!(examples.label(i), (i % 2) as f32);
        assert_eq!(examples.dense(i, 0), i as f32 / 2.0);
        assert_eq!(examples.bag(i, 0), [i as u32 % 10]);
        assert_eq!(examples.bag(i, 1), &[i as u32 % 7, i as u32 % 5][..i % 3]);
    }
}

#[test]
fn memory_reads_like_a_file() {
    let rows = BATCH_ROWS + 2;
    let offsets: Vec<u32> = (0..=rows as u32).map(|i| i / 2).collect();
    let entries: Vec<u32> = (0..rows as u32 / 2).map(|i| i % 9).collect();
    let labels: Vec<f32> = (0..rows).map(|i| (i % 2) as f32).collect();
    let examples = Examples::from_memory(labels.clone(), vec![labels.clone()], vec![(offsets, entries)]).unwrap();
    for row in [0, 1, BATCH_ROWS - 1, BATCH_ROWS, rows - 1] {
        assert_eq!(examples.label(row), labels[row]);
        assert_eq!(examples.dense(row, 0), labels[row]);
        let expected = if row % 2 == 1 {
            vec![(row as u32 / 2) % 9]
        } else {
            vec![]
        };
        assert_eq!(examples.bag(row, 0), expected);
    }
    assert!(Examples::from_memory(vec![0.0], vec![vec![]], vec![]).is_err());
    assert!(Examples::from_memory(vec![0.0], vec![], vec![(vec![0, 2], vec![1])]).is_err());
}

#[test]
fn a_bad_value_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let good = schema(20);
    type Spoil = fn(&mut Schema);
    let cases: [(Spoil, &str); 3] = [
        (
            |schema| schema.categorical[0].num_embeddings = 9,
            "row 9, column \"plain\": row 9 of a table with 9 rows",
        ),
        (
            |schema| schema.categorical[1].num_embeddings = 6,
            "row 13, column \"bag\": row 6 of a table with 6 rows",
        ),
        (
            |schema| schema.categorical[1].max_bag = 1,
            "row 2, column \"bag\": a bag of 2",
        ),
    ];
    for (change, message) in cases {
        let mut schema = good.clone();
        change(&mut schema);
        write(directory.path(), &schema, &[batch(&schema, 0..20)]);
        let error = Examples::open(&directory.path().join("train.arrow"), &schema)
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_file_that_disagrees_with_dataset_toml_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let schema = schema(20);
    let path = directory.path().join("train.arrow");
    write(directory.path(), &schema, &[batch(&schema, 0..19)]);
    let open = || Dataset::open(directory.path()).and_then(|dataset| dataset.split(Split::Train));
    assert!(
        open()
            .unwrap_err()
            .to_string()
            .contains("19 rows where dataset.toml says 20")
    );
    write(
        directory.path(),
        &schema,
        &[batch(&schema, 0..10), batch(&schema, 10..20)],
    );
    assert!(open().unwrap_err().to_string().contains("exactly 65536 rows"));
    let mut renamed = schema.clone();
    renamed.dense[0] = "y".to_owned();
    write(directory.path(), &schema, &[batch(&schema, 0..20)]);
    assert!(
        Examples::open(&path, &renamed)
            .unwrap_err()
            .to_string()
            .contains("column \"y\"")
    );
    let mut plain = schema.clone();
    plain.categorical[1].bag = false;
    assert!(
        Examples::open(&path, &plain)
            .unwrap_err()
            .to_string()
            .contains("of type List")
    );
    assert!(open().is_ok());
}

/// Truncated at every length, and with every byte of the file flipped: an error or a valid read, never a panic.
#[test]
fn damage_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let schema = schema(9);
    let path = directory.path().join("train.arrow");
    write(directory.path(), &schema, &[batch(&schema, 0..9)]);
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(
            Examples::open(&path, &schema).is_err(),
            "{length} bytes of {}",
            bytes.len()
        );
    }
    for position in 0..bytes.len() {
        for bits in [0xff, 0x80, 0x01] {
            let mut damaged = bytes.clone();
            damaged[position] ^= bits;
            fs::write(&path, &damaged).unwrap();
            if let Ok(examples) = Examples::open(&path, &schema) {
                (0..examples.len()).for_each(|row| assert!(examples.bag(row, 1).len() <= 2));
            }
        }
    }
}

#[test]
fn another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut schema = schema(1);
    schema.format = FORMAT + 1;
    write(directory.path(), &schema, &[]);
    assert!(
        Dataset::open(directory.path())
            .unwrap_err()
            .to_string()
            .contains("prepare the data set again")
    );
}
