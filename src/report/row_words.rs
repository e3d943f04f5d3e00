//! What is worth saying of a table's rows, in words.

use super::record::Feature;
use super::words::{percent, thousands};

/// From this share of the rows on they are worth a sentence.
const MANY: f64 = 0.01;
/// From this share of the root mean square norm on the mean row is worth one: a quarter of the energy.
const CENTRE: f64 = 0.5;

/// Sentences on rows that are zero, were never trained or repeat others, and on a mean or a use that changes the picture; none
/// where there is nothing to act on.
pub fn sentences(feature: &Feature) -> Vec<String> {
    let Some(rows) = &feature.row_statistics else {
        return Vec::new();
    };
    let mut said = Vec::new();
    let many = |count: u64| count > 0 && count as f64 >= MANY * rows.rows as f64;
    let of_all = |count: u64| {
        format!(
            "{} of {} rows",
            thousands(count as usize),
            thousands(rows.rows as usize)
        )
    };
    if many(rows.zero_rows) {
        said.push(format!("{} are zero.", of_all(rows.zero_rows)));
    }
    match (rows.unused_initial_rows, rows.initial_rows) {
        (Some(count), _) if many(count) => said.push(format!(
            "{} do not occur in the training data and are as they began.",
            of_all(count)
        )),
        (None, Some(count)) if many(count) => said.push(format!("{} are as they began.", of_all(count))),
        _ => {}
    }
    if let (Some(unused), Some(initial)) = (rows.unused_initial_rows, rows.initial_rows)
        && many(initial.saturating_sub(unused))
    {
        said.push(format!(
            "{} occur in the training data and are still as they began.",
            of_all(initial - unused)
        ));
    }
    let duplicates = &rows.duplicates;
    // Zero rows have been said.
    let repeated = duplicates
        .repeated_rows
        .saturating_sub(rows.zero_rows.saturating_sub(1));
    if many(repeated) {
        let about = if duplicates.exact { "" } else { "About " };
        let text = format!("{about}{} repeat another.", of_all(repeated));
        said.push(match rows.zero_rows {
            0 => text,
            _ => text.replace("another.", "another that is not zero."),
        });
    }
    let dims = |spectrum: &super::record::Spectrum| spectrum.measures.energy_dim_99;
    let carry = |r: usize| {
        if r == 1 {
            "direction carries"
        } else {
            "directions carry"
        }
    };
    if let (Some(share), Some(centred)) = (rows.centre_share, &feature.centred)
        && share >= CENTRE
    {
        let rest = match dims(centred) {
            0 => "nothing is left without it".to_string(),
            r => format!("without it {r} {} 99 % of what is left", carry(r)),
        };
        said.push(format!(
            "The mean row holds {} of the energy; {rest}.",
            percent(share * share)
        ));
    }
    if let Some(weighted) = &feature.weighted
        && dims(weighted) != dims(&feature.spectrum)
        && dims(weighted) > 0
    {
        let r = dims(weighted);
        said.push(format!("With rows weighted by their use {r} {} 99 %.", carry(r)));
    }
    // A number stays with its unit.
    said.into_iter().map(|text| text.replace(" %", "\u{a0}%")).collect()
}
