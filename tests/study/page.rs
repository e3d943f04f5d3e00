//! The report of a study: the page, its plots, the planted ranks.

use std::collections::HashMap;
use std::fs;

use super::{PLAN, Study, cell};

/// The lines of a CSV file as maps.
fn lines(study: &Study, file: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(study.path(file)).expect(file);
    reader.deserialize().map(|line| line.expect("a line")).collect()
}

#[test]
fn the_page_says_what_the_table_says() {
    let study = Study::new(&PLAN.replace("two layers (6, 4)", "two <layers> & \\\"more\\\""));
    study.succeeds();
    let page = fs::read_to_string(study.path("report.html")).unwrap();
    assert!(page.contains("<h1>Small</h1>") && page.contains("Does it run?"));
    assert!(!page.contains("two <layers>"), "a name is not escaped");
    assert!(
        page.contains("two &lt;layers&gt; &amp; &quot;more&quot;"),
        "a name is missing"
    );
    // Every mean of the table, and every difference.
    let json: serde_json::Value = serde_json::from_slice(&fs::read(study.path("results.json")).unwrap()).unwrap();
    for arm in json["arms"].as_array().unwrap() {
        for metric in ["test.log_loss", "test.auc"] {
            let mean = arm["metrics"][metric]["mean"].as_f64().unwrap();
            assert!(
                page.contains(&format!("{mean:.5} ±")),
                "{metric} of {} is missing",
                arm["name"]
            );
        }
    }
    for name in ["validation-log_loss", "test-log_loss", "validation-auc", "test-auc"] {
        let file = format!("plots/study-{name}.png");
        assert!(page.contains(&file), "{file} is not linked");
        assert!(fs::read(study.path(&file)).unwrap().starts_with(b"\x89PNG"));
    }
    // Nothing is fetched, and every link stands beside the page.
    for link in page.split("href=\"").skip(1).chain(page.split("src=\"").skip(1)) {
        let target = link.split('"').next().unwrap();
        assert!(
            target.starts_with('#') || study.path(target).exists(),
            "{target} is not there"
        );
    }
    assert!(!page.contains("url(") && !page.contains("@import"));
}

#[test]
fn planted_ranks_stand_beside_what_was_measured() {
    let study = Study::new(PLAN);
    study.succeeds();
    let ranks = lines(&study, "ranks.csv");
    assert_eq!(ranks.len(), 2 * 2 * 2, "arms, seeds, tables");
    let spectra = lines(&study, "spectrum.csv");
    assert_eq!(spectra.len(), 2 * 2, "arms and tables of the first seed");
    for spectrum in &spectra {
        let same = |rank: &&HashMap<String, String>| {
            rank["arm"] == spectrum["model"] && rank["feature"] == spectrum["feature"] && rank["seed"] == "0"
        };
        let rank = ranks.iter().find(same).expect("a line of ranks.csv");
        for (of, also) in [
            ("effective_rank", "effective_rank"),
            ("energy_dim_0.99", "energy_dim_0.99"),
            ("rank_at_0.01", "rank_at_0.01"),
            ("initial_effective_rank", "initial_effective_rank"),
            ("frequent_rows", "frequent_rows"),
            ("frequent_effective_rank", "frequent_effective_rank"),
        ] {
            assert_eq!(
                rank[of], spectrum[also],
                "{of} of {} in {}",
                rank["feature"], rank["arm"]
            );
        }
    }
    let planted = |feature: &str| ranks.iter().find(|rank| rank["feature"] == feature).unwrap()["planted_rank"].clone();
    assert_eq!([planted("C1"), planted("C2")], ["2", "3"]);
    let markdown = fs::read_to_string(study.path("ranks.md")).unwrap();
    assert!(markdown.contains("the planted one"), "{markdown}");
}

#[test]
fn real_data_have_no_planted_ranks() {
    let study = Study::new(PLAN);
    study.succeeds();
    // The same rows without their truth: as prepared data from elsewhere are.
    fs::rename(study.path("data"), study.0.path().join("mine")).unwrap();
    fs::remove_file(study.0.path().join("mine/teacher.toml")).unwrap();
    fs::remove_file(study.path("ranks.csv")).unwrap();
    let data = "kind = \"planted\"\nrows = 2000\ntables = [\"10:2\", \"50:3\"]";
    study.plan(&PLAN.replace(data, "path = \"mine\""));
    let said = study.succeeds();
    assert!(said.contains("4 of 4 runs are done already"), "{said}");
    assert!(!study.path("ranks.csv").exists());
    assert!(study.csv()[0].iter().all(|(name, _)| !name.contains("bayes")));
    assert_eq!(cell(&study.csv()[0], "arm"), "single");
}
