//! Criteo-Kaggle, cell by cell.

use std::collections::HashMap;
use std::fs;

use mlet::data::dataset::{Dataset, PerSplit, Split};
use sha2::{Digest, Sha256};

use crate::common::*;

#[test]
fn every_cell_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let input = fixture("criteo.tsv");
    let dataset = prepare("criteo-kaggle", &input, &directory.path().join("out"), &[]);
    let lines = fixture_lines("criteo.tsv");
    let rows = all_rows(&dataset);
    assert_eq!((lines.len(), rows.len()), (77, 77));
    for (number, (line, row)) in lines.iter().zip(&rows).enumerate() {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(row.label, cells[0].parse::<f32>().unwrap(), "line {number}");
        for (column, (&found, cell)) in row.dense.iter().zip(&cells[1..14]).enumerate() {
            let count: f64 = if cell.is_empty() {
                0.0
            } else {
                cell.parse::<f64>().unwrap().max(0.0)
            };
            assert_close(found, count.ln_1p(), &format!("line {number}, I{}", column + 1));
        }
        let found: Vec<&str> = row.bags.iter().map(|bag| bag[0].as_str()).collect();
        assert_eq!(found, cells[14..], "line {number}");
    }
    check_frequencies(&dataset);
    let schema = &dataset.schema;
    assert_eq!((schema.kind.as_str(), schema.rejected), ("criteo-kaggle", 0));
    // 77 = 66 + 5 + 6: six days of seven, and the seventh halved
    assert_eq!(
        schema.rows,
        PerSplit {
            train: 66,
            validation: 5,
            test: 6
        }
    );
    let positives = |rows: &[String]| rows.iter().filter(|line| line.starts_with('1')).count() as u64;
    let expected = [&lines[..66], &lines[66..71], &lines[71..]].map(positives);
    assert_eq!(Split::ALL.map(|split| schema.positives.get(split)), expected);
    assert_eq!(
        schema.dense,
        (1..=13).map(|column| format!("I{column}")).collect::<Vec<_>>()
    );
    assert!(
        schema
            .categorical
            .iter()
            .all(|feature| !feature.bag && feature.max_bag == 1)
    );
    let bytes = fs::read(&input).unwrap();
    let hash: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        (schema.source.name.as_str(), &schema.source.sha256),
        ("criteo.tsv", &hash)
    );
    assert_eq!(schema.source.bytes, bytes.len() as u64);
}

#[test]
fn categories_are_numbered_by_first_appearance() {
    let directory = tempfile::tempdir().unwrap();
    let dataset = prepare(
        "criteo-kaggle",
        &fixture("criteo.tsv"),
        &directory.path().join("out"),
        &[],
    );
    let examples = Split::ALL.map(|split| dataset.split(split).unwrap());
    let numbers = |feature: usize| -> Vec<u32> {
        examples
            .iter()
            .flat_map(|split| (0..split.len()).map(move |row| split.bag(row, feature)[0]))
            .collect()
    };
    for feature in 0..26 {
        let mut seen: HashMap<String, u32> = HashMap::new();
        for (line, number) in fixture_lines("criteo.tsv").iter().zip(numbers(feature)) {
            let category = line.split('\t').nth(14 + feature).unwrap();
            let next = seen.len() as u32;
            assert_eq!(
                number,
                *seen.entry(category.to_owned()).or_insert(next),
                "C{}: {line}",
                feature + 1
            );
        }
        assert_eq!(dataset.schema.categorical[feature].num_embeddings, seen.len());
    }
}

/// More than one record batch a split, and chunks of rows that are read at once.
#[test]
fn rows_keep_their_order_across_batches() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("train.txt");
    let rows: usize = 7 * 20_000;
    let line = |row: usize| {
        let counts: Vec<String> = (0..13).map(|column| (row * (column + 1)).to_string()).collect();
        let categories: Vec<String> = (0..26)
            .map(|column| format!("{:08x}", row % (100 * column + 1)))
            .collect();
        format!(
            "{}\t{}\t{}\n",
            u8::from(row.is_multiple_of(3)),
            counts.join("\t"),
            categories.join("\t")
        )
    };
    fs::write(&input, (0..rows).map(line).collect::<String>()).unwrap();
    let dataset: Dataset = prepare("criteo-kaggle", &input, &directory.path().join("out"), &[]);
    assert_eq!(
        dataset.schema.rows,
        PerSplit {
            train: 120_000,
            validation: 10_000,
            test: 10_000
        }
    );
    let mut first = 0;
    for split in Split::ALL {
        let examples = dataset.split(split).unwrap();
        for row in 0..examples.len() {
            let raw = first + row;
            assert_eq!(examples.label(row), f32::from(u8::from(raw % 3 == 0)));
            assert_close(examples.dense(row, 12), (raw as f64 * 13.0).ln_1p(), "I13");
            for feature in [0, 1, 25] {
                // appearing in the order 0, 1, 2, …, so that the number is the value
                assert_eq!(examples.bag(row, feature), [(raw % (100 * feature + 1)) as u32]);
            }
        }
        first += examples.len();
    }
}
