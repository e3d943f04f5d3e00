//! Small multiples: the spectrum of every feature in a few hundred bytes of SVG, all on one scale.

use std::fmt::Write as _;

use serde::Serialize;

use crate::report::plots::SERIES;
use crate::report::record::Report;
use crate::report::words::thousands;

/// The picture's size; it is stretched to its box.
const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 50.0;
/// σᵢ/σ₁ at the lower edge; smaller ones lie on it.
const FLOOR: f64 = 1e-4;

/// One feature.
#[derive(Serialize)]
pub(super) struct Small<'a> {
    anchor: usize,
    feature: &'a str,
    /// `2 of 8`, of several models `2, 3 of 8`, of several widths `2/8, 9/64`.
    carry: String,
    svg: String,
}

/// Every feature's spectra, in the order of `names`.
pub(super) fn multiples<'a>(report: &'a Report, names: &[&'a str]) -> Vec<Small<'a>> {
    let tau = report.taus.first().copied().unwrap_or(0.01);
    names
        .iter()
        .enumerate()
        .map(|(anchor, name)| Small {
            anchor,
            feature: name,
            carry: carry(report, name),
            svg: picture(report, name, tau),
        })
        .collect()
}

fn carry(report: &Report, name: &str) -> String {
    let of = |(_, _, f): (usize, _, &crate::report::record::Feature)| {
        (f.spectrum.measures.energy_dim_99, f.spectrum.singular_values.len())
    };
    let counts: Vec<(usize, usize)> = report.of_feature(name).map(of).collect();
    let (_, widest) = counts.iter().copied().max_by_key(|c| c.1).unwrap_or_default();
    if counts.iter().all(|c| c.1 == widest) {
        let parts: Vec<String> = counts.iter().map(|c| thousands(c.0)).collect();
        format!("{} of {}", parts.join(", "), thousands(widest))
    } else {
        let part = |c: &(usize, usize)| format!("{}/{}", thousands(c.0), thousands(c.1));
        counts.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

/// Points below the floor lie on it; zeros end a line.
fn picture(report: &Report, name: &str, tau: f64) -> String {
    let y = |ratio: f64| HEIGHT * (ratio.max(FLOOR).log10() / FLOOR.log10());
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let _ = write!(svg, "<path class=\"guide\" d=\"M0 {0:.1}H{WIDTH}\"/>", y(tau));
    let longest = report
        .of_feature(name)
        .map(|(_, _, f)| f.spectrum.singular_values.len())
        .max();
    let last = longest.unwrap_or(0).saturating_sub(1).max(1) as f64;
    for (place, _, feature) in report.of_feature(name) {
        let sigma = &feature.spectrum.singular_values;
        let first = sigma.first().copied().unwrap_or(0.0);
        let _ = write!(svg, "<path class=\"line-{}\" d=\"", place % SERIES.len());
        for (i, s) in sigma.iter().enumerate().take_while(|(_, s)| **s > 0.0) {
            let letter = if i == 0 { "M" } else { " " };
            let _ = write!(svg, "{letter}{:.1} {:.1}", WIDTH * i as f64 / last, y(s / first));
        }
        // A single direction is a dot: with round caps, a line of no length.
        svg += if sigma.len() == 1 && first > 0.0 {
            "h0\"/>"
        } else {
            "\"/>"
        };
    }
    svg + "</svg>"
}
