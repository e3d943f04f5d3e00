//! A study of time: what it writes.

use super::common::{fail, succeed, text};
use serde_json::Value;
use std::fs;

const PLAN: &str = r#"
title = "Time"
question = "How long?"
[runtime]
shape = "avazu"
cap = 50
rounds = 3
seconds = 0.1
[base]
model.bottom_mlp = [8]
model.top_mlp = [8]
training.batch_size = 8
[[arms]]
name = "single <4>"
model.embedding_dim = 4
[[arms]]
name = "two layers (6, 4)"
model = { embedding_dim = 4, inner_dim = 6 }
"#;

#[test]
fn a_study_of_time_writes_its_tables_and_its_page() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.toml"), PLAN).unwrap();
    let said = succeed(&["study", text(directory.path()), "--device", "cpu"]);
    let out = directory.path().join("results");
    let read = |name: &str| fs::read_to_string(out.join(name)).expect(name);
    let json: Value = serde_json::from_str(&read("results.json")).unwrap();
    let arms = json["arms"].as_array().unwrap();
    let ratio = arms[1]["median_ms"].as_f64().unwrap() / arms[0]["median_ms"].as_f64().unwrap();
    assert!((arms[1]["ratio"]["of_medians"].as_f64().unwrap() / ratio - 1.0).abs() < 1e-9);
    assert!(arms[0]["ratio"].is_null());
    let mut csv = csv::Reader::from_path(out.join("results.csv")).unwrap();
    let lines: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(&lines[1][10], "single <4>");
    assert_eq!(lines[1][2].parse::<f64>().ok(), arms[1]["median_ms"].as_f64());
    let (markdown, page) = (read("results.md"), read("report.html"));
    let shown = format!("{ratio:.3}");
    for (name, document) in [("stdout", &said), ("results.md", &markdown), ("report.html", &page)] {
        for part in ["two layers (6, 4)", "How long?", shown.as_str(), "linear forward"] {
            let not_there = name == "stdout" && part == "linear forward";
            assert!(document.contains(part) || not_there, "{part:?} is missing in {name}");
        }
    }
    assert!(
        page.contains("single &lt;4&gt;") && !page.contains("single <4>"),
        "a name is not escaped"
    );
    assert!(page.contains("<svg") && page.contains("plots/step-time.png"));
    assert!(
        fs::read(out.join("plots/step-time.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    for link in page.split("href=\"").skip(1) {
        let target = link.split('"').next().unwrap();
        assert!(
            target.starts_with('#') || out.join(target).exists(),
            "{target} is not there"
        );
    }
}

#[test]
fn a_wrong_plan_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("plan.toml"),
        PLAN.replace("rounds = 3", "runden = 3"),
    )
    .unwrap();
    let said = fail(&["study", text(directory.path()), "--device", "cpu"]);
    assert!(said.contains("plan.toml") && said.contains("runden"), "{said}");
}
