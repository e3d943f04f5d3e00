//! The section of a feature: its sentences, what is proved, what could be saved, its rows and its plots.

use serde::Serialize;

use super::extras::{Extras, at_99};
use super::gallery::NamedPlot;
use crate::report::plots::SERIES;
use crate::report::record::{Feature, Report};
use crate::report::words::{bytes, percent, proof, sentence, thousands};

/// One feature.
#[derive(Serialize)]
pub(super) struct Section<'a> {
    anchor: usize,
    feature: &'a str,
    shape: String,
    sentences: Vec<Said<'a>>,
    advice: Vec<Kept>,
    rows: Vec<Facts<'a>>,
    svg: String,
    png: String,
}

/// A sentence about one model.
#[derive(Serialize)]
struct Said<'a> {
    model: Option<&'a str>,
    place: usize,
    text: String,
    proof: String,
}

/// A line of advice.
#[derive(Serialize)]
struct Kept {
    model: Option<String>,
    energy: String,
    rank: String,
    bytes: String,
    saved: String,
}

/// Row statistics of one model.
#[derive(Serialize)]
struct Facts<'a> {
    model: Option<&'a str>,
    lines: Vec<(String, String)>,
}

/// `30,000 × 8`, with its factors where there are several.
fn shape(f: &Feature) -> String {
    match (f.inner_dim, f.depth) {
        (Some(k), 2) => format!("{} × {k} · {k} × {}", thousands(f.n), f.d),
        (Some(k), depth) => format!("{} × {} in {depth} factors of width {k}", thousands(f.n), f.d),
        (None, _) => format!("{} × {}", thousands(f.n), f.d),
    }
}

/// The section of the feature called `name`.
pub(super) fn section<'a>(report: &'a Report, anchor: usize, name: &'a str, plot: &NamedPlot) -> Section<'a> {
    let several = report.models.len() > 1;
    let mut shapes: Vec<String> = Vec::new();
    let (mut sentences, mut advice, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (place, model, f) in report.of_feature(name) {
        let shape = shape(f);
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
        let extras = Extras::of(f);
        let saving = at_99(f).map(|a| (a.rank, a.bytes_saved));
        let model = several.then_some(model.name.as_str());
        sentences.push(Said {
            model,
            place: place % SERIES.len(),
            text: sentence(f, saving),
            proof: proof(&f.spectrum),
        });
        advice.extend(f.advice.iter().map(|a| Kept {
            model: model.map(String::from),
            energy: percent(a.energy).replace(' ', "\u{a0}"),
            rank: thousands(a.rank),
            bytes: bytes(a.bytes),
            saved: if a.bytes_saved > 0 {
                bytes(a.bytes_saved)
            } else {
                "–".into()
            },
        }));
        let lines = extras.rows();
        if !lines.is_empty() {
            rows.push(Facts { model, lines });
        }
    }
    // Read aloud, the plot is its sentences.
    let spoken: Vec<String> = sentences
        .iter()
        .map(|s| s.model.map_or(s.text.clone(), |m| format!("{m}: {}", s.text)))
        .collect();
    Section {
        anchor,
        feature: name,
        shape: shapes.join("; "),
        svg: labelled(&plot.plot.svg, &spoken.join(" ")),
        png: format!("plots/{}.png", plot.name),
        sentences,
        advice,
        rows,
    }
}

/// An `<svg>` with a text for those who do not see it.
fn labelled(svg: &str, label: &str) -> String {
    let label = label.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1)
}
