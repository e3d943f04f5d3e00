//! The history of a run in every form of the report.

use super::common::{succeed, text};
use super::{flights, looks, train};
use std::path::Path;

fn report(runs: &[&Path], out: &Path) -> String {
    let inputs: Vec<&str> = runs.iter().map(|run| text(run)).collect();
    succeed(&[&["spectrum"][..], &inputs, &["--out", text(out)]].concat());
    std::fs::read_to_string(out.join("report.html")).unwrap()
}

#[test]
fn is_told_in_json_csv_parquet_and_on_the_page() {
    let directory = tempfile::tempdir().unwrap();
    flights(directory.path());
    let run = train(
        directory.path(),
        "run",
        "--inner-dim 8 --max-steps 20 --spectrum-every 10",
    );
    let out = directory.path().join("out");
    let page = report(&[&run], &out);
    let looks = looks(&run);
    assert_eq!(looks.len(), 33);

    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("spectrum.json")).unwrap()).unwrap();
    let features = json["features"].as_array().unwrap();
    let mut rows = csv::Reader::from_path(out.join("singular_values.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    for feature in features {
        let name = feature["name"].as_str().unwrap();
        let own: Vec<_> = looks.iter().filter(|look| look.feature == name).collect();
        assert_eq!(feature["history"], serde_json::to_value(&own).unwrap(), "{name}");
        let training = rows.iter().filter(|row| &row[1] == name && &row[2] == "training");
        let found: Vec<(u64, f64)> = training
            .map(|row| (row[3].parse().unwrap(), row[5].parse().unwrap()))
            .collect();
        let of = |look: &&mlet::train::spectra::Snapshot| {
            look.singular_values.iter().map(|&s| (look.step, s)).collect::<Vec<_>>()
        };
        assert_eq!(found, own.iter().flat_map(of).collect::<Vec<_>>(), "{name}");
        let table = rows.iter().filter(|row| &row[1] == name && &row[2] == "table");
        let found: Vec<f64> = table.map(|row| row[5].parse().unwrap()).collect();
        assert_eq!(serde_json::json!(found), feature["singular_values"], "{name}");
        assert!(out.join(format!("plots/{name}.history.png")).exists(), "{name}");
    }
    let figures = page.matches("σ over the steps of training</figcaption>").count();
    assert_eq!(figures, features.len());
    assert_eq!(history_rows(&out.join("spectrum.parquet")), looks.len());
}

/// All looks in the column `history`.
fn history_rows(path: &Path) -> usize {
    use arrow_array::{Array, cast::AsArray};
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let batches = reader.build().unwrap().map(Result::unwrap);
    let lists = batches.map(|batch| batch.column_by_name("history").unwrap().as_list::<i32>().values().len());
    lists.sum()
}

#[test]
fn is_one_figure_a_model_that_was_watched() {
    let directory = tempfile::tempdir().unwrap();
    flights(directory.path());
    let run = |name: &str, more: &str| train(directory.path(), name, &format!("--max-steps 4 {more}"));
    let runs = [
        run("plain", ""),
        run("watched", "--spectrum-every 2"),
        run("also", "--inner-dim 8 --spectrum-every 4"),
    ];
    let page = report(&[&runs[0], &runs[1], &runs[2]], &directory.path().join("out"));
    assert_eq!(
        page.matches("watched: σ over the steps of training</figcaption>")
            .count(),
        11
    );
    assert_eq!(
        page.matches("also: σ over the steps of training</figcaption>").count(),
        11
    );
    assert_eq!(page.matches("plain: σ over").count(), 0);
    assert!(directory.path().join("out/plots/carrier.history-2.png").exists());
    // A run that nobody watched has no history, which is not an empty one.
    let json = std::fs::read_to_string(directory.path().join("out/spectrum.json")).unwrap();
    assert_eq!(json.matches("\"history\": null").count(), 11);
}
