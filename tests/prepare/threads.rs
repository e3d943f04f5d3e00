//! The same bytes, however many threads there are and however the input is cut into blocks.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mlet::data::avazu::Avazu;
use mlet::data::criteo::Criteo;
use mlet::data::dataset::Dataset;
use mlet::data::prepare::{BadRows, Options, PrepareError, prepare as prepare_source};
use mlet::data::schema::SourceInfo;
use mlet::data::source::{
    BadRow, RawCategorical, RawExample, RawFeatures, RowError, Source, SourceError, SourceProgress, SplitRule,
};

use crate::common::*;

const LONGEST_LINE: usize = 1 << 20;

/// Alike in their first eight bytes, or up to what may fill eight bytes up; with a tab or a comma it would be two fields.
const VALUES: [&str; 14] = [
    "",
    "a",
    "a\0",
    "aaaaaaa",
    "aaaaaaaa",
    "aaaaaaaa\0",
    "aaaaaaaab",
    "aaaaaaaac",
    "aaaaaaaab and more",
    "é",
    "ÿÿÿÿ",
    "ÿÿÿÿ\u{10ffff}",
    "<rare>",
    "0",
];

/// What preparing with so many threads gives: every file, or the error.
fn outcome(threads: usize, bad_rows: BadRows, open: &dyn Fn() -> Box<dyn Source>) -> Result<Files, String> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let options = Options {
        seed: 3,
        bad_rows,
        ..Options::default()
    };
    let mut source = open();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let prepared = pool.install(|| prepare_source(&mut *source, &out, &options, &mut |_| ControlFlow::Continue(())));
    match prepared {
        Ok(_) => Ok(files(&out)),
        Err(error) => Err(match &error {
            PrepareError::Source(inner) => format!("{error} ({inner:?})"),
            _ => error.to_string(),
        }),
    }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What one thread makes of one block; the same must come out of blocks of a line each, of a few, and of some megabytes.
fn same_for_all(bad_rows: BadRows, open: &dyn Fn(usize) -> Box<dyn Source>) -> Result<Files, String> {
    let expected = outcome(1, bad_rows, &|| open(1 << 24));
    for (threads, block_bytes) in [(1, 1), (2, 97), (4, 5000), (3, 1 << 16), (2, 1 << 19), (4, 1 << 24)] {
        let found = outcome(threads, bad_rows, &|| open(block_bytes));
        assert!(
            found == expected,
            "{threads} threads, blocks of {block_bytes}: {:?} and {:?}",
            found.as_ref().err(),
            expected.as_ref().err()
        );
    }
    expected
}

fn criteo(path: &Path) -> impl Fn(usize) -> Box<dyn Source> {
    move |block_bytes| Box::new(Criteo::open_in_blocks(path, block_bytes).unwrap())
}

/// A log in which nearly everything that can be wrong is wrong somewhere, and whose last line has no end.
fn awkward_log() -> Vec<u8> {
    let mut log = Vec::new();
    for line in 0..1500usize {
        let count = |column: usize| match (line + column) % 5 {
            0 => String::new(),
            1 => format!("-{column}"),
            2 => format!("{}", line * column * 1000),
            _ => format!("{}", line % 90),
        };
        let category = |column: usize| match (line * (column + 3) + column) % 17 {
            known if known < VALUES.len() => VALUES[known].to_owned(),
            _ => format!("{:08x}", line % (40 * column + 1)),
        };
        let mut fields = vec![(line % 2).to_string()];
        fields.extend((1..14).map(count));
        fields.extend((0..26).map(category));
        match line {
            300 => fields[39] = "x".repeat(LONGEST_LINE),
            301 => fields[14] = "long".repeat(50_000),
            line if line % 97 == 5 => drop(fields.pop()),
            line if line % 101 == 7 => fields[0] = "2".to_owned(),
            line if line % 103 == 9 => fields[3] = "1.5".to_owned(),
            _ => {}
        }
        let mut bytes = fields.join("\t").into_bytes();
        match line {
            700 => bytes.clear(),
            801 => bytes.extend(b"\xff"),
            line if line % 89 == 3 => bytes.push(b'\r'),
            _ => {}
        }
        log.extend(bytes);
        log.push(b'\n');
    }
    log.pop();
    log
}

/// The fields of a line, if it is a row.
fn fields(line: &[u8]) -> Option<Vec<&str>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line)
        .ok()
        .filter(|text| text.len() <= LONGEST_LINE)?;
    let fields: Vec<&str> = text.split('\t').collect();
    let counts = fields.get(1..14)?;
    let sound = fields.len() == 40 && ["0", "1"].contains(&fields[0]);
    (sound
        && counts
            .iter()
            .all(|count| count.is_empty() || count.parse::<i64>().is_ok()))
    .then_some(fields)
}

#[test]
fn an_awkward_log() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("log.tsv"), directory.path().join("out"));
    let log = awkward_log();
    fs::write(&input, &log).unwrap();
    let prepared = same_for_all(BadRows::Skip, &criteo(&input)).unwrap();

    // and it is what a plain reading of the log says
    for (name, bytes) in &prepared {
        fs::create_dir_all(out.join(name).parent().unwrap()).unwrap();
        fs::write(out.join(name), bytes).unwrap();
    }
    let dataset = Dataset::open(&out).unwrap();
    let lines: Vec<&[u8]> = log.split(|&byte| byte == b'\n').collect();
    let good: Vec<Vec<&str>> = lines.iter().filter_map(|line| fields(line)).collect();
    let rows = all_rows(&dataset);
    assert_eq!(rows.len(), good.len());
    for (row, fields) in rows.iter().zip(&good) {
        assert_eq!(row.label, fields[0].parse::<f32>().unwrap());
        let count = fields[13].parse::<f64>().unwrap_or(0.0).max(0.0);
        assert_close(row.dense[12], count.ln_1p(), fields[13]);
        assert!(
            row.bags
                .iter()
                .map(|bag| bag[0].as_str())
                .eq(fields[14..].iter().copied())
        );
    }
    for feature in 0..26 {
        let mut expected: Vec<&str> = Vec::new();
        for fields in &good {
            if !expected.contains(&fields[14 + feature]) {
                expected.push(fields[14 + feature]);
            }
        }
        let vocabulary = dataset.vocabulary(&format!("C{}", feature + 1)).unwrap();
        assert_eq!(vocabulary.values, expected);
    }
    check_frequencies(&dataset);
    let bad = (1..).zip(&lines).filter(|(_, line)| fields(line).is_none());
    let bad: Vec<String> = bad.map(|(number, _): (u32, _)| number.to_string()).collect();
    let rejected = fs::read(out.join("rejected.tsv")).unwrap();
    let rejected = String::from_utf8(rejected).unwrap();
    let found: Vec<&str> = rejected
        .lines()
        .skip(1)
        .map(|line| line.split('\t').nth(1).unwrap())
        .collect();
    assert_eq!(found, bad);
    assert!(bad.len() > 40, "{}", bad.len());
}

/// The first failure in the order of the lines is the one that is told, whoever comes upon it first.
#[test]
fn the_first_failure_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("log.tsv");
    let told = |content: &[u8], bad_rows| {
        fs::write(&input, content).unwrap();
        same_for_all(bad_rows, &criteo(&input)).unwrap_err()
    };
    let log = awkward_log();
    let error = told(&log, BadRows::Fail);
    assert!(error.contains("log.tsv, line 6, column 39 (C25): 39 fields"), "{error}");

    // a stream that breaks off within line 202, before which line 151 is bad
    let good: Vec<&[u8]> = log
        .split(|&byte| byte == b'\n')
        .filter(|line| fields(line).is_some())
        .collect();
    let mut lines = good[..201].to_vec();
    let text = [lines.join(&b'\n'), b"\n1\t2\t3".to_vec()].concat();
    let broken = |text: &[u8]| {
        // a block that was flushed, and then nothing but the beginning of another one
        use std::io::Write;
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.write_all(text).unwrap();
        encoder.flush().unwrap();
        encoder.get_ref().clone()
    };
    for bad_rows in [BadRows::Fail, BadRows::Skip] {
        let error = told(&broken(&text), bad_rows);
        assert!(error.starts_with("log.tsv, after line 201"), "{error}");
    }
    lines[150] = b"bad";
    let text = [lines.join(&b'\n'), b"\n1\t2\t3".to_vec()].concat();
    let error = told(&broken(&text), BadRows::Fail);
    assert!(
        error.starts_with("log.tsv, line 151, column 1 (label): 1 field"),
        "{error}"
    );
    let error = told(&broken(&text), BadRows::Skip);
    assert!(error.starts_with("log.tsv, after line 201"), "{error}");
}

/// A header, and a split that depends on the number of the row.
#[test]
fn avazu() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("train.csv");
    let lines = fixture_lines("avazu.csv");
    let mut log = format!("{}\r\n", lines[0]);
    for round in 0..20 {
        for (number, line) in lines[1..].iter().enumerate() {
            let cut = if (number + round) % 50 == 7 {
                line.len() - 30
            } else {
                line.len()
            };
            log += &line[..cut];
            log += "\n";
        }
    }
    fs::write(&input, &log).unwrap();
    let open = |block_bytes| Box::new(Avazu::open_in_blocks(&input, block_bytes).unwrap()) as Box<dyn Source>;
    let prepared = same_for_all(BadRows::Skip, &open).unwrap();
    let rejected = prepared[Path::new("rejected.tsv")]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count();
    assert_eq!(rejected, 1 + 20 * 120 / 50);
    let error = same_for_all(BadRows::Fail, &open).unwrap_err();
    assert!(error.contains("line 9, column "), "{error}");
}

/// A source of bags that parses as it reads; its rows fill several blocks.
struct Bags {
    features: RawFeatures,
    row: usize,
}

impl Bags {
    const ROWS: usize = 9000;

    fn bag(row: usize, feature: usize) -> Vec<String> {
        let value = |entry: usize| match (row + entry) % 19 {
            known if known < VALUES.len() => VALUES[known].to_owned(),
            _ => format!("value {}", (row * (entry + 2)) % 3000),
        };
        let length = if feature == 0 { 1 } else { row * feature % 5 };
        (0..length).map(value).collect()
    }
}

impl Source for Bags {
    fn kind(&self) -> &'static str {
        "bags"
    }

    fn features(&self) -> &RawFeatures {
        &self.features
    }

    fn split_rule(&self) -> SplitRule {
        SplitRule::Random([8, 1, 1])
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        example.clear();
        let row = self.row;
        self.row += 1;
        if row % 1000 == 999 {
            let row = BadRow {
                file: "bags".into(),
                unit: "row",
                line: row as u64,
                column: "x".into(),
                reason: "bad".into(),
                raw: Vec::new(),
            };
            return Err(row.into());
        }
        for feature in 0..3 {
            Bags::bag(row, feature)
                .iter()
                .for_each(|value| example.push_to_bag(value));
            example.end_bag();
        }
        Ok(row < Bags::ROWS)
    }

    fn progress(&self) -> SourceProgress {
        SourceProgress::default()
    }

    fn info(&mut self) -> Result<SourceInfo, SourceError> {
        Ok(SourceInfo {
            name: "bags".into(),
            sha256: String::new(),
            bytes: 0,
        })
    }
}

#[test]
fn bags_of_a_source_that_parses_as_it_reads() {
    let categorical = ["plain", "few", "many"].map(|name| RawCategorical {
        name: name.into(),
        is_bag: name != "plain",
    });
    let open = |_| {
        Box::new(Bags {
            features: RawFeatures {
                dense: Vec::new(),
                categorical: categorical.to_vec(),
            },
            row: 0,
        }) as Box<dyn Source>
    };
    let prepared = same_for_all(BadRows::Skip, &open).unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("vocabulary")).unwrap();
    for (name, bytes) in &prepared {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    let dataset = Dataset::open(directory.path()).unwrap();
    let mut found: Vec<Vec<Vec<String>>> = all_rows(&dataset).into_iter().map(|row| row.bags).collect();
    let good = (0..Bags::ROWS).filter(|row| row % 1000 != 999);
    let mut expected: Vec<Vec<Vec<String>>> = good
        .map(|row| (0..3).map(|feature| Bags::bag(row, feature)).collect())
        .collect();
    // the splits take them out of their order
    found.sort();
    expected.sort();
    assert!(found == expected);
    check_frequencies(&dataset);
    assert_eq!(dataset.schema.categorical[2].max_bag, 4);
}

/// As a user chooses the number of threads.
#[test]
fn the_environment_chooses_the_threads() {
    let directory = tempfile::tempdir().unwrap();
    for (kind, name) in [("criteo-kaggle", "criteo.tsv"), ("avazu", "avazu.csv")] {
        let run = |threads: &str| {
            let out = directory.path().join(format!("{kind} {threads}"));
            let more = ["--min-count", "2", "--max-rows-per-table", "20"];
            let mut command = command(kind, &fixture(name), &out, &more);
            command.env("RAYON_NUM_THREADS", threads).assert().success();
            files(&out)
        };
        let one = run("1");
        assert!(one == run("2") && one == run("4"), "{kind}");
    }
}
