//! The table of a page, and the table of differences to the first model.

use serde::Serialize;

use super::extras::{at_99, stored};
use super::gallery::share;
use crate::report::plots::SERIES;
use crate::report::record::{Feature, Model, Report};
use crate::report::words::{bytes, signed, thousands, three_digits};
use crate::spectrum::measures::Count;

/// A cell that is shown as text and sorted by number; −1 sorts what is not known behind everything.
#[derive(Serialize)]
pub(super) struct Cell {
    text: String,
    /// What stands small behind the text.
    more: String,
    sort: f64,
}

impl Cell {
    fn new(text: String, sort: f64) -> Self {
        let more = String::new();
        Cell { text, more, sort }
    }

    fn count(x: usize) -> Self {
        Cell::new(thousands(x), x as f64)
    }

    fn real(x: Option<f64>) -> Self {
        Cell::new(x.map_or("–".into(), three_digits), x.unwrap_or(-1.0))
    }

    fn of(part: Count, whole: usize) -> Self {
        Cell::new(format!("{part} of {}", thousands(whole)), part.most as f64)
    }

    /// A difference, with what it lies between.
    fn change(difference: f64, text: String, from: &str, to: &str) -> Self {
        Cell {
            text,
            more: format!("{from} → {to}"),
            sort: difference,
        }
    }
}

/// A feature of a model.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    anchor: usize,
    feature: &'a str,
    model: &'a str,
    place: usize,
    n: Cell,
    d: Cell,
    parameters: Cell,
    /// Percent of the directions, for the bar and the filter.
    used: f64,
    started: Option<f64>,
    cells: Vec<Cell>,
}

/// Which columns there are.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    /// Some table's start is known.
    pub starts: bool,
    /// Some table's frequent rows are known.
    pub frequents: bool,
    /// Some table has advice at 99 % of the energy.
    pub savings: bool,
}

/// Headers behind the shape, as [`rows`] fills them.
pub(super) fn columns(report: &Report, shown: Shown) -> Vec<String> {
    let tau = report.taus.first().copied().unwrap_or(0.01);
    let mut columns: Vec<String> = vec!["Effective rank".into()];
    if shown.starts {
        columns.push("at the start".into());
    }
    if shown.frequents {
        columns.push(format!("in rows seen\u{a0}≥\u{a0}{}", report.min_frequency));
        columns.push("such rows".into());
    }
    columns.push(format!("σ > {}\u{a0}%", 100.0 * tau));
    columns.push("99\u{a0}% of energy".into());
    if shown.savings {
        columns.push("would save".into());
    }
    columns.extend(["Stable rank", "Condition"].map(String::from));
    columns
}

/// A row a feature and model, the largest feature first.
pub(super) fn rows<'a>(report: &'a Report, names: &[&'a str], shown: Shown) -> Vec<Row<'a>> {
    let of_name = |(anchor, name): (usize, &&'a str)| {
        let row = move |(place, model, f)| row(anchor, place, model, f, shown);
        report.of_feature(name).map(row).collect::<Vec<_>>()
    };
    names.iter().enumerate().flat_map(of_name).collect()
}

fn row<'a>(anchor: usize, place: usize, model: &'a Model, f: &'a Feature, shown: Shown) -> Row<'a> {
    let m = &f.spectrum.measures;
    let directions = f.spectrum.singular_values.len();
    let mut cells = vec![Cell::real(Some(m.effective_rank))];
    if shown.starts {
        cells.push(Cell::real(f.initial.as_ref().map(|s| s.measures.effective_rank)));
    }
    if shown.frequents {
        let known = f.frequent.as_ref().filter(|s| s.spectrum.rows > 0);
        cells.push(Cell::real(known.map(|s| s.spectrum.measures.effective_rank)));
        let rows = f.frequent.as_ref().map(|s| s.spectrum.rows);
        cells.push(rows.map_or(Cell::real(None), Cell::count));
    }
    let count = m.ranks_at.first().map_or(Count::decided(0), |r| r.1);
    cells.push(Cell::of(count, directions));
    cells.push(Cell::of(Count::decided(m.energy_dim_99), directions));
    if shown.savings {
        let saved = at_99(f).map(|advice| advice.bytes_saved);
        cells.push(saved.map_or(Cell::real(None), |b| Cell::new(bytes(b), b as f64)));
    }
    cells.push(Cell::real(Some(m.stable_rank)));
    cells.push(match m.condition_number {
        None if m.effective_rank > 0.0 => Cell::new("∞".into(), f64::MAX),
        condition => Cell::real(condition),
    });
    Row {
        anchor,
        feature: &f.name,
        model: &model.name,
        place: place % SERIES.len(),
        n: Cell::count(f.n),
        d: Cell::count(f.d),
        parameters: Cell::count(f.parameters),
        used: 100.0 * share(&f.spectrum),
        started: f.initial.as_ref().map(|s| 100.0 * share(s)),
        cells,
    }
}

/// A feature of a later model beside the first model's.
#[derive(Serialize)]
pub(super) struct Difference<'a> {
    anchor: usize,
    feature: &'a str,
    model: &'a str,
    place: usize,
    cells: Vec<Cell>,
}

/// Headers of [`differences`].
pub(super) fn difference_columns(shown: Shown) -> Vec<&'static str> {
    let mut columns = vec!["Effective rank", "99\u{a0}% of energy", "Stored numbers"];
    if shown.savings {
        columns.push("Stored bytes");
    }
    columns
}

/// What each later model differs in from the first, for the features that both have.
pub(super) fn differences<'a>(report: &'a Report, names: &[&'a str], shown: Shown) -> Vec<Difference<'a>> {
    let mut all = Vec::new();
    for (anchor, name) in names.iter().enumerate() {
        let mut models = report.of_feature(name);
        let Some((0, _, first)) = models.next() else {
            continue;
        };
        all.extend(models.map(|(place, model, f)| Difference {
            anchor,
            feature: &f.name,
            model: &model.name,
            place: place % SERIES.len(),
            cells: changes(first, f, shown),
        }));
    }
    all
}

fn changes(first: &Feature, f: &Feature, shown: Shown) -> Vec<Cell> {
    let (a, b) = (&first.spectrum.measures, &f.spectrum.measures);
    let real = |a: f64, b: f64| Cell::change(b - a, signed(b - a), &three_digits(a), &three_digits(b));
    let whole = |a: u64, b: u64, words: fn(u64) -> String| {
        let sign = match b.cmp(&a) {
            std::cmp::Ordering::Less => "−",
            std::cmp::Ordering::Equal => "",
            std::cmp::Ordering::Greater => "+",
        };
        let text = format!("{sign}{}", words(a.abs_diff(b)));
        Cell::change(b as f64 - a as f64, text, &words(a), &words(b))
    };
    let count = |x: u64| thousands(x as usize);
    let mut cells = vec![
        real(a.effective_rank, b.effective_rank),
        whole(a.energy_dim_99 as u64, b.energy_dim_99 as u64, count),
        whole(first.parameters as u64, f.parameters as u64, count),
    ];
    if shown.savings {
        cells.push(match (stored(first), stored(f)) {
            (Some(a), Some(b)) => whole(a, b, bytes),
            _ => Cell::new("–".into(), 0.0),
        });
    }
    cells
}
