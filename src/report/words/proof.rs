//! What the intervals prove, in words.

use super::{thousands, three_digits};
use crate::report::record::{Report, Spectrum};
use crate::spectrum::Route;

/// The widest of a spectrum's intervals: the greatest distance of a value to an end of its interval, divided by σ₁. None where
/// there is no interval or all values are zero.
fn widest(spectrum: &Spectrum) -> Option<f64> {
    let first = spectrum.singular_values.first().copied().filter(|s| *s > 0.0)?;
    let pairs = spectrum.singular_values.iter().zip(&spectrum.intervals);
    let off = pairs.map(|(s, interval)| (interval.hi - s).max(s - interval.lo));
    off.reduce(f64::max).map(|worst| worst / first)
}

/// What is proved of one spectrum, and what is not decided; empty where nothing is known.
pub fn proof(spectrum: &Spectrum) -> String {
    let Some(worst) = widest(spectrum) else {
        return String::new();
    };
    let passes = match spectrum.route {
        Route::Gram => "one pass",
        Route::Exact => "sums without rounding",
        Route::Rotated => "two passes",
        Route::Qr => "by QR",
    };
    let mut text = format!(
        "Every σᵢ is proved to within {}\u{a0}σ₁ ({passes}).",
        three_digits(worst)
    );
    for (tau, count) in &spectrum.measures.ranks_at {
        if count.number().is_none() {
            let percent = 100.0 * tau;
            text += &format!(" How many lie above {percent}\u{a0}% of σ₁, {count}, the intervals do not decide.");
        }
    }
    if let Some(exact) = &spectrum.exact {
        text += &format!(" {}", exact.sentence(spectrum.singular_values.len()));
    }
    text
}

/// What is proved of all tables.
pub fn proof_of_all(report: &Report) -> Option<String> {
    let spectra = || report.models.iter().flat_map(|m| &m.features).map(|f| &f.spectrum);
    let worst = spectra().filter_map(widest).reduce(f64::max)?;
    let values: usize = spectra().map(|s| s.intervals.len()).sum();
    Some(format!(
        "Each of the {} singular values lies in a proved interval, at most {}\u{a0}σ₁ to either side; the intervals are in the data \
         files. A count that they do not decide is shown as a range.",
        thousands(values),
        three_digits(worst)
    ))
}
