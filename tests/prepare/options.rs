//! `--min-count` and `--max-rows-per-table`, against a slow and plain way to say what they mean.

use std::collections::HashMap;

use mlet::data::dataset::RARE;

use crate::common::*;

/// Uses in the training split (the first 66 lines) and the order of first appearance of a Criteo column.
fn uses(column: usize) -> Vec<(String, u64)> {
    let mut order: Vec<(String, u64)> = Vec::new();
    for (row, line) in fixture_lines("criteo.tsv").iter().enumerate() {
        let category = line.split('\t').nth(column).unwrap();
        let index = order
            .iter()
            .position(|(other, _)| other == category)
            .unwrap_or_else(|| {
                order.push((category.to_owned(), 0));
                order.len() - 1
            });
        order[index].1 += u64::from(row < 66);
    }
    order
}

fn check(options: &[&str], keeps: impl Fn(&[(String, u64)]) -> Vec<bool>) {
    let directory = tempfile::tempdir().unwrap();
    let dataset = prepare(
        "criteo-kaggle",
        &fixture("criteo.tsv"),
        &directory.path().join("out"),
        options,
    );
    let rows = all_rows(&dataset);
    let mut shared = 0;
    for (index, feature) in dataset.schema.categorical.iter().enumerate() {
        let order = uses(14 + index);
        let keep = keeps(&order);
        let kept: HashMap<&str, bool> = order
            .iter()
            .map(|(value, _)| value.as_str())
            .zip(keep.iter().copied())
            .collect();
        let mut expected: Vec<&str> = Vec::new();
        for ((value, _), &keep) in order.iter().zip(&keep) {
            if keep || !expected.contains(&RARE) {
                expected.push(if keep { value } else { RARE });
            }
        }
        let vocabulary = dataset.vocabulary(&feature.name).unwrap();
        assert_eq!(vocabulary.values, expected, "{}", feature.name);
        assert_eq!(feature.num_embeddings, expected.len());
        assert_eq!(
            feature.rare_row.map(|row| row as usize),
            expected.iter().position(|&value| value == RARE)
        );
        assert_eq!(vocabulary.frequencies.iter().sum::<u64>(), 66);
        shared += usize::from(feature.rare_row.is_some());
        for (line, row) in fixture_lines("criteo.tsv").iter().zip(&rows) {
            let raw = line.split('\t').nth(14 + index).unwrap();
            assert_eq!(row.bags[index], [if kept[raw] { raw } else { RARE }]);
        }
    }
    assert!(shared > 0, "no feature had a rare category: the fixture tests nothing");
    check_frequencies(&dataset);
}

#[test]
fn rare_categories_share_a_row() {
    check(&["--min-count", "4"], |order| {
        order.iter().map(|(_, uses)| *uses >= 4).collect()
    });
}

#[test]
fn tables_are_cut_to_the_most_frequent() {
    check(&["--max-rows-per-table", "5"], |order| {
        let mut ranked: Vec<usize> = (0..order.len()).collect();
        ranked.sort_by_key(|&index| (std::cmp::Reverse(order[index].1), index));
        let cut = if order.len() > 5 { 4 } else { order.len() };
        (0..order.len()).map(|index| ranked[..cut].contains(&index)).collect()
    });
}

#[test]
fn options_out_of_range_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    for wrong in [
        ["--max-rows-per-table", "0"],
        ["--seed", "-1"],
        ["--min-count", "x"],
        ["--bad-rows", "maybe"],
    ] {
        command("criteo-kaggle", &fixture("criteo.tsv"), &out, &wrong)
            .assert()
            .failure()
            .code(2);
    }
    assert!(!out.exists());
}
