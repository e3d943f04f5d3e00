//! `spectrum.parquet`: one row a feature and model, everything that `spectrum.json` holds, in typed columns.
//!
//! Columns have the names of `spectrum.csv`; what is a list in the JSON file is a list here (`unnest` in DuckDB, `explode` in
//! pandas and Polars). A count that its interval does not decide is null, and stands in `…_least` and `…_most`.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use serde_json::{Map, Value};

use super::record::{Feature, Report, Spectrum};
use crate::spectrum::{CertifiedSpectrum, Route};

/// Keys of a feature's record that are columns of another form here.
const TAKEN_APART: [&str; 6] = ["name", "intervals", "initial", "frequent", "centred", "weighted"];
/// Which spectra a feature has, by the prefix of their columns.
const PREFIXES: [&str; 5] = ["", "initial_", "frequent_", "centred_", "weighted_"];

/// The bytes of the file.
///
/// # Errors
/// [`ParquetError`]: only for memory, since every column has the type of all its values.
pub fn parquet(report: &Report) -> Result<Vec<u8>, ParquetError> {
    let all = report
        .models
        .iter()
        .flat_map(|m| m.features.iter().map(|f| (m.name.as_str(), f)));
    let rows: Vec<Map<String, Value>> = all.map(|(model, feature)| row(model, feature)).collect();
    // What is known beforehand comes first and has its type also where no value is known.
    let mut columns = known(&report.taus);
    for (name, value) in rows.iter().flatten() {
        let kind = type_of(value);
        match columns.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = merged(known, &kind),
            None => columns.push((name.clone(), kind)),
        }
    }
    let columns: Vec<(String, DataType)> = columns
        .into_iter()
        .map(|(name, kind)| (name, resolved(&kind)))
        .collect();
    let field = |(name, kind): &(String, DataType)| Field::new(name, kind.clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let array = |(name, kind): &(String, DataType)| {
        let values: Vec<Option<&Value>> = rows.iter().map(|row| row.get(name)).collect();
        array(kind, &values)
    };
    let arrays = columns.iter().map(array).collect::<Result<Vec<_>, ArrowError>>()?;
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    writer.write(&batch)?;
    writer.into_inner()
}

/// The columns that every file has.
fn known(taus: &[f64]) -> Vec<(String, DataType)> {
    let column = |name: &str, kind: DataType| (name.to_string(), kind);
    let mut columns = vec![column("model", DataType::Utf8), column("feature", DataType::Utf8)];
    let counts = ["n", "d", "inner_dim", "depth", "parameters"];
    columns.extend(counts.map(|name| column(name, DataType::UInt64)));
    // Of three values every measure is defined.
    let certified = CertifiedSpectrum {
        sigma: vec![4.0, 2.0, 1.0],
        intervals: Vec::new(),
        route: Route::Gram,
    };
    columns.push(column("exact_rank", DataType::UInt64));
    columns.push(column("decided_exactly", list_of(DataType::Utf8)));
    let spectrum = Spectrum::of_values(certified, (3, 3), 0.0, taus);
    for prefix in PREFIXES {
        if prefix == "frequent_" {
            columns.push(column("frequent_min_frequency", DataType::UInt64));
            columns.push(column("frequent_share_of_uses", DataType::Float64));
        }
        let cells = cells(prefix, &spectrum);
        columns.extend(cells.into_iter().map(|(name, value)| {
            let interval = ["lo", "hi"].iter().any(|end| name == format!("{prefix}{end}"));
            let kind = if interval {
                list_of(DataType::Float64)
            } else {
                type_of(&value)
            };
            (name, kind)
        }));
    }
    columns
}

fn row(model: &str, feature: &Feature) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("model".into(), model.into());
    row.insert("feature".into(), feature.name.as_str().into());
    let frequent = feature.frequent.as_ref();
    let spectra = [
        Some(&feature.spectrum),
        feature.initial.as_ref(),
        frequent.map(|f| &f.spectrum),
        feature.centred.as_ref(),
        feature.weighted.as_ref(),
    ];
    for (prefix, spectrum) in PREFIXES.iter().zip(spectra) {
        row.extend(spectrum.into_iter().flat_map(|s| cells(prefix, s)));
    }
    if let Some(frequent) = frequent {
        row.insert("frequent_min_frequency".into(), frequent.min_frequency.into());
        row.insert("frequent_share_of_uses".into(), frequent.share_of_uses.into());
    }
    // Whatever else the record has.
    if let Ok(Value::Object(record)) = serde_json::to_value(feature) {
        let rest = record
            .into_iter()
            .filter(|(name, _)| !TAKEN_APART.contains(&name.as_str()));
        for (name, value) in rest {
            row.entry(name).or_insert(value);
        }
    }
    row
}

/// A spectrum's columns.
fn cells(prefix: &str, spectrum: &Spectrum) -> Vec<(String, Value)> {
    let mut cells = vec![
        ("rows".to_string(), Value::from(spectrum.rows)),
        ("singular_values".into(), spectrum.singular_values.clone().into()),
        ("lo".into(), spectrum.intervals.iter().map(|i| i.lo).collect()),
        ("hi".into(), spectrum.intervals.iter().map(|i| i.hi).collect()),
        ("route".into(), serde_json::to_value(spectrum.route).unwrap_or_default()),
    ];
    let counts = &spectrum.measures.ranks_at;
    for (name, value) in spectrum.measures.fields() {
        match counts.iter().find(|(tau, _)| name == format!("rank_at_{tau}")) {
            Some((_, count)) => cells.extend([
                (format!("{name}_least"), count.least.into()),
                (format!("{name}_most"), count.most.into()),
                (name, count.number().into()),
            ]),
            None => cells.push((name, value)),
        }
    }
    if let Ok(Value::Object(record)) = serde_json::to_value(spectrum) {
        let here = |name: &str| TAKEN_APART.contains(&name) || cells.iter().any(|(known, _)| known == name);
        let rest: Vec<_> = record.into_iter().filter(|(name, _)| !here(name)).collect();
        cells.extend(rest);
    }
    cells
        .into_iter()
        .map(|(name, value)| (format!("{prefix}{name}"), value))
        .collect()
}

fn list_of(kind: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(kind, true)))
}

/// The type that holds a value; [`DataType::Null`] where it says nothing of its type.
fn type_of(value: &Value) -> DataType {
    match value {
        Value::Null => DataType::Null,
        Value::Bool(_) => DataType::Boolean,
        Value::Number(number) if number.is_u64() => DataType::UInt64,
        Value::Number(_) => DataType::Float64,
        Value::String(_) => DataType::Utf8,
        Value::Array(list) => list_of(list.iter().fold(DataType::Null, |kind, v| merged(&kind, &type_of(v)))),
        Value::Object(fields) => DataType::Struct(
            fields
                .iter()
                .map(|(name, value)| Field::new(name, type_of(value), true))
                .collect(),
        ),
    }
}

/// The type that holds values of both; text where there is no other.
fn merged(a: &DataType, b: &DataType) -> DataType {
    match (a, b) {
        (DataType::Null, kind) | (kind, DataType::Null) => kind.clone(),
        (a, b) if a == b => a.clone(),
        (DataType::UInt64, DataType::Float64) | (DataType::Float64, DataType::UInt64) => DataType::Float64,
        (DataType::List(a), DataType::List(b)) => list_of(merged(a.data_type(), b.data_type())),
        (DataType::Struct(a), DataType::Struct(b)) => {
            let mut fields: Vec<Field> = a.iter().map(|f| f.as_ref().clone()).collect();
            for field in b {
                match fields.iter_mut().find(|f| f.name() == field.name()) {
                    Some(known) => known.set_data_type(merged(known.data_type(), field.data_type())),
                    None => fields.push(field.as_ref().clone()),
                }
            }
            DataType::Struct(fields.into())
        }
        _ => DataType::Utf8,
    }
}

/// A type that can be written: what no value gave a type is a number that is null.
fn resolved(kind: &DataType) -> DataType {
    match kind {
        DataType::Null => DataType::Float64,
        DataType::List(item) => list_of(resolved(item.data_type())),
        DataType::Struct(fields) => {
            let field = |f: &Arc<Field>| Field::new(f.name(), resolved(f.data_type()), true);
            DataType::Struct(fields.iter().map(field).collect())
        }
        kind => kind.clone(),
    }
}

/// Values of one type; null where there is none or one of another type.
fn array(kind: &DataType, values: &[Option<&Value>]) -> Result<ArrayRef, ArrowError> {
    let each = values.iter().copied();
    Ok(match kind {
        DataType::Boolean => Arc::new(each.map(|v| v?.as_bool()).collect::<BooleanArray>()),
        DataType::UInt64 => Arc::new(each.map(|v| v?.as_u64()).collect::<UInt64Array>()),
        DataType::Float64 => Arc::new(each.map(|v| v?.as_f64()).collect::<Float64Array>()),
        DataType::List(item) => {
            let lists: Vec<Option<&Vec<Value>>> = each.map(|v| v?.as_array()).collect();
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.map_or(0, Vec::len)));
            let items: Vec<Option<&Value>> = lists.iter().flatten().flat_map(|list| list.iter().map(Some)).collect();
            let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
            let items = array(item.data_type(), &items)?;
            Arc::new(ListArray::try_new(item.clone(), offsets, items, Some(nulls))?)
        }
        DataType::Struct(fields) => structs(fields, values)?,
        _ => {
            let text = |value: &Value| match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            Arc::new(each.map(|v| v.and_then(text)).collect::<StringArray>())
        }
    })
}

fn structs(fields: &Fields, values: &[Option<&Value>]) -> Result<ArrayRef, ArrowError> {
    let objects: Vec<Option<&Map<String, Value>>> = values.iter().map(|v| (*v)?.as_object()).collect();
    let column = |field: &Arc<Field>| {
        let of_field: Vec<Option<&Value>> = objects.iter().map(|o| (*o)?.get(field.name())).collect();
        array(field.data_type(), &of_field)
    };
    let columns = fields.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let nulls = NullBuffer::from_iter(objects.iter().map(Option::is_some));
    Ok(Arc::new(StructArray::try_new_with_length(
        fields.clone(),
        columns,
        Some(nulls),
        objects.len(),
    )?))
}
