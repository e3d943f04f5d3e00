//! Planted data: the rank of the teacher's tables beside what the trained ones show.

use std::path::Path;

use super::record::{Feature, Report, Spectrum};
use super::run::{ReportError, replace};
use super::study::{Spectra, write_csv};
use crate::spectrum::measures;
use crate::study::Results;
use crate::study::table::Table;
use crate::study::truth::PlantedTable;

/// τ of `rank_at`, the paper's.
const TAU: f64 = 0.01;
/// Share of the energy.
const SHARE: f64 = 0.99;

/// How to read the table, for beneath it.
pub const READING: &str = "Three measures each: singular values above 1 % of the greatest, effective rank, directions \
                           with 99 % of the energy; means over the seeds. Planted: of the teacher's whole table. All: of \
                           the trained table. Frequent: of its rows seen at least 20 times in training. Start: effective \
                           rank of the whole table before training.";

/// The rank measures of one spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    rank_at: f64,
    effective_rank: f64,
    energy_dim: f64,
}

/// One trained table.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    arm: String,
    seed: u64,
    feature: String,
    n: usize,
    d: usize,
    all: Measured,
    frequent_rows: usize,
    /// Absent without a frequent row.
    frequent: Option<Measured>,
    start: Option<f64>,
}

/// Planted and recovered ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    arms: Vec<String>,
    /// The teacher's tables with their measures, in its order.
    planted: Vec<(PlantedTable, Measured)>,
    lines: Vec<Line>,
}

impl Measured {
    fn of(spectrum: &Spectrum) -> Self {
        Self::of_values(&spectrum.singular_values)
    }

    fn of_values(sigma: &[f64]) -> Self {
        Measured {
            rank_at: measures::rank_at(sigma, TAU) as f64,
            effective_rank: measures::effective_rank(sigma),
            energy_dim: measures::energy_dim(sigma, SHARE) as f64,
        }
    }

    /// The mean of each measure; `None` for none.
    fn mean(of: &[Measured]) -> Option<Self> {
        let mean = |value: fn(&Measured) -> f64| of.iter().map(value).sum::<f64>() / of.len() as f64;
        (!of.is_empty()).then(|| Measured {
            rank_at: mean(|m| m.rank_at),
            effective_rank: mean(|m| m.effective_rank),
            energy_dim: mean(|m| m.energy_dim),
        })
    }

    /// Its three cells of a CSV line, empty where there is nothing.
    fn cells(measured: Option<&Measured>) -> [String; 3] {
        let cell = |value: fn(&Measured) -> f64| measured.map(|m| value(m).to_string()).unwrap_or_default();
        [cell(|m| m.rank_at), cell(|m| m.effective_rank), cell(|m| m.energy_dim)]
    }

    /// `7 · 3.21 · 4`; means that are whole are written so.
    fn show(&self) -> String {
        let count = |value: f64| match value.fract() {
            0.0 => format!("{value}"),
            _ => format!("{value:.1}"),
        };
        format!(
            "{} · {:.2} · {}",
            count(self.rank_at),
            self.effective_rank,
            count(self.energy_dim)
        )
    }
}

impl Ranks {
    /// The ranks of all measured runs; `None` where the truth is not known.
    pub fn of(results: &Results, spectra: &Spectra) -> Option<Ranks> {
        let truth = results.truth.as_ref()?;
        let planted = truth.tables.iter().map(|table| {
            let measured = Measured::of_values(&table.singular_values);
            (table.clone(), measured)
        });
        Some(Ranks {
            arms: results.arms.iter().map(|arm| arm.name.clone()).collect(),
            planted: planted.collect(),
            lines: spectra.iter().flat_map(|(seed, report)| lines(*seed, report)).collect(),
        })
    }

    fn of_table<'a>(&'a self, arm: &'a str, feature: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines
            .iter()
            .filter(move |line| line.arm == arm && line.feature == feature)
    }

    /// One line a table and arm, means over the seeds.
    pub fn table(&self) -> Table {
        let header = [
            "table",
            "n",
            "planted rank",
            "planted",
            "arm",
            "all",
            "start",
            "frequent rows",
            "frequent",
        ];
        let mut rows = Vec::new();
        for (table, planted) in &self.planted {
            for arm in &self.arms {
                let lines: Vec<&Line> = self.of_table(arm, &table.name).collect();
                let Some(first) = lines.first() else { continue };
                let all: Vec<Measured> = lines.iter().map(|line| line.all).collect();
                let frequent: Vec<Measured> = lines.iter().filter_map(|line| line.frequent).collect();
                let starts: Vec<f64> = lines.iter().filter_map(|line| line.start).collect();
                let show = |measured: Option<Measured>| measured.map_or("–".into(), |m| m.show());
                rows.push(vec![
                    table.name.clone(),
                    first.n.to_string(),
                    table.rank.to_string(),
                    planted.show(),
                    arm.clone(),
                    show(Measured::mean(&all)),
                    mean(&starts).map_or("–".into(), |start| format!("{start:.2}")),
                    first.frequent_rows.to_string(),
                    show(Measured::mean(&frequent)),
                ]);
            }
        }
        Table {
            header: header.map(String::from).to_vec(),
            rows,
        }
    }

    /// How near each arm comes, in words.
    pub fn sentences(&self) -> Vec<String> {
        self.arms.iter().filter_map(|arm| self.sentence(arm)).collect()
    }

    fn sentence(&self, arm: &str) -> Option<String> {
        let mut logs = [Vec::new(), Vec::new()]; // ln of recovered/planted effective rank: all rows, frequent rows
        let (mut exact, mut measured) = (0, 0);
        for (table, planted) in &self.planted {
            for line in self.of_table(arm, &table.name) {
                logs[0].push((line.all.effective_rank / planted.effective_rank).ln());
                if let Some(frequent) = line.frequent {
                    logs[1].push((frequent.effective_rank / planted.effective_rank).ln());
                    exact += usize::from(frequent.energy_dim == planted.energy_dim);
                    measured += 1;
                }
            }
        }
        let [all, frequent] = logs.map(|logs| mean(&logs).map(f64::exp));
        Some(format!(
            "{arm}: the effective rank of the trained tables is {:.2} times the planted one in the geometric mean, of their \
             frequent rows {:.2} times; the directions with 99 % of the energy are as many as planted in {exact} of \
             {measured} tables (frequent rows).",
            all?, frequent?
        ))
    }

    /// `ranks.csv`: one line a run and table.
    ///
    /// # Errors
    /// Only what the csv writer reports for memory, which is never.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let names = ["rank_at_0.01", "effective_rank", "energy_dim_0.99"];
        let mut header: Vec<String> = ["arm", "seed", "feature", "n", "d", "planted_rank"]
            .map(String::from)
            .to_vec();
        header.extend(names.map(|name| format!("planted_{name}")));
        header.extend(names.map(String::from));
        header.push("initial_effective_rank".into());
        header.push("frequent_rows".into());
        header.extend(names.map(|name| format!("frequent_{name}")));
        writer.write_record(&header)?;
        for line in &self.lines {
            let Some((table, planted)) = self.planted.iter().find(|(table, _)| table.name == line.feature) else {
                continue;
            };
            let mut cells = vec![line.arm.clone(), line.seed.to_string(), line.feature.clone()];
            cells.extend([line.n, line.d, table.rank].map(|number| number.to_string()));
            cells.extend(Measured::cells(Some(planted)));
            cells.extend(Measured::cells(Some(&line.all)));
            cells.push(line.start.map(|start| start.to_string()).unwrap_or_default());
            cells.push(line.frequent_rows.to_string());
            cells.extend(Measured::cells(line.frequent.as_ref()));
            writer.write_record(&cells)?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// `ranks.md`: sentences, table, how to read it.
    pub fn markdown(&self) -> String {
        let mut text = "# Planted and recovered ranks\n\n".to_owned();
        for sentence in self.sentences() {
            text += &format!("* {sentence}\n");
        }
        text + &format!("\n{}\n{READING}\n", self.table().markdown())
    }

    /// Writes `ranks.csv` and `ranks.md` into `out`.
    ///
    /// # Errors
    /// [`ReportError::Write`].
    pub fn write(&self, out: &Path) -> Result<(), ReportError> {
        write_csv(&out.join("ranks.csv"), self.csv())?;
        replace(&out.join("ranks.md"), self.markdown().as_bytes())
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn lines(seed: u64, report: &Report) -> impl Iterator<Item = Line> {
    let line = move |arm: &str, feature: &Feature| {
        let frequent = feature
            .frequent
            .as_ref()
            .map(|frequent| &frequent.spectrum)
            .filter(|s| s.rows > 0);
        Line {
            arm: arm.to_owned(),
            seed,
            feature: feature.name.clone(),
            n: feature.n,
            d: feature.d,
            all: Measured::of(&feature.spectrum),
            frequent_rows: frequent.map_or(0, |spectrum| spectrum.rows),
            frequent: frequent.map(Measured::of),
            start: feature.initial.as_ref().map(|initial| initial.measures.effective_rank),
        }
    };
    report
        .models
        .iter()
        .flat_map(move |model| model.features.iter().map(move |feature| line(&model.name, feature)))
}
