//! Avazu, cell by cell.

use mlet::data::dataset::Split;

use crate::common::*;

#[test]
fn every_cell_comes_back_in_one_split() {
    let directory = tempfile::tempdir().unwrap();
    let dataset = prepare(
        "avazu",
        &fixture("avazu.csv"),
        &directory.path().join("out"),
        &["--seed", "5"],
    );
    let lines = fixture_lines("avazu.csv");
    let header: Vec<&str> = lines[0].split(',').collect();
    let names: Vec<&str> = dataset
        .schema
        .categorical
        .iter()
        .map(|feature| feature.name.as_str())
        .collect();
    assert_eq!(names, header[3..]);
    assert_eq!(dataset.schema.dense, ["hour"]);
    let mut splits = Split::ALL.map(|split| rows(&dataset, split).into_iter().peekable());
    for line in &lines[1..] {
        let cells: Vec<&str> = line.split(',').collect();
        let raw: Vec<Vec<String>> = cells[3..].iter().map(|cell| vec![cell.to_string()]).collect();
        // every split keeps the order of the file, so the row is the next one of exactly one of them
        let row = splits.iter_mut().find_map(|rows| rows.next_if(|row| row.bags == raw));
        let row = row.unwrap_or_else(|| panic!("{line} is in no split"));
        assert_eq!(row.label, cells[1].parse::<f32>().unwrap());
        assert_close(row.dense[0], cells[2][6..].parse::<f64>().unwrap().ln_1p(), line);
    }
    assert!(splits.iter_mut().all(|rows| rows.next().is_none()));
    check_frequencies(&dataset);
    assert!(
        dataset.schema.split_rule.contains("seed 5"),
        "{}",
        dataset.schema.split_rule
    );
    assert_eq!(dataset.schema.rows.total(), 120);
}

#[test]
fn the_seed_decides_the_split() {
    let directory = tempfile::tempdir().unwrap();
    let run = |name: &str, seed: &str| {
        let out = directory.path().join(name);
        prepare("avazu", &fixture("avazu.csv"), &out, &["--seed", seed]);
        files(&out)
    };
    let (one, again, other) = (run("one", "1"), run("again", "1"), run("other", "2"));
    assert!(one == again, "the same seed gave other bytes");
    assert!(one.keys().eq(other.keys()));
    let train = std::path::Path::new("train.arrow");
    assert!(one[train] != other[train], "another seed gave the same split");
}

#[test]
fn another_header_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixture("avazu.csv")).unwrap();
    let cases = [
        (
            text.replace("id,click,hour", "id,hour"),
            "column 2: the header says \"hour\" where \"click\"",
        ),
        (
            text.lines().skip(1).collect::<Vec<_>>().join("\n"),
            "column 1: the header says \"10000000000000000000\"",
        ),
        (String::new(), "column 1: the header says \"\""),
    ];
    for (content, message) in cases {
        let input = directory.path().join("train.csv");
        std::fs::write(&input, content).unwrap();
        let error = fail("avazu", &input, &directory.path().join("out"), &[]);
        assert!(error.contains(message) && error.contains("train.csv"), "{error}");
    }
}
