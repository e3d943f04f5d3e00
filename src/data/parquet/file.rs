//! One Parquet file, row by row.

use std::fs::File;
use std::path::Path;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};

use super::Columns;
use super::cells::{self, Cells};
use crate::data::schema::Split;
use crate::data::source::{BadRow, RawCategorical, RawExample, RawFeatures, RowError, SourceError};

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// The file that is being read.
pub(super) struct OpenFile {
    pub name: String,
    reader: ParquetRecordBatchReader,
    pub num_rows: u64,
    /// Rows of this file taken so far.
    pub taken: u64,
    cells: Option<BatchCells>,
    next: usize,
}

/// One decoded record batch, by the role of its columns.
struct BatchCells {
    rows: usize,
    label: Cells,
    dense: Vec<Cells>,
    categorical: Vec<Cells>,
    split: Option<Cells>,
}

impl BatchCells {
    fn new(batch: &RecordBatch, columns: &Columns) -> Option<BatchCells> {
        let cells = |name: &String| Cells::new(batch.column_by_name(name)?);
        let split = columns.split_column().map(cells);
        Some(BatchCells {
            rows: batch.num_rows(),
            label: cells(&columns.label)?,
            dense: columns.dense.iter().map(cells).collect::<Option<_>>()?,
            categorical: columns.categorical.iter().map(cells).collect::<Option<_>>()?,
            split: match split {
                Some(split) => Some(split?),
                None => None,
            },
        })
    }

    /// Fills `example` with a row; the error is (column, reason).
    fn fill(&self, row: usize, columns: &Columns, example: &mut RawExample) -> Result<(), (String, String)> {
        example.clear();
        let label = match self.label.number(row) {
            Some(0.0) => Ok(false),
            Some(1.0) => Ok(true),
            Some(other) => Err(format!("the label is {other} where 0 or 1 is expected")),
            None => Err("the label is null".to_owned()),
        };
        example.label = label.map_err(|reason| (columns.label.clone(), reason))?;
        for (cells, name) in self.dense.iter().zip(&columns.dense) {
            let value = cells.number(row).unwrap_or(0.0);
            if !(value as f32).is_finite() {
                return Err((name.clone(), format!("{value} is not a finite 32-bit number")));
            }
            example.dense.push(value as f32);
        }
        for (cells, name) in self.categorical.iter().zip(&columns.categorical) {
            cells
                .push_categories(row, example)
                .map_err(|reason| (name.clone(), reason))?;
        }
        if let (Some(cells), Some(name)) = (&self.split, columns.split_column()) {
            let value = cells.show(row);
            let split = Split::ALL.into_iter().find(|split| split.name() == value);
            let reason = || format!("{value:?} where train, validation or test is expected");
            example.split = Some(split.ok_or_else(|| (name.clone(), reason()))?);
        }
        Ok(())
    }

    /// A row as text, for `rejected.tsv`.
    fn show(&self, row: usize, columns: &Columns) -> String {
        let cells = std::iter::once(&self.label)
            .chain(&self.dense)
            .chain(&self.categorical)
            .chain(&self.split);
        let shown = columns
            .names()
            .zip(cells)
            .map(|(name, cells)| format!("{name}={}", cells.show(row)));
        shown.collect::<Vec<_>>().join("\t")
    }
}

impl OpenFile {
    /// Opens a file and finds its columns.
    pub fn open(path: &Path, columns: &Columns) -> Result<(OpenFile, RawFeatures), SourceError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let wrong = |message: String| SourceError::Format {
            file: name.clone(),
            message,
        };
        let file = File::open(path).map_err(|source| SourceError::Open {
            file: name.clone(),
            source,
        })?;
        // types as Parquet has them: what else Arrow knows (dictionaries, views, 64-bit offsets) is of no use here
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options);
        let builder = builder.map_err(|error| wrong(format!("not a readable Parquet file: {error}")))?;
        let features = features(columns, builder.schema()).map_err(wrong)?;
        let schema = builder.schema().clone();
        let used = columns.names().filter_map(|column| schema.index_of(column).ok());
        let mask = ProjectionMask::roots(builder.parquet_schema(), used.collect::<Vec<_>>());
        let num_rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        let reader = reader.map_err(|error| wrong(error.to_string()))?;
        Ok((
            OpenFile {
                name,
                reader,
                num_rows,
                taken: 0,
                cells: None,
                next: 0,
            },
            features,
        ))
    }

    /// Makes sure that `cells` has a row at `next`; `false` at the end of the file.
    fn advance(&mut self, columns: &Columns) -> Result<bool, SourceError> {
        while self.cells.as_ref().is_none_or(|cells| self.next == cells.rows) {
            let taken = self.taken;
            let wrong = |message| SourceError::Format {
                file: self.name.clone(),
                message: format!("after row {taken}: {message}"),
            };
            let Some(batch) = self.reader.next() else {
                return Ok(false);
            };
            let batch = batch.map_err(|error| wrong(error.to_string()))?;
            let cells = BatchCells::new(&batch, columns);
            self.cells = Some(cells.ok_or_else(|| wrong("a column of another type".to_owned()))?);
            self.next = 0;
        }
        Ok(true)
    }

    /// The next row; `false` at the end of the file.
    pub fn next(&mut self, columns: &Columns, example: &mut RawExample) -> Result<bool, RowError> {
        if !self.advance(columns)? {
            return Ok(false);
        }
        let Some(cells) = &self.cells else { return Ok(false) };
        let row = self.next;
        self.next += 1;
        self.taken += 1;
        cells
            .fill(row, columns, example)
            .map(|()| true)
            .map_err(|(column, reason)| {
                let raw = cells.show(row, columns).into_bytes();
                BadRow {
                    file: self.name.clone(),
                    unit: "row",
                    line: self.taken,
                    column,
                    reason,
                    raw,
                }
                .into()
            })
    }
}

/// Which features the columns make, with `schema` saying which of them are bags.
fn features(columns: &Columns, schema: &Schema) -> Result<RawFeatures, String> {
    for name in columns.names() {
        if schema.index_of(name).is_err() {
            let known: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(format!("there is no column {name:?}; there are {}", known.join(", ")));
        }
    }
    let kind = |name: &str| {
        schema
            .field_with_name(name)
            .map(|field| field.data_type().clone())
            .unwrap_or(DataType::Null)
    };
    for (name, role) in
        std::iter::once((&columns.label, "label")).chain(columns.dense.iter().map(|name| (name, "dense")))
    {
        if !cells::is_number(&kind(name)) {
            return Err(format!(
                "column {name:?} is {} and cannot be a {role} column: a number is needed",
                kind(name)
            ));
        }
    }
    let mut categorical = Vec::new();
    for name in &columns.categorical {
        let (kind, is_bag) = match kind(name) {
            DataType::List(item) => (item.data_type().clone(), true),
            plain => (plain, false),
        };
        if !cells::is_category(&kind) {
            return Err(format!(
                "column {name:?} is {kind} and cannot be categorical: integers, strings, booleans and lists of them can"
            ));
        }
        categorical.push(RawCategorical {
            name: name.clone(),
            is_bag,
        });
    }
    Ok(RawFeatures {
        dense: columns.dense.clone(),
        categorical,
    })
}
