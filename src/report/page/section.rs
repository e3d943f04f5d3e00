//! The section of a feature: its sentences, what is proved, what could be saved, its rows and its plots.

use serde::Serialize;

use super::extras::{at_99, row_facts};
use super::gallery::{FeaturePlots, NamedPlot};
use crate::report::plots::SERIES;
use crate::report::record::{Feature, Report};
use crate::report::words::{bytes, percent, proof, sentence, thousands};
use crate::spectrum::advice::Advice;

/// One feature.
#[derive(Serialize)]
pub(super) struct Section<'a> {
    anchor: usize,
    feature: &'a str,
    shape: String,
    sentences: Vec<Said<'a>>,
    grids: Vec<Grid>,
    plot: Figure,
    histories: Vec<Figure>,
}

/// A plot and its file.
#[derive(Serialize)]
struct Figure {
    caption: String,
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

/// A small table: a line a fact, a column a model.
#[derive(Serialize)]
struct Grid {
    title: &'static str,
    /// Above the lines' names, then above their cells; empty where one model needs no name.
    header: Vec<String>,
    /// Each begins with its name.
    lines: Vec<Vec<String>>,
}

/// Facts side by side; `–` where a model does not have one.
fn grid(title: &'static str, corner: &str, columns: &[(&str, Vec<(String, String)>)], several: bool) -> Option<Grid> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    for (at, (_, facts)) in columns.iter().enumerate() {
        for (name, value) in facts {
            let known = lines.iter().position(|line| line[0] == *name);
            let line = known.unwrap_or_else(|| {
                let mut line = vec![name.clone()];
                line.resize(columns.len() + 1, "–".into());
                lines.push(line);
                lines.len() - 1
            });
            lines[line][at + 1] = value.clone();
        }
    }
    let names = columns.iter().map(|(model, _)| (*model).to_string());
    let header = if several {
        std::iter::once(corner.to_string()).chain(names).collect()
    } else {
        Vec::new()
    };
    (!lines.is_empty()).then_some(Grid { title, header, lines })
}

/// d' and bytes for each share of the energy.
fn advice(f: &Feature) -> Vec<(String, String)> {
    let line = |a: &Advice| {
        let text = match a.bytes_saved {
            0 => "–".to_string(),
            saved => format!("d' {}, saves {}", thousands(a.rank), bytes(saved)).replace("d' ", "d'\u{a0}"),
        };
        (percent(a.energy).replace(' ', "\u{a0}"), text)
    };
    f.advice.iter().map(line).collect()
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
pub(super) fn section<'a>(report: &'a Report, anchor: usize, name: &'a str, plots: &FeaturePlots) -> Section<'a> {
    let several = report.models.len() > 1;
    let mut shapes: Vec<String> = Vec::new();
    let (mut sentences, mut narrower, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (place, model, f) in report.of_feature(name) {
        let shape = shape(f);
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
        let saving = at_99(f).map(|a| (a.rank, a.bytes_saved));
        let model = several.then_some(model.name.as_str());
        sentences.push(Said {
            model,
            place: place % SERIES.len(),
            text: sentence(f, saving),
            proof: proof(&f.spectrum),
        });
        narrower.push((model.unwrap_or(""), advice(f)));
        rows.push((model.unwrap_or(""), row_facts(f)));
    }
    let grids = [
        grid("How narrow it could be", "of the energy", &narrower, several),
        grid("Its rows", "rows", &rows, several),
    ];
    // Read aloud, the plot is its sentences.
    let spoken: Vec<String> = sentences
        .iter()
        .map(|s| s.model.map_or(s.text.clone(), |m| format!("{m}: {}", s.text)))
        .collect();
    Section {
        anchor,
        feature: name,
        shape: shapes.join("; "),
        plot: figure(&plots.spectra, String::new(), &spoken.join(" ")),
        histories: histories(report, name, plots),
        sentences,
        grids: grids.into_iter().flatten().collect(),
    }
}

/// σ over steps, a figure a model that was watched.
fn histories(report: &Report, feature: &str, plots: &FeaturePlots) -> Vec<Figure> {
    let of = |(place, plot): &(usize, NamedPlot)| {
        let looks = report.of_feature(feature).find(|(at, ..)| at == place);
        let (_, model, f) = looks?;
        let looks = f.history.as_ref()?;
        let name = if report.models.len() > 1 {
            format!("{}: ", model.name)
        } else {
            String::new()
        };
        let [first, last] = [looks.first()?, looks.last()?];
        let caption = format!("{name}σ over the steps of training");
        let spoken = format!(
            "{caption}: effective rank {:.1} at step {}, {:.1} at step {}.",
            first.effective_rank,
            thousands(first.step as usize),
            last.effective_rank,
            thousands(last.step as usize)
        );
        Some(figure(plot, caption, &spoken))
    };
    plots.histories.iter().filter_map(of).collect()
}

fn figure(plot: &NamedPlot, caption: String, spoken: &str) -> Figure {
    Figure {
        caption,
        svg: labelled(&plot.plot.svg, spoken),
        png: format!("plots/{}.png", plot.name),
    }
}

/// An `<svg>` with a text for those who do not see it.
fn labelled(svg: &str, label: &str) -> String {
    let label = label.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1)
}
