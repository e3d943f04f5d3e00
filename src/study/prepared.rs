//! The data set of a study: prepared into its folder, or an existing one.

use crate::data::dataset::{Dataset, DatasetError};
use crate::data::planted::{Planted, PlantedConfig, PlantedError};
use crate::data::prepare::{BadRows, OnProgress, Options, PrepareError, prepare};
use crate::data::source::SourceError;
use crate::data::{avazu, criteo, flights, parquet, source};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a plan's `[data]` says.
#[derive(Debug, Clone)]
pub enum Source {
    /// `path = "…"`: a prepared data set.
    Existing(PathBuf),
    /// `kind = "…"` and the options of `mlet prepare`.
    Prepare {
        /// What is read.
        kind: Kind,
        /// Of all kinds.
        common: Common,
        /// The table as it stands in the plan: what a prepared data set is recognised by.
        said: toml::Table,
    },
}

/// What is read, with paths from the plan's directory.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The built-in flights.
    Flights,
    /// Rows drawn from a teacher.
    Planted(Box<PlantedConfig>),
    /// `input`: Criteo-Kaggle's `train.txt`.
    CriteoKaggle(PathBuf),
    /// `input`: Avazu's `train.csv`.
    Avazu(PathBuf),
    /// `input` and `columns`: Parquet files and the TOML file that names their columns.
    Parquet(PathBuf, PathBuf),
}

/// Options that several kinds share, under the names of `mlet prepare`'s flags.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Common {
    /// Seed of the random split.
    pub seed: u64,
    /// Categories used fewer times share a row.
    pub min_count: Option<u64>,
    /// The largest table.
    pub max_rows_per_table: Option<usize>,
    /// Leave bad rows out (`skip`) rather than end (`fail`).
    pub bad_rows: BadRowsOption,
}

/// `fail` or `skip`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BadRowsOption {
    /// A bad row ends the preparation.
    #[default]
    Fail,
    /// It goes to `rejected.tsv`.
    Skip,
}

/// Why a study has no data.
#[derive(Debug, thiserror::Error)]
pub enum PreparedError {
    /// It cannot be prepared.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The raw data cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The built-in flights cannot be read.
    #[error(transparent)]
    Flights(#[from] flights::FlightsError),
    /// The settings of the planted data.
    #[error(transparent)]
    Planted(#[from] PlantedError),
    /// The prepared data set cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Data of unknown origin stands in the way.
    #[error(
        "{}: not prepared by this study: remove it, or name it in the plan with [data] path = \"…\"",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A study's data set.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The data set.
    pub dataset: Dataset,
    /// A hash of its `dataset.toml`, which holds the source's hash, the split and all counts: other data, another hash.
    pub fingerprint: String,
}

/// How the data set came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    There,
    /// It was missing.
    Missing,
    /// The plan's `[data]` is not the one it was prepared by.
    Changed,
}

impl Source {
    /// Reads `[data]`; relative paths start from the plan's `directory`.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn parse(said: toml::Table, directory: &Path) -> Result<Source, String> {
        let mut rest = said.clone();
        let text = |rest: &mut toml::Table, key: &str| match rest.remove(key) {
            Some(toml::Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("[data] {key} = {other}: must be a text")),
            None => Ok(None),
        };
        if let Some(path) = text(&mut rest, "path")? {
            return match rest.keys().next() {
                Some(key) => Err(format!("[data] {key} has no meaning beside path")),
                None => Ok(Source::Existing(directory.join(path))),
            };
        }
        let name = text(&mut rest, "kind")?.ok_or("[data] needs a kind, or the path of a prepared data set")?;
        let mut file = |key: &str| {
            let file = text(&mut rest, key)?.map(|path| directory.join(path));
            file.ok_or_else(|| format!("[data] kind = {name:?} needs {key}"))
        };
        let kind = match name.as_str() {
            "flights" => Kind::Flights,
            "criteo-kaggle" => Kind::CriteoKaggle(file("input")?),
            "avazu" => Kind::Avazu(file("input")?),
            "parquet" => Kind::Parquet(file("input")?, file("columns")?),
            "planted" => {
                let config: PlantedConfig = rest.try_into().map_err(explain)?;
                config.check().map_err(|error| format!("[data]: {error}"))?;
                let (kind, common) = (Kind::Planted(Box::new(config)), Common::default());
                return Ok(Source::Prepare { kind, common, said });
            }
            _ => {
                let known = "flights, planted, criteo-kaggle, avazu, parquet";
                return Err(format!("[data] kind = {name:?} is not one of {known}"));
            }
        };
        let common = rest.try_into().map_err(explain)?;
        Ok(Source::Prepare { kind, common, said })
    }

    /// The data set: the existing one, or the one in `folder`, prepared if it is missing or was prepared by another
    /// `[data]`. `on_start` is told how it came to be there, before the work.
    ///
    /// # Errors
    /// [`PreparedError`]; nothing half-written is left.
    pub fn provide(
        &self,
        folder: &Path,
        on_start: &mut dyn FnMut(Origin),
        on_progress: &mut OnProgress<'_>,
    ) -> Result<Prepared, PreparedError> {
        match self {
            Source::Existing(path) => {
                on_start(Origin::There);
                open(path)
            }
            Source::Prepare { kind, common, said } => {
                let record = folder.with_extension("toml");
                let origin = origin(folder, &record, said)?;
                on_start(origin);
                if origin == Origin::Changed {
                    // The record names what stands in the folder: the folder goes first, or a kill would leave a lie.
                    std::fs::remove_dir_all(folder).map_err(io(folder))?;
                }
                if origin != Origin::There {
                    write_record(&record, said)?;
                    let options = common.options();
                    prepare(kind.open()?.as_mut(), folder, &options, on_progress)?;
                }
                open(folder)
            }
        }
    }
}

impl Common {
    fn options(&self) -> Options {
        Options {
            seed: self.seed,
            min_count: self.min_count,
            max_rows_per_table: self.max_rows_per_table,
            bad_rows: match self.bad_rows {
                BadRowsOption::Fail => BadRows::Fail,
                BadRowsOption::Skip => BadRows::Skip,
            },
            replace: false,
        }
    }
}

impl Kind {
    fn open(&self) -> Result<Box<dyn source::Source>, PreparedError> {
        Ok(match self {
            Kind::Flights => Box::new(flights::FlightsSource::open()?),
            Kind::Planted(config) => Box::new(Planted::new(config.as_ref().clone())?),
            Kind::CriteoKaggle(input) => Box::new(criteo::Criteo::open(input)?),
            Kind::Avazu(input) => Box::new(avazu::Avazu::open(input)?),
            Kind::Parquet(input, columns) => Box::new(parquet::Parquet::open(input, parquet::Columns::read(columns)?)?),
        })
    }
}

fn origin(folder: &Path, record: &Path, said: &toml::Table) -> Result<Origin, PreparedError> {
    if !folder.exists() {
        return Ok(Origin::Missing);
    }
    let text = match std::fs::read_to_string(record) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(PreparedError::Foreign(folder.into()));
        }
        Err(error) => return Err(io(record)(error)),
    };
    Ok(match text.parse::<toml::Table>() {
        Ok(table) if table == *said => Origin::There,
        _ => Origin::Changed,
    })
}

fn write_record(record: &Path, said: &toml::Table) -> Result<(), PreparedError> {
    let directory = record.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(io(directory))?;
    let text = format!("# The [data] that the folder beside this file was prepared by.\n{said}");
    std::fs::write(record, text).map_err(io(record))
}

fn open(path: &Path) -> Result<Prepared, PreparedError> {
    let path = std::path::absolute(path).map_err(io(path))?;
    let file = path.join("dataset.toml");
    let dataset = Dataset::open(&path)?;
    let bytes = std::fs::read(&file).map_err(io(&file))?;
    let fingerprint = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes));
    Ok(Prepared { dataset, fingerprint })
}

fn explain(error: toml::de::Error) -> String {
    format!("[data]: {}", error.to_string().trim().replace('\n', " "))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PreparedError {
    let path = path.to_path_buf();
    move |source| PreparedError::Io { path, source }
}
