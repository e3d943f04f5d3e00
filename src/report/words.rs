//! Numbers in words.

use super::record::{Feature, Report, Spectrum};

mod proof;

pub use proof::{proof, proof_of_all};

/// `1204` → `1,204`.
pub fn thousands(x: usize) -> String {
    let digits = x.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// Three digits: `2.94`, `61.2`, `1,204`, `3.1e7`.
pub fn three_digits(x: f64) -> String {
    let size = x.abs();
    match size {
        0.0 => "0".into(),
        _ if !(0.00995..999_999.5).contains(&size) => {
            let text = format!("{x:.1e}");
            text.replace(".0e", "e")
        }
        _ if size >= 999.5 => {
            let sign = if x < 0.0 { "−" } else { "" };
            format!("{sign}{}", thousands(size.round() as usize))
        }
        _ if size >= 99.95 => format!("{x:.0}"),
        _ if size >= 9.995 => format!("{x:.1}"),
        _ if size >= 0.0995 => format!("{x:.2}"),
        _ => format!("{x:.3}"),
    }
}

/// A share in percent: `97 %`, `99.8 %`, `0.4 %`; never 100 % or 0 % by rounding alone.
pub fn percent(share: f64) -> String {
    let p = 100.0 * share;
    let digits = [0, 1, 2].into_iter().find(|&digits| {
        let rounded = format!("{p:.digits$}").parse::<f64>().unwrap_or(p);
        p == 0.0 || p == 100.0 || (rounded > 0.0 && rounded < 100.0 && (p > 1.0 || digits > 0))
    });
    match digits {
        Some(digits) => format!("{p:.digits$} %"),
        None if p < 50.0 => "under 0.01 %".into(),
        None => "over 99.99 %".into(),
    }
}

/// Bytes in decimal units: `812 B`, `6.1 MB`.
pub fn bytes(x: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let mut size = x as f64;
    let mut unit = "B";
    for larger in UNITS {
        // What would be rounded to 1,000 goes to the larger unit.
        if size < 999.5 {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    let digits = usize::from(unit != "B" && size < 99.95);
    format!("{size:.digits$}\u{a0}{unit}")
}

/// A difference with its sign: `+1.20`, `−3.40`, `0`.
pub fn signed(x: f64) -> String {
    match three_digits(x.abs()) {
        zero if zero == "0" => zero,
        size if x < 0.0 => format!("−{size}"),
        size => format!("+{size}"),
    }
}

/// `2 of 8`.
fn carry(spectrum: &Spectrum) -> String {
    format!(
        "{}\u{a0}of\u{a0}{}",
        spectrum.measures.energy_dim_99,
        spectrum.singular_values.len()
    )
}

/// What the plot of one feature of one model shows; `saving` is the narrowest d' that keeps 99 % of the energy and the bytes that
/// it saves.
pub fn sentence(feature: &Feature, saving: Option<(usize, u64)>) -> String {
    let end = &feature.spectrum;
    let frequent = feature.frequent.as_ref();
    let mut text = match (end.singular_values.first(), end.measures.energy_dim_99) {
        (None | Some(0.0), _) => "Every entry is zero: there is no direction at all".to_string(),
        (_, r) => {
            let verb = if r == 1 { "carries" } else { "carry" };
            format!("{} directions {verb} 99 % of the energy", carry(end))
        }
    };
    if let Some(initial) = &feature.initial {
        if initial.measures.energy_dim_99 == end.measures.energy_dim_99 {
            text += ", as at the start";
        } else {
            text += &format!("; at the start {} did", carry(initial));
        }
    }
    match frequent {
        Some(f) if f.spectrum.rows == 0 => {
            text += &format!("; no row was seen {} times", thousands(f.min_frequency as usize))
        }
        Some(f) if f.spectrum.rows == feature.n => {
            text += &format!(
                "; every row was seen at least {} times",
                thousands(f.min_frequency as usize)
            );
        }
        Some(f) => {
            let rows = if f.spectrum.rows == 1 { "row" } else { "rows" };
            text += &format!(
                "; among the {} {rows} seen at least {} times: {}",
                thousands(f.spectrum.rows),
                thousands(f.min_frequency as usize),
                carry(&f.spectrum)
            );
        }
        None => {}
    }
    if let Some((rank, saved)) = saving.filter(|s| s.1 > 0 && end.measures.energy_dim_99 > 0) {
        // A product of factors wider than the table is smaller as one matrix, with no direction less.
        let smaller = if rank < end.singular_values.len() {
            format!("d' = {rank}").replace(' ', "\u{a0}")
        } else {
            "multiplied out it".into()
        };
        text += &format!("; {smaller} would save {}", bytes(saved));
    }
    text += ".";
    let rank = |s: &Spectrum| three_digits(s.measures.effective_rank);
    match &feature.initial {
        Some(initial) if rank(initial) == rank(end) => {
            text += &format!(" Effective rank {}, as at the start.", rank(end))
        }
        Some(initial) => text += &format!(" Effective rank {} → {}.", rank(initial), rank(end)),
        None => text += &format!(" Effective rank {}.", rank(end)),
    }
    for said in super::row_words::sentences(feature) {
        text += &format!(" {said}");
    }
    // A number stays with its unit.
    text.replace(" %", "\u{a0}%")
}

/// The middle of some numbers; none of none.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (n > 0).then(|| 0.5 * (values[(n - 1) / 2] + values[n / 2]))
}

/// effective_rank/min(rows, d), the share of its directions that a table uses.
fn used(spectrum: &Spectrum) -> f64 {
    spectrum.measures.effective_rank / spectrum.singular_values.len().max(1) as f64
}

/// A paragraph of the summary.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Paragraph {
    /// The model that the text begins with.
    pub model: String,
    /// What follows its name.
    pub text: String,
}

/// What stands above everything: a paragraph a model, then what each further model differs in from the first.
pub fn summary(report: &Report) -> Vec<Paragraph> {
    let mut paragraphs = Vec::new();
    for model in &report.models {
        let count = model.features.len();
        let tables = if count == 1 {
            "one table".into()
        } else {
            format!("{} tables", thousands(count))
        };
        let Some(end) = median(model.features.iter().map(|f| used(&f.spectrum))) else {
            continue;
        };
        let whose = if count == 1 {
            "Its effective rank"
        } else {
            "The median table's effective rank"
        };
        let rank = median(model.features.iter().map(|f| f.spectrum.measures.effective_rank)).unwrap_or(0.0);
        let mut text = format!(
            "holds {tables}. {whose} is {} of its number of directions ({})",
            percent(end),
            three_digits(rank)
        );
        if let Some(start) = median(model.features.iter().filter_map(|f| f.initial.as_ref()).map(used)) {
            text += &format!("; before training it was {}", percent(start));
        }
        let frequent = model
            .features
            .iter()
            .filter_map(|f| f.frequent.as_ref())
            .filter(|f| f.spectrum.rows > 0);
        if let Some(share) = median(frequent.map(|f| used(&f.spectrum))) {
            let times = thousands(report.min_frequency as usize);
            text += &format!("; among the rows seen at least {times} times it is {}", percent(share));
        }
        paragraphs.push(Paragraph {
            model: model.name.clone(),
            text: text.replace(" %", "\u{a0}%") + ".",
        });
    }
    if let [first, others @ ..] = report.models.as_slice() {
        for other in others {
            let pairs: Vec<(&Feature, &Feature)> = other
                .features
                .iter()
                .filter_map(|f| first.features.iter().find(|g| g.name == f.name).map(|g| (g, f)))
                .collect();
            if pairs.is_empty() {
                continue;
            }
            // Shares, since a table of another width has another number of directions to use.
            let lower = pairs
                .iter()
                .filter(|(a, b)| used(&b.spectrum) < used(&a.spectrum))
                .count();
            let same_width = pairs
                .iter()
                .all(|(a, b)| a.spectrum.singular_values.len() == b.spectrum.singular_values.len());
            let what = if same_width {
                "has a lower effective rank"
            } else {
                "uses a smaller share of its directions"
            };
            let text = format!("{what} than {} in {lower} of {} tables.", first.name, pairs.len());
            paragraphs.push(Paragraph {
                model: other.name.clone(),
                text,
            });
        }
    }
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1204), "1,204");
        assert_eq!(thousands(33_762_577), "33,762,577");
        for (x, text) in [
            (0.0, "0"),
            (2.944, "2.94"),
            (9.996, "10.0"),
            (61.23, "61.2"),
            (99.96, "100"),
            (999.6, "1,000"),
            (3.1e7, "3.1e7"),
            (2e-9, "2e-9"),
            (-1204.0, "−1,204"),
            (0.001, "1e-3"),
            (0.0123, "0.012"),
            (0.5, "0.50"),
        ] {
            assert_eq!(three_digits(x), text);
        }
        for (x, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_960, "1.0 MB"),
            (6_100_000, "6.1 MB"),
            (123_400_000, "123 MB"),
            (30_000_000_000, "30.0 GB"),
        ] {
            assert_eq!(bytes(x).replace('\u{a0}', " "), text);
        }
        assert_eq!([-3.4, 0.0, 1.2].map(signed), ["−3.40", "0", "+1.20"]);
        for (x, text) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.97, "97 %"),
            (0.998, "99.8 %"),
            (0.004, "0.4 %"),
            (0.9996, "99.96 %"),
            (0.999999, "over 99.99 %"),
            (0.0000001, "under 0.01 %"),
        ] {
            assert_eq!(percent(x), text);
        }
    }
}
