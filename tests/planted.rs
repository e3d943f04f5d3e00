//! The planted data: is the truth that is written down the one that the labels come from?

use std::path::Path;

use assert_cmd::Command;
use mlet::data::planted::teacher::{log_loss, probability};
use mlet::data::planted::{Planted, PlantedConfig, PlantedError, Spectrum};
use mlet::data::schema::Split;
use mlet::data::source::{RawExample, Source};

/// mlet evaluates in f32: four layers and a dot product on the way to a logit, each a sum of at most 17 terms rounded to
/// 2⁻²⁴ of values up to about 10, the roundings independent; the LogLoss is 1-Lipschitz in the logit, and a mean.
const F32_LOGIT: f64 = 5.0 * 4.2 * 10.0 / (1 << 24) as f64;

fn small(rows: u64, seed: u64) -> PlantedConfig {
    let tables = ["40:3", "7:2", "300:8", "5:1"].map(|text| text.parse().expect("a table"));
    PlantedConfig {
        rows,
        seed,
        tables: tables.to_vec(),
        ..PlantedConfig::default()
    }
}

fn rows_of(planted: &mut Planted, example: &mut RawExample) -> Option<(Split, Vec<usize>)> {
    planted.next(example).expect("planted rows do not fail").then(|| {
        let row = |feature| {
            let text: &str = example.bag(feature).next().expect("one category");
            text.parse().expect("a number")
        };
        (
            example.split.expect("a split"),
            (0..example.num_features()).map(row).collect(),
        )
    })
}

#[test]
fn tables_have_the_planted_singular_values() {
    for spectrum in [Spectrum::Geometric(0.7), Spectrum::Flat, Spectrum::Power(2.0)] {
        let config = PlantedConfig {
            spectrum,
            ..small(10, 1)
        };
        let planted = Planted::new(config.clone()).expect("good settings");
        for (table, given) in planted.teacher().tables.iter().zip(&config.tables) {
            let (n, d) = (given.num_embeddings, config.embedding_dim);
            let weight = table.weight.iter().map(|&value| f64::from(value));
            let found = nalgebra::DMatrix::from_row_iterator(n, d, weight).singular_values();
            // Weyl: rounding the entries to f32 moves no singular value by more than ‖E‖_F ≤ 2⁻²⁴·‖W‖_F, and ‖W‖_F = √n.
            let tolerance = (n as f64).sqrt() * 2f64.powi(-24) * 1.001;
            for (i, &value) in found.iter().enumerate() {
                let expected = table.singular_values.get(i).copied().unwrap_or(0.0);
                assert!(
                    (value - expected).abs() <= tolerance,
                    "{given}, {spectrum}: σ{i} is {value}, not {expected}"
                );
            }
            assert_eq!(table.singular_values.len(), given.rank);
        }
    }
}

#[test]
fn labels_come_from_the_teacher() {
    let mut planted = Planted::new(small(40_000, 3)).expect("good settings");
    let teacher = planted.teacher().clone();
    let mut example = RawExample::default();
    let mut sums = [[0.0f64; 4]; 3]; // rows, Σ entropy, Σ loss, Σ variance of the loss
    let (mut chance, mut positives, mut square) = (0.0, 0.0, 0.0);
    while let Some((split, rows)) = rows_of(&mut planted, &mut example) {
        let logit = teacher.logit(&example.dense, &rows);
        let p = probability(logit);
        let label = f64::from(u8::from(example.label));
        let sum = &mut sums[split as usize];
        sum[0] += 1.0;
        sum[1] += -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
        sum[2] += -(label * p.ln() + (1.0 - label) * (1.0 - p).ln());
        sum[3] += p * (1.0 - p) * logit * logit;
        chance += p;
        positives += label;
        square += p * (1.0 - p);
    }
    for split in Split::ALL {
        let [rows, entropy, loss, variance] = sums[split as usize];
        let attainable = planted.attainable(split);
        assert_eq!(attainable.rows as f64, rows);
        // The same sums in another form: each term is of order 1 and loses at most a few ulps of |logit| ≤ 40.
        assert!((attainable.bayes_log_loss() - entropy / rows).abs() < 1e-13);
        assert!((attainable.teacher_log_loss() - loss / rows).abs() < 1e-13);
        // The labels are drawn: the loss is the entropy but for chance, five standard errors.
        assert!(
            (loss - entropy).abs() < 5.0 * variance.sqrt(),
            "{split}: {loss} for {entropy} ± {}",
            variance.sqrt()
        );
        assert!(
            attainable.bayes_log_loss() < 0.9 * attainable.base_rate_log_loss(),
            "{split}: nothing to learn"
        );
    }
    assert_eq!(
        Split::ALL.map(|split| planted.attainable(split).rows),
        [32_000, 4000, 4000]
    );
    let rows = 40_000.0;
    assert!(
        (positives - chance).abs() < 5.0 * f64::sqrt(square),
        "{positives} positives for {chance}"
    );
    // The mean probability was set on 8192 other examples; p has a variance below ¼.
    let error = 5.0 * f64::sqrt(0.25 / 8192.0 + 0.25 / rows);
    assert!((chance / rows - 0.3).abs() < error, "{}", chance / rows);
}

#[test]
fn pure_noise_has_the_entropy_of_its_base_rate() {
    let config = PlantedConfig {
        logit_std: 0.0,
        base_rate: 0.25,
        ..small(1000, 0)
    };
    let mut planted = Planted::new(config).expect("good settings");
    while planted
        .next(&mut RawExample::default())
        .expect("planted rows do not fail")
    {}
    let entropy = -0.25 * 0.25f64.ln() - 0.75 * 0.75f64.ln();
    // The bias is stored as f32: half an ulp of ln 3, times the slope p(1−p)·ln 3 of the entropy.
    let tolerance = 2f64.powi(-24) * 0.25 * 0.75 * 3f64.ln();
    assert!((planted.attainable(Split::Test).bayes_log_loss() - entropy).abs() <= tolerance);
    assert_eq!(log_loss(-800.0, 1.0), 800.0);
}

#[test]
fn more_rows_begin_with_the_same_rows_and_platforms_agree() {
    let hash = |rows, seed, take: u64| {
        let mut planted = Planted::new(small(rows, seed)).expect("good settings");
        let mut example = RawExample::default();
        let mut bytes = Vec::new();
        for row in 0..take {
            assert!(planted.next(&mut example).expect("planted rows do not fail"));
            bytes.extend(example.hash(row, 0).to_le_bytes());
            bytes.extend(example.dense.iter().flat_map(|value| value.to_le_bytes()));
        }
        xxhash_rust::xxh3::xxh3_64(&bytes)
    };
    assert_eq!(hash(1000, 5, 500), hash(2000, 5, 500));
    assert_ne!(hash(1000, 5, 500), hash(1000, 6, 500));
    // Pinned: another value on another platform or with another version means that stored results cannot be compared.
    assert_eq!(hash(1000, 5, 1000), 5_864_552_864_008_529_827);
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let message = |change: fn(&mut PlantedConfig)| {
        let mut config = small(100, 0);
        change(&mut config);
        Planted::new(config)
            .err()
            .map(|error: PlantedError| error.to_string())
            .unwrap_or_default()
    };
    assert!(message(|c| c.tables[0].rank = 9).contains("40:9") && message(|c| c.tables[0].rank = 9).contains("= 8"));
    assert!(message(|c| c.tables[1].rank = 0).contains("7:0"));
    assert!(message(|c| c.tables.clear()).contains("tables"));
    assert!(message(|c| c.rows = 3).contains("rows"));
    assert!(message(|c| c.zipf = f64::NAN).contains("zipf"));
    assert!(message(|c| c.base_rate = 1.0).contains("base_rate"));
    assert!(message(|c| c.top_mlp = vec![4, 0]).contains("top_mlp"));
    assert!("geometric:1.5".parse::<Spectrum>().is_err());
    assert!("flat:2".parse::<Spectrum>().is_err());
    assert_eq!("power:1.5".parse(), Ok(Spectrum::Power(1.5)));
    let text = toml::to_string(&small(7, 7)).expect("settings are TOML");
    assert_eq!(
        toml::from_str::<PlantedConfig>(&text).expect("and come back"),
        small(7, 7)
    );
}

fn mlet(arguments: &[&str], directory: &Path) -> Command {
    let mut command = Command::cargo_bin("mlet").expect("the binary is built");
    command.args(arguments).current_dir(directory);
    command
}

/// `split.key` of a TOML file.
fn number(file: &Path, split: &str, key: &str) -> f64 {
    let text = std::fs::read_to_string(file).expect("the file is there");
    let table: toml::Table = text.parse().expect("it is TOML");
    table[split][key].as_float().expect("a number")
}

#[test]
fn mlet_evaluates_the_stored_teacher_to_the_log_loss_that_is_written_down() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = "rows = 3000\nseed = 9\ntables = [\"40:3\", \"900:5\"]\n";
    std::fs::write(directory.path().join("planted.toml"), settings).expect("written");
    for out in ["one", "two"] {
        let arguments = [
            "prepare",
            "planted",
            "--out",
            out,
            "--settings",
            "planted.toml",
            "--zipf",
            "1.3",
        ];
        mlet(&arguments, directory.path()).assert().success();
    }
    for file in ["teacher.safetensors", "teacher.toml", "dataset.toml", "train.arrow"] {
        let read = |out: &str| std::fs::read(directory.path().join(out).join(file)).expect("the file is there");
        assert!(read("one") == read("two"), "{file} differs from run to run");
    }
    let arguments = [
        "evaluate",
        "one/teacher.safetensors",
        "--data",
        "one",
        "--device",
        "cpu",
    ];
    let output = mlet(&arguments, directory.path()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for split in ["validation", "test"] {
        let found = measured[split]["log_loss"].as_f64().expect("a number");
        let stored = number(&directory.path().join("one/teacher.toml"), split, "teacher_log_loss");
        assert!(
            (found - stored).abs() <= F32_LOGIT,
            "{split}: evaluated {found}, stored {stored}"
        );
    }
}
