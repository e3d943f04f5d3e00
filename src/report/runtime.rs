//! A study of time on disk: tables, the plot, and a page of its own.

use std::path::{Path, PathBuf};

use super::page::{self, PageError, Preface};
use super::plots::{TimePoint, times};
use super::run::{ReportError, replace};
use super::study::{Drawn, View, part, preface, write_csv};
use crate::study::runtime::{self, RuntimeResults};

/// Where the plot lies.
const PLOT: &str = "plots/step-time.png";

/// Writes `results.csv`, `results.json`, `results.md`, `plots/step-time.png` and `report.html` into `out`; gives the page's
/// path.
///
/// # Errors
/// [`ReportError`].
pub fn write(results: &RuntimeResults, out: &Path) -> Result<PathBuf, ReportError> {
    write_csv(&out.join("results.csv"), results.csv())?;
    replace(&out.join("results.json"), results.json().as_bytes())?;
    replace(&out.join("results.md"), runtime::document(results).as_bytes())?;
    let folder = out.join("plots");
    std::fs::create_dir_all(&folder).map_err(|source| ReportError::Write { path: folder, source })?;
    let points: Vec<TimePoint> = results.arms.iter().map(point).collect();
    let plot = times("Time of a training step", &points).map_err(PageError::from)?;
    replace(&out.join(PLOT), &plot.png)?;
    let mut parts = vec![part(
        "The arms",
        true,
        runtime::arms(results),
        Vec::new(),
        runtime::remarks(results),
    )];
    if let Some(operations) = runtime::operations(results) {
        let said = "Medians of steps in which every operation is timed by itself, apart from the steps above.";
        parts.push(part(
            "Where the time goes",
            false,
            operations,
            Vec::new(),
            vec![said.into()],
        ));
    }
    let view = View {
        question: &results.question,
        sentences: runtime::sentences(results),
        parts,
        plots: vec![Drawn {
            title: "Time of a training step".into(),
            sentence:
                "The dot is the median, the bar goes from the 10th to the 90th percentile; the grey mark is the floor."
                    .into(),
            svg: &plot.svg,
            png: PLOT.into(),
        }],
        num_series: super::plots::SERIES.len(),
        closing: "Every arm is in <a href=\"results.csv\">results.csv</a>; every round and every operation in <a \
                  href=\"results.json\">results.json</a>.",
    };
    let html = page::alone(&Preface {
        title: results.title.clone(),
        html: preface(view)?,
        heading: String::new(),
    })?;
    let path = out.join("report.html");
    replace(&path, html.as_bytes())?;
    Ok(path)
}

fn point(arm: &runtime::ArmTime) -> TimePoint {
    let times = &arm.step.times;
    TimePoint {
        name: arm.name.clone(),
        median: times.median_ms,
        p10: times.p10_ms,
        p90: times.p90_ms,
        floor: arm.step.floor_ms,
    }
}
