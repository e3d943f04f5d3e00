//! `--exact`: counts that the intervals leave open, decided over the integers.

use std::borrow::Cow;

use serde::Serialize;

use super::record::{Feature, Spectrum};
use crate::spectrum::exact::{ExactError, ExactSpectrum, decimal};
use crate::spectrum::gram::certify::Interval;
use crate::spectrum::measures::Count;
use crate::spectrum::table::{Factor, Table};

/// What exact arithmetic found out about a spectrum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exact {
    /// The rank over the rationals: singular values above 0. Null where it would take too long.
    pub exact_rank: Option<usize>,
    /// The keys of the counts that the intervals had left open.
    pub decided_exactly: Vec<String>,
}

impl Exact {
    /// Names and values of the columns of the CSV file: empty without `--exact`, and a rank that is not known.
    pub(super) fn cells(exact: Option<&Exact>) -> [(&'static str, String); 2] {
        let rank = exact.and_then(|exact| exact.exact_rank);
        [
            ("exact_rank", rank.map(|rank| rank.to_string()).unwrap_or_default()),
            (
                "decided_exactly",
                exact.map(|exact| exact.decided_exactly.join(" ")).unwrap_or_default(),
            ),
        ]
    }

    /// What was decided of a spectrum of so many values, in words.
    pub(super) fn sentence(&self, values: usize) -> String {
        let rank = match self.exact_rank {
            Some(rank) => format!("Its exact rank, over the rationals, is {rank} of {values}."),
            None => "Its exact rank is not known: the integers would take too long.".into(),
        };
        let shares: Vec<String> = (self.decided_exactly.iter())
            .filter_map(|key| key.strip_prefix("rank_at_")?.parse::<f64>().ok())
            .map(|tau| format!("{}\u{a0}%", 100.0 * tau))
            .collect();
        match shares.is_empty() {
            true => rank,
            false => format!(
                "{rank} How many values lie above {} of σ₁ was decided by integer arithmetic.",
                shares.join(" and ")
            ),
        }
    }
}

/// Decides every open count of a feature that was measured, of its start and of its frequent rows, and finds the exact ranks.
/// Gives what could not be decided, in words.
pub fn decide<'a>(feature: &mut Feature, table: &'a Table, min_frequency: u64) -> Vec<String> {
    let mut notes = Vec::new();
    let mut each = |spectrum: &mut Spectrum, factors: &dyn Fn() -> Cow<'a, [Factor]>, which: &str| {
        if let Err(error) = decide_one(spectrum, factors) {
            notes.push(format!("`{}`{which}: not decided: {error}", table.name));
        }
    };
    each(&mut feature.spectrum, &|| Cow::Borrowed(&table.factors), "");
    if let (Some(spectrum), Some(factors)) = (&mut feature.initial, &table.initial) {
        each(spectrum, &|| Cow::Borrowed(factors), " before training");
    }
    if let (Some(frequent), Some(rows)) = (&mut feature.frequent, table.frequent_rows(min_frequency)) {
        each(
            &mut frequent.spectrum,
            &|| Cow::Owned(table.select_rows(&rows)),
            ", frequent rows",
        );
    }
    notes
}

/// The rank, where every interval leaves no doubt whether its value is 0.
fn known_rank(intervals: &[Interval]) -> Option<usize> {
    let known = |interval: &Interval| interval.lo > 0.0 || interval.hi == 0.0;
    intervals
        .iter()
        .all(known)
        .then(|| intervals.iter().filter(|interval| interval.lo > 0.0).count())
}

/// One spectrum; the rows are read again only if something is open.
fn decide_one<'a>(spectrum: &mut Spectrum, factors: &dyn Fn() -> Cow<'a, [Factor]>) -> Result<(), ExactError> {
    let mut exact = Exact {
        exact_rank: known_rank(&spectrum.intervals),
        decided_exactly: Vec::new(),
    };
    let counts = &mut spectrum.measures.ranks_at;
    let mut result = Ok(());
    if exact.exact_rank.is_none() || counts.iter().any(|(_, count)| count.number().is_none()) {
        match ExactSpectrum::of(&factors()) {
            Ok(known) => {
                exact.exact_rank = Some(known.rank());
                for (tau, count) in counts.iter_mut().filter(|(_, count)| count.number().is_none()) {
                    *count = Count::decided(known.count_above(&decimal(*tau)));
                    exact.decided_exactly.push(format!("rank_at_{tau}"));
                }
            }
            Err(error) => result = Err(error),
        }
    }
    spectrum.exact = Some(exact);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum::{CertifiedSpectrum, Route};
    use ndarray::Array2;

    /// σ₂ = 0.01 within its interval.
    fn open() -> Spectrum {
        let interval = |lo: f64, hi: f64| Interval { lo, hi };
        let certified = CertifiedSpectrum {
            sigma: vec![1.0, 0.01],
            intervals: vec![interval(1.0, 1.0), interval(0.0099, 0.0101)],
            route: Route::Gram,
        };
        Spectrum::of_values(certified, (2, 2), 1e-7, &[0.01, 0.5])
    }

    #[test]
    fn only_what_is_open_is_decided() {
        let mut spectrum = open();
        let table = [Factor::f32("w", ndarray::arr2(&[[100.0, 0.0], [0.0, 1.0]]))];
        decide_one(&mut spectrum, &|| Cow::Borrowed(&table[..])).unwrap();
        assert_eq!(spectrum.measures.ranks_at[0].1.number(), Some(1));
        let exact = spectrum.exact.clone().unwrap();
        assert_eq!(
            (exact.exact_rank, exact.decided_exactly.as_slice()),
            (Some(2), &["rank_at_0.01".to_string()][..])
        );
        let mut again = spectrum.clone();
        decide_one(&mut again, &|| panic!("nothing is open")).unwrap();
        assert_eq!(again.measures, spectrum.measures);
    }

    #[test]
    fn cells_and_words() {
        let exact = |exact_rank, decided: &[&str]| Exact {
            exact_rank,
            decided_exactly: decided.iter().map(|key| key.to_string()).collect(),
        };
        let known = exact(Some(3), &["rank_at_0.01", "rank_at_0.5"]);
        assert_eq!(
            Exact::cells(Some(&known)).map(|(_, value)| value),
            ["3", "rank_at_0.01 rank_at_0.5"]
        );
        assert_eq!(Exact::cells(None).map(|(_, value)| value), ["", ""]);
        let text = known.sentence(4).replace('\u{a0}', " ");
        assert!(
            text.contains("is 3 of 4") && text.contains("above 1 % and 50 % of σ₁"),
            "{text}"
        );
        let unknown = exact(None, &[]).sentence(4);
        assert!(
            unknown.contains("not known") && !unknown.contains("decided"),
            "{unknown}"
        );
    }

    #[test]
    fn what_would_take_hours_stays_open() {
        let mut spectrum = open();
        let wide = || Cow::Owned(vec![Factor::f32("w", Array2::ones((3000, 3000)))]);
        let error = decide_one(&mut spectrum, &wide).unwrap_err().to_string();
        assert!(error.contains("3000 columns"), "{error}");
        assert_eq!(spectrum.measures.ranks_at[0].1.number(), None);
        assert_eq!(spectrum.exact.unwrap().exact_rank, Some(2));
    }
}
