//! Every kind of bad input: where it is, what it is, and that it can be left out.

use std::fs;

use crate::common::*;

/// A kind of bad row: what is done to the third data row, and what is said: column and reason.
type Case = (fn(&str) -> Vec<u8>, &'static str, &'static str);

fn replace(line: &str, separator: char, column: usize, cell: &[u8]) -> Vec<u8> {
    let mut cells: Vec<&[u8]> = line.split(separator).map(str::as_bytes).collect();
    cells[column - 1] = cell;
    cells.join(&(separator as u8))
}

const CRITEO: [Case; 12] = [
    (
        |line| line[..line.rfind('\t').unwrap()].into(),
        "39 (C25)",
        "39 fields where 40 are expected",
    ),
    (
        |line| format!("{line}\tx").into(),
        "41",
        "41 fields where 40 are expected",
    ),
    (|_| Vec::new(), "1 (label)", "1 field where 40 are expected"),
    (
        |line| replace(line, '\t', 1, b"2"),
        "1 (label)",
        "the label is \"2\" where 0 or 1 is expected",
    ),
    (
        |line| replace(line, '\t', 1, b""),
        "1 (label)",
        "the label is \"\" where 0 or 1 is expected",
    ),
    (
        |line| replace(line, '\t', 3, b"x1"),
        "3 (I2)",
        "\"x1\" is not an integer",
    ),
    (
        |line| replace(line, '\t', 14, b"1.5"),
        "14 (I13)",
        "\"1.5\" is not an integer",
    ),
    (
        |line| replace(line, '\t', 14, b"99999999999999999999"),
        "14 (I13)",
        "is not an integer",
    ),
    (
        |line| replace(line, '\t', 2, b"\xff"),
        "2 (I1)",
        "byte 0xff is not UTF-8",
    ),
    (
        |line| replace(line, '\t', 15, b"ab\xc3"),
        "15 (C1)",
        "byte 0xc3 is not UTF-8",
    ),
    (
        |line| replace(line, '\t', 40, b"\x80"),
        "40 (C26)",
        "byte 0x80 is not UTF-8",
    ),
    (
        |line| replace(line, '\t', 40, &[b'x'; 2 << 20]),
        "40 (C26)",
        "longer than 1048576 bytes",
    ),
];

const AVAZU: [Case; 7] = [
    (
        |line| line[..line.rfind(',').unwrap()].into(),
        "23 (C20)",
        "23 fields where 24 are expected",
    ),
    (
        |line| format!("{line},x").into(),
        "25",
        "25 fields where 24 are expected",
    ),
    (
        |line| replace(line, ',', 2, b"yes"),
        "2 (click)",
        "the label is \"yes\" where 0 or 1 is expected",
    ),
    (
        |line| replace(line, ',', 3, b"2014-10-21"),
        "3 (hour)",
        "\"2014-10-21\" is not an hour as YYMMDDHH",
    ),
    (|line| replace(line, ',', 3, b"14102124"), "3 (hour)", "is not an hour"),
    (
        |line| replace(line, ',', 6, b"\xe9"),
        "6 (site_id)",
        "byte 0xe9 is not UTF-8",
    ),
    (
        |line| replace(line, ',', 24, b"\xe9"),
        "24 (C21)",
        "byte 0xe9 is not UTF-8",
    ),
];

#[test]
fn criteo() {
    check("criteo-kaggle", "criteo.tsv", 3, &CRITEO);
}

#[test]
fn avazu() {
    check("avazu", "avazu.csv", 4, &AVAZU);
}

/// Each case spoils line `number` of the fixture.
fn check(kind: &str, name: &str, number: usize, cases: &[Case]) {
    let lines = fixture_lines(name);
    for (spoil, column, reason) in cases {
        let directory = tempfile::tempdir().unwrap();
        let (input, out) = (directory.path().join("bad.txt"), directory.path().join("out"));
        let bad = spoil(&lines[number - 1]);
        let mut raw: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        raw[number - 1] = &bad;
        fs::write(&input, [&raw.join(&b'\n'), &b"\n"[..]].concat()).unwrap();

        let error = fail(kind, &input, &out, &[]);
        let place = format!("bad.txt, line {number}, column {column}: ");
        assert!(
            error.contains(&place) && error.contains(reason),
            "{place}{reason}\nbut said: {error}"
        );

        let dataset = prepare(kind, &input, &out, &["--bad-rows", "skip"]);
        assert_eq!(dataset.schema.rejected, 1);
        let rejected = fs::read_to_string(out.join("rejected.tsv")).unwrap();
        let rejected: Vec<Vec<&str>> = rejected.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(rejected[0], ["file", "line", "column", "reason", "raw"]);
        assert_eq!(
            rejected[1][..3],
            ["bad.txt", &number.to_string(), column],
            "{rejected:?}"
        );
        assert!(
            rejected[1][3].contains(reason) && rejected[1].len() == 5 && rejected.len() == 2,
            "{rejected:?}"
        );
        let kept = bad.len().min(1 << 20);
        assert_eq!(unescape(rejected[1][4]), bad[..kept]);

        // the others are what they are without it
        raw.remove(number - 1);
        let clean = directory.path().join("clean.txt");
        fs::write(&clean, [&raw.join(&b'\n'), &b"\n"[..]].concat()).unwrap();
        let without = prepare(kind, &clean, &directory.path().join("without"), &[]);
        assert_eq!(dataset.schema.rows.total(), without.schema.rows.total());
        if kind == "criteo-kaggle" {
            assert_eq!(all_rows(&dataset), all_rows(&without));
            assert_eq!(dataset.schema.categorical, without.schema.categorical);
        }
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (_, true) => match rest.next().unwrap() {
                b't' => b'\t',
                b'\\' => b'\\',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("\\{other}"),
            },
            (plain, false) => plain,
        });
    }
    bytes
}

#[test]
fn a_truncated_last_line() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("cut.txt"), directory.path().join("out"));
    for (kind, name, lines, column) in [
        ("criteo-kaggle", "criteo.tsv", 77, "38 (C24)"),
        ("avazu", "avazu.csv", 121, "22 (C19)"),
    ] {
        let text = fs::read_to_string(fixture(name)).unwrap();
        let separator = if name.ends_with("csv") { ',' } else { '\t' };
        let cut = text.rmatch_indices(separator).nth(1).unwrap().0;
        fs::write(&input, &text[..cut]).unwrap();
        let error = fail(kind, &input, &out, &[]);
        let message = format!("cut.txt, line {lines}, column {column}: the input ends within this line");
        assert!(error.contains(&message), "{error}");
        let dataset = prepare(kind, &input, &out, &["--bad-rows", "skip"]);
        let data_rows = lines - usize::from(name.ends_with("csv"));
        assert_eq!(
            (dataset.schema.rows.total(), dataset.schema.rejected),
            (data_rows as u64 - 1, 1)
        );
        fs::remove_dir_all(&out).unwrap();
    }
}

/// All rows bad: not an empty data set, but an error.
#[test]
fn a_file_of_another_kind() {
    let directory = tempfile::tempdir().unwrap();
    let error = fail(
        "criteo-kaggle",
        &fixture("avazu.csv"),
        &directory.path().join("out"),
        &["--bad-rows", "skip"],
    );
    assert!(error.contains("no row could be used (121 were rejected)"), "{error}");
}

/// Under skip without a bad row there is a list of none.
#[test]
fn nothing_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    prepare("criteo-kaggle", &fixture("criteo.tsv"), &out, &["--bad-rows", "skip"]);
    assert_eq!(
        fs::read_to_string(out.join("rejected.tsv")).unwrap(),
        "file\tline\tcolumn\treason\traw\n"
    );
    let other = directory.path().join("other");
    prepare("criteo-kaggle", &fixture("criteo.tsv"), &other, &[]);
    assert!(!other.join("rejected.tsv").exists());
}
