//! What a feature's record holds beyond its spectra: advice and row statistics.

use crate::report::record::{Feature, Spectrum};
use crate::report::words::{percent, thousands, three_digits};
use crate::spectrum::advice::Advice;

/// The advice at 99 % of the energy.
pub(super) fn at_99(feature: &Feature) -> Option<&Advice> {
    feature.advice.iter().find(|a| a.energy == 0.99)
}

/// Bytes of the table as it is stored.
pub(super) fn stored(feature: &Feature) -> Option<u64> {
    feature.advice.first().map(|a| a.bytes + a.bytes_saved)
}

/// What the rows are like, as (what, how much); empty where that was not asked for.
pub(super) fn row_facts(feature: &Feature) -> Vec<(String, String)> {
    let Some(rows) = &feature.row_statistics else {
        return Vec::new();
    };
    let mut facts = Vec::new();
    let norm = |share: f64| {
        rows.norms
            .iter()
            .find(|q| q.share == share)
            .map(|q| three_digits(q.norm))
    };
    if let (Some(low), Some(middle), Some(high)) = (norm(0.05), norm(0.5), norm(0.95)) {
        facts.push((
            "median norm (5\u{a0}% – 95\u{a0}%)",
            format!("{middle} ({low} – {high})"),
        ));
    }
    let count = |x: u64| thousands(x as usize);
    facts.push(("zero", count(rows.zero_rows)));
    let counts = [
        ("as before training", rows.initial_rows),
        ("not in the training data", rows.unused_rows),
        ("neither used nor changed", rows.unused_initial_rows),
    ];
    facts.extend(counts.into_iter().filter_map(|(name, x)| Some((name, count(x?)))));
    let duplicates = &rows.duplicates;
    let repeated = count(duplicates.repeated_rows);
    facts.push(match duplicates.exact {
        true => ("repeat another", repeated),
        false => {
            let error = three_digits(duplicates.standard_error);
            ("repeat another", format!("about {repeated} (standard error {error})"))
        }
    });
    if let Some(share) = rows.centre_share {
        facts.push(("energy in their mean", percent(share * share).replace(' ', "\u{a0}")));
    }
    let rank = |s: &Spectrum| {
        let (m, all) = (&s.measures, s.singular_values.len());
        format!("{} ({} of {all})", three_digits(m.effective_rank), m.energy_dim_99)
    };
    let spectra = [
        (
            "effective rank (99\u{a0}% of energy) without the mean",
            &feature.centred,
        ),
        (
            "effective rank (99\u{a0}% of energy) weighted by use",
            &feature.weighted,
        ),
    ];
    facts.extend(
        spectra
            .into_iter()
            .filter_map(|(name, s)| Some((name, rank(s.as_ref()?)))),
    );
    facts
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect()
}
