//! The values of one column of a decoded record batch, in one of a few forms.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, ListArray, StringArray};
use arrow_schema::DataType;

use crate::data::source::RawExample;

/// A column.
pub(super) enum Cells {
    /// `false` and `true`.
    Booleans(BooleanArray),
    /// Integers of any width; a UInt64 may need more than an i64.
    Integers(Vec<Option<i128>>),
    /// Floating-point numbers.
    Floats(Vec<Option<f64>>),
    /// Text.
    Strings(StringArray),
    /// Bytes that may be text: some writers leave out the mark that they are.
    Bytes(BinaryArray),
    /// Lists of one of the above.
    Lists(ListArray, Box<Cells>),
}

/// Whether a column of this type can be a label or dense.
pub(super) fn is_number(kind: &DataType) -> bool {
    kind.is_integer() || matches!(kind, DataType::Boolean | DataType::Float32 | DataType::Float64)
}

/// Whether a column of this type can be categorical. (A floating-point number is not equal to itself often enough.)
pub(super) fn is_category(kind: &DataType) -> bool {
    kind.is_integer() || matches!(kind, DataType::Boolean | DataType::Utf8 | DataType::Binary)
}

impl Cells {
    /// `None` if the type is neither [`is_number`] nor [`is_category`] nor a list of such.
    pub fn new(array: &ArrayRef) -> Option<Cells> {
        macro_rules! integers {
            ($type:ty) => {
                Cells::Integers(
                    array
                        .as_primitive::<$type>()
                        .iter()
                        .map(|value| value.map(i128::from))
                        .collect(),
                )
            };
        }
        Some(match array.data_type() {
            DataType::Boolean => Cells::Booleans(array.as_boolean().clone()),
            DataType::Int8 => integers!(Int8Type),
            DataType::Int16 => integers!(Int16Type),
            DataType::Int32 => integers!(Int32Type),
            DataType::Int64 => integers!(Int64Type),
            DataType::UInt8 => integers!(UInt8Type),
            DataType::UInt16 => integers!(UInt16Type),
            DataType::UInt32 => integers!(UInt32Type),
            DataType::UInt64 => integers!(UInt64Type),
            DataType::Float32 => Cells::Floats(
                array
                    .as_primitive::<Float32Type>()
                    .iter()
                    .map(|value| value.map(f64::from))
                    .collect(),
            ),
            DataType::Float64 => Cells::Floats(array.as_primitive::<Float64Type>().iter().collect()),
            DataType::Utf8 => Cells::Strings(array.as_string().clone()),
            DataType::Binary => Cells::Bytes(array.as_binary().clone()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Cells::Lists(list.clone(), Box::new(Cells::new(list.values())?))
            }
            _ => return None,
        })
    }

    /// A number; `None` for null.
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Cells::Booleans(cells) => cells.is_valid(row).then(|| f64::from(u8::from(cells.value(row)))),
            Cells::Integers(cells) => cells[row].map(|value| value as f64),
            Cells::Floats(cells) => cells[row],
            _ => None,
        }
    }

    /// Pushes the row's category, or its bag.
    pub fn push_categories(&self, row: usize, example: &mut RawExample) -> Result<(), String> {
        match self {
            Cells::Lists(list, items) => {
                if list.is_valid(row) {
                    let offsets = list.value_offsets();
                    (offsets[row]..offsets[row + 1]).try_for_each(|item| items.push_to_bag(item as usize, example))?;
                }
            }
            plain => plain.push_to_bag(row, example)?,
        }
        example.end_bag();
        Ok(())
    }

    fn push_to_bag(&self, row: usize, example: &mut RawExample) -> Result<(), String> {
        match self {
            Cells::Strings(cells) => {
                example.push_to_bag(if cells.is_valid(row) { cells.value(row) } else { "" });
            }
            Cells::Bytes(cells) => {
                let bytes = if cells.is_valid(row) { cells.value(row) } else { b"" };
                let text = std::str::from_utf8(bytes);
                example.push_to_bag(text.map_err(|_| format!("{} is not UTF-8", bytes.escape_ascii()))?);
            }
            Cells::Booleans(cells) if cells.is_null(row) => example.push_to_bag(""),
            Cells::Integers(cells) if cells[row].is_none() => example.push_to_bag(""),
            other => example.push_to_bag(&other.show(row)),
        }
        Ok(())
    }

    /// The value as text.
    pub fn show(&self, row: usize) -> String {
        fn shown<T: ToString>(value: Option<T>) -> String {
            value.map_or_else(|| "null".to_owned(), |value| value.to_string())
        }
        match self {
            Cells::Booleans(cells) => shown(cells.is_valid(row).then(|| cells.value(row))),
            Cells::Integers(cells) => shown(cells[row]),
            Cells::Floats(cells) => shown(cells[row]),
            Cells::Strings(cells) => shown(cells.is_valid(row).then(|| cells.value(row))),
            Cells::Bytes(cells) => shown(cells.is_valid(row).then(|| cells.value(row).escape_ascii())),
            Cells::Lists(list, _) if list.is_null(row) => "null".to_owned(),
            Cells::Lists(list, items) => {
                let offsets = list.value_offsets();
                let shown = (offsets[row]..offsets[row + 1]).map(|item| items.show(item as usize));
                format!("[{}]", shown.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
