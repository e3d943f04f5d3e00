//! What a run knows of its tables beyond their values: how they began, how often each row was used, and their singular values
//! while it trained.

use std::io::BufRead;
use std::path::Path;

use crate::data::dataset::Dataset;
use crate::model::config::Config;
use crate::spectrum::table::{Factor, Table};
use crate::train::initialize::initial_factors;
use crate::train::run::{Line, RunFolder};
use crate::train::spectra::Snapshot;

/// Fills [`Table::initial`] and [`Table::frequencies`] of the tables of the run in `folder`, from its `config.toml` and the
/// data set it was trained on. Gives a note for each thing that cannot be had; the report goes on without it.
pub fn join(folder: &Path, tables: &mut [Table]) -> Vec<String> {
    let path = folder.join("config.toml");
    let config = match Config::load(&path) {
        Ok(config) => config,
        Err(error) => {
            return vec![format!(
                "The start and the row frequencies are not known: {}.",
                chain(&error)
            )];
        }
    };
    let mut notes = Vec::new();
    for table in tables.iter_mut() {
        let initial = match initial_factors(&config, &table.name, table.num_embeddings()) {
            Ok(initial) => initial,
            Err(error) => {
                notes.push(format!("The start of {} is not known: {error}.", table.name));
                continue;
            }
        };
        let shapes = initial.iter().map(|f| f.dim());
        // A checkpoint of another shape than its config.toml says was not written by this run.
        if shapes.eq(table.factors.iter().map(|f| (f.rows(), f.cols()))) {
            let factors = initial.into_iter().zip(&table.factors);
            table.initial = Some(factors.map(|(values, f)| Factor::f32(f.name.clone(), values)).collect());
        } else {
            notes.push(format!(
                "The start of {} is not known: config.toml describes factors of another shape.",
                table.name
            ));
        }
    }
    // A relative path is read from where the command runs, as `mlet train` read it.
    match Dataset::open(&config.data) {
        Err(error) => notes.push(format!("Row frequencies are not known: {}.", chain(&error))),
        Ok(dataset) => notes.extend(tables.iter_mut().filter_map(|table| frequencies(&dataset, table))),
    }
    notes
}

/// The looks of `mlet train --spectrum-every` in the run's `metrics.jsonl`, in its order; none where it did not look, or where
/// there is no such file. What is no line of the log, as the last one of a run that still writes, is passed over.
pub fn snapshots(folder: &Path) -> Vec<Snapshot> {
    let Ok(file) = std::fs::File::open(RunFolder(folder.to_path_buf()).metrics()) else {
        return Vec::new();
    };
    let lines = std::io::BufReader::new(file).lines().map_while(Result::ok);
    let looks = lines.filter_map(|line| match serde_json::from_str::<Line>(&line) {
        Ok(Line::Spectrum(snapshot)) => Some(snapshot),
        _ => None,
    });
    looks.collect()
}

/// Fills in one table's frequencies; a note where they cannot be had.
fn frequencies(dataset: &Dataset, table: &mut Table) -> Option<String> {
    match dataset.frequencies(&table.name) {
        Ok(counts) if counts.len() == table.num_embeddings() => {
            table.frequencies = Some(counts);
            None
        }
        Ok(counts) => Some(format!(
            "Row frequencies of {} are not known: the data set has {} rows for it, the table {}.",
            table.name,
            counts.len(),
            table.num_embeddings()
        )),
        Err(error) => Some(format!(
            "Row frequencies of {} are not known: {}.",
            table.name,
            chain(&error)
        )),
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text += &format!(": {next}");
        }
        cause = error.source();
    }
    text
}
