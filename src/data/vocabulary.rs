//! Raw value ↔ row of a feature's table, and how often each row is used.

use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, PrimitiveArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Schema};

use super::arrow_file;
use super::dataset::DatasetError;
use super::examples::BATCH_ROWS;

/// The raw values of a categorical feature, by row of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// The raw value of each row (`num_embeddings`); [`super::dataset::RARE`] for the row that rare values share.
    pub values: Vec<String>,
    /// Uses of each row in the training split (`num_embeddings`).
    pub frequencies: Vec<u64>,
}

/// `<feature>.arrow`, with every byte outside of `[A-Za-z0-9_-]` written as `%XX`.
pub(super) fn file_name(feature: &str) -> String {
    use std::fmt::Write;
    let mut name = String::new();
    for byte in feature.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name + ".arrow"
}

/// The schema of a vocabulary file: value Utf8, row UInt32, frequency UInt64.
fn file_schema() -> Schema {
    Schema::new(vec![
        Field::new("value", DataType::Utf8, false),
        Field::new("row", DataType::UInt32, false),
        Field::new("frequency", DataType::UInt64, false),
    ])
}

impl Vocabulary {
    /// Reads a vocabulary file that must have `rows` rows.
    pub(super) fn read(path: &Path, rows: usize) -> Result<Vocabulary, DatasetError> {
        let file = arrow_file::open(path, None)?;
        check_types(path, &file.schema)?;
        let mut values = Vec::with_capacity(rows);
        for batch in &file.batches {
            let column: &StringArray = downcast(path, batch, 0)?;
            values.extend((0..column.len()).map(|index| column.value(index).to_owned()));
            check_row_numbers(
                path,
                downcast::<PrimitiveArray<UInt32Type>>(path, batch, 1)?,
                values.len(),
            )?;
        }
        let frequencies = frequencies(path, &file.batches, 2, rows)?;
        Ok(Vocabulary { values, frequencies })
    }

    /// Reads the frequencies alone.
    pub(super) fn read_frequencies(path: &Path, rows: usize) -> Result<Vec<u64>, DatasetError> {
        let file = arrow_file::open(path, Some(&[2]))?;
        check_types(path, &file.schema)?;
        frequencies(path, &file.batches, 0, rows)
    }
}

/// Writes a vocabulary file, in record batches of 65,536 rows; `append_value` appends the value of a row, UTF-8, to a text.
pub(super) fn write(
    path: &Path,
    append_value: impl Fn(usize, &mut Vec<u8>),
    frequencies: &[u64],
) -> Result<(), DatasetError> {
    let io = |source| DatasetError::Io {
        path: path.to_owned(),
        source,
    };
    let arrow = |source| DatasetError::Arrow {
        path: path.to_owned(),
        source,
    };
    let schema = Arc::new(file_schema());
    let file = BufWriter::new(File::create(path).map_err(io)?);
    let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &schema).map_err(arrow)?;
    for start in (0..frequencies.len()).step_by(BATCH_ROWS) {
        let rows = start..frequencies.len().min(start + BATCH_ROWS);
        let values = strings(rows.clone(), &append_value).map_err(arrow)?;
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![
                Arc::new(values),
                Arc::new(UInt32Array::from_iter_values(rows.clone().map(|row| row as u32))),
                Arc::new(UInt64Array::from(frequencies[rows].to_vec())),
            ],
        );
        writer.write(&batch.map_err(arrow)?).map_err(arrow)?;
    }
    writer.finish().map_err(arrow)
}

fn strings(rows: Range<usize>, append_value: impl Fn(usize, &mut Vec<u8>)) -> Result<StringArray, ArrowError> {
    let mut ends = Vec::with_capacity(rows.len() + 1);
    ends.push(0);
    let mut text = Vec::new();
    for row in rows {
        append_value(row, &mut text);
        let end = i32::try_from(text.len());
        ends.push(end.map_err(|_| ArrowError::OffsetOverflowError(text.len()))?);
    }
    StringArray::try_new(OffsetBuffer::new(ends.into()), text.into(), None)
}

fn check_types(path: &Path, schema: &Schema) -> Result<(), DatasetError> {
    let expected = file_schema();
    let same = schema.fields().len() == expected.fields().len()
        && schema
            .fields()
            .iter()
            .zip(expected.fields())
            .all(|(found, expected)| found.name() == expected.name() && found.data_type() == expected.data_type());
    if same {
        return Ok(());
    }
    let message = "the columns are not value (Utf8), row (UInt32), frequency (UInt64)".to_owned();
    Err(DatasetError::Inconsistent {
        path: path.to_owned(),
        message,
    })
}

fn downcast<'a, T: Array + 'static>(path: &Path, batch: &'a RecordBatch, column: usize) -> Result<&'a T, DatasetError> {
    let array = batch.column(column);
    let typed = array
        .as_any()
        .downcast_ref::<T>()
        .filter(|array| array.null_count() == 0);
    typed.ok_or_else(|| DatasetError::Inconsistent {
        path: path.to_owned(),
        message: format!(
            "column {column} is {} with {} nulls",
            array.data_type(),
            array.null_count()
        ),
    })
}

fn check_row_numbers(path: &Path, rows: &PrimitiveArray<UInt32Type>, end: usize) -> Result<(), DatasetError> {
    let start = end - rows.len();
    match rows
        .values()
        .iter()
        .enumerate()
        .find(|&(index, &row)| row as usize != start + index)
    {
        None => Ok(()),
        Some((index, row)) => Err(DatasetError::Inconsistent {
            path: path.to_owned(),
            message: format!("row number {row} stands where {} is expected", start + index),
        }),
    }
}

fn frequencies(path: &Path, batches: &[RecordBatch], column: usize, rows: usize) -> Result<Vec<u64>, DatasetError> {
    let mut frequencies = Vec::with_capacity(rows);
    for batch in batches {
        frequencies.extend_from_slice(downcast::<PrimitiveArray<UInt64Type>>(path, batch, column)?.values());
    }
    if frequencies.len() == rows {
        return Ok(frequencies);
    }
    let message = format!(
        "{} values where dataset.toml says num_embeddings = {rows}",
        frequencies.len()
    );
    Err(DatasetError::Inconsistent {
        path: path.to_owned(),
        message,
    })
}
