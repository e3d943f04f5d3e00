//! Columns of lists in Parquet and Arrow files: each whose lists all hold the same number of floats is a table.
//!
//! The numbers are copied once, into the f32 or f64 that holds them: in these files they may be encoded or compressed, and in any case lie in
//! many pieces.

mod arrow;
mod pages;
mod parquet;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, OffsetSizeTrait};
use arrow_schema::DataType;
use bytes::Bytes;
use memmap2::Mmap;
use ndarray::Array2;

use super::map::MOST_INFLATION;
use crate::spectrum::table::{Factor, Float, Values};

pub(super) use arrow::read as read_arrow;
pub(super) use parquet::read as read_parquet;

/// What any page or buffer may unpack to, however few bytes it has: runs of zeros take none.
const FREE: u64 = 16 << 20;

/// Whether `stored` bytes can stand for `claimed` ones.
fn plausible(claimed: u64, stored: u64) -> bool {
    claimed <= FREE.max(stored.saturating_mul(MOST_INFLATION))
}

/// The map as the bytes that the readers take.
fn shared(map: Arc<Mmap>) -> Bytes {
    struct Owner(Arc<Mmap>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Owner(map))
}

thread_local! {
    /// Whether this thread is in [`guard`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder, whose panics on damaged files are errors. What is known to ask for much memory is looked at before; this is for the
/// rest: parquet 60.1 slices beyond the end of a page of f16 that is too short for its values.
///
/// The panic's message would still be printed. So the first call puts a hook before the one there is, which keeps silent for a
/// thread that is in here and nowhere else.
fn guard<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    GUARDED.set(true);
    let made = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(false);
    made.unwrap_or_else(|_| Err("the file is damaged".into()))
}

/// The floats in the lists of a column, or why it is no table.
fn floats(kind: &DataType) -> Result<Float, String> {
    let item = match kind {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => item.data_type(),
        _ => return Err(format!("is a column of {kind}, not of lists of floats")),
    };
    match item {
        DataType::Float16 => Ok(Float::F16),
        DataType::Float32 => Ok(Float::F32),
        DataType::Float64 => Ok(Float::F64),
        _ => Err(format!("is a column of {kind}, not of lists of floats")),
    }
}

/// Why a column cannot be collected.
enum Stop {
    /// It is no table.
    NoTable(String),
    /// The file is damaged or a bomb.
    Bad(String),
}

/// A table that grows batch by batch.
struct Collector {
    float: Float,
    columns: Option<usize>,
    rows: usize,
    singles: Vec<f32>,
    doubles: Vec<f64>,
    /// Most bytes that may be collected.
    limit: u64,
}

impl Collector {
    /// For a column of a file of `stored` bytes that promises `rows` rows.
    fn new(float: Float, stored: usize) -> Self {
        Self {
            float,
            columns: None,
            rows: 0,
            singles: Vec::new(),
            doubles: Vec::new(),
            limit: FREE.max((stored as u64).saturating_mul(MOST_INFLATION)),
        }
    }

    /// Room for so many rows in all, as far as the file itself is as long: what a header merely claims is not allocated.
    fn reserve(&mut self, rows: u64, stored: usize) {
        let Some(columns) = self.columns else { return };
        let entries = usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(columns);
        match self.float {
            Float::F64 => self
                .doubles
                .reserve_exact(entries.min(stored / 8).saturating_sub(self.doubles.len())),
            _ => self
                .singles
                .reserve_exact(entries.min(stored / 4).saturating_sub(self.singles.len())),
        }
    }

    /// Adds the lists of an array.
    fn add(&mut self, array: &dyn Array) -> Result<(), Stop> {
        if array.null_count() > 0 {
            let row = (0..array.len()).find(|&i| array.is_null(i)).unwrap_or(0);
            return Err(Stop::NoTable(format!("has no list in row {}", self.rows + row)));
        }
        if let Some(lists) = array.as_fixed_size_list_opt() {
            let columns = usize::try_from(lists.value_length()).unwrap_or(0);
            self.check_columns(columns, self.rows)?;
            let start = lists.value_offset_at(0);
            let entries = array.len().saturating_mul(columns);
            self.numbers(&lists.values().slice(start, entries))?;
        } else if let Some(lists) = array.as_list_opt::<i32>() {
            self.lists(lists.value_offsets(), lists.values())?;
        } else if let Some(lists) = array.as_list_opt::<i64>() {
            self.lists(lists.value_offsets(), lists.values())?;
        } else {
            return Err(Stop::Bad("a column of another type than its schema says".into()));
        }
        self.rows += array.len();
        Ok(())
    }

    fn lists<O: OffsetSizeTrait>(&mut self, offsets: &[O], values: &dyn Array) -> Result<(), Stop> {
        for (row, pair) in offsets.windows(2).enumerate() {
            self.check_columns((pair[1] - pair[0]).as_usize(), self.rows + row)?;
        }
        match offsets {
            [first, .., last] => self.numbers(&values.slice(first.as_usize(), (*last - *first).as_usize())),
            _ => Ok(()),
        }
    }

    fn check_columns(&mut self, columns: usize, row: usize) -> Result<(), Stop> {
        match *self.columns.get_or_insert(columns) {
            first if first == columns => Ok(()),
            first => Err(Stop::NoTable(format!(
                "has lists of different lengths: {first} in row 0, {columns} in row {row}"
            ))),
        }
    }

    fn numbers(&mut self, values: &dyn Array) -> Result<(), Stop> {
        if values.null_count() > 0 {
            let at = (0..values.len()).find(|&i| values.is_null(i)).unwrap_or(0);
            let row = self.rows + at / self.columns.unwrap_or(1).max(1);
            return Err(Stop::NoTable(format!("has no number in a place of row {row}")));
        }
        let kept = (self.singles.len() * 4 + self.doubles.len() * 8) as u64;
        if kept + values.len() as u64 * self.float.size() as u64 > self.limit {
            let limit = self.limit;
            let message =
                format!("unpacks to more than {limit} bytes, {MOST_INFLATION} times the file: store it uncompressed");
            return Err(Stop::Bad(message));
        }
        let wrong = || Stop::Bad("a column of another type than its schema says".into());
        match self.float {
            Float::F64 => {
                let values = values.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
                self.doubles.extend_from_slice(values.values());
            }
            Float::F32 => {
                let values = values.as_primitive_opt::<Float32Type>().ok_or_else(wrong)?;
                self.singles.extend_from_slice(values.values());
            }
            _ => {
                let values = values.as_primitive_opt::<Float16Type>().ok_or_else(wrong)?;
                self.singles.extend(values.values().iter().map(|x| x.to_f32()));
            }
        }
        Ok(())
    }

    fn finish(self, name: &str) -> Result<Factor, String> {
        let shape = (self.rows, self.columns.unwrap_or(0));
        let values = match self.float {
            Float::F64 => Array2::from_shape_vec(shape, self.doubles).map(Values::F64),
            _ => Array2::from_shape_vec(shape, self.singles).map(Values::F32),
        };
        Ok(Factor {
            name: name.into(),
            values: values.map_err(|e| e.to_string())?,
            epsilon: self.float.epsilon(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::guard;

    #[test]
    fn a_panic_of_a_decoder_is_an_error() {
        assert_eq!(guard(|| Ok(3)), Ok(3));
        let index = std::hint::black_box(7);
        assert_eq!(guard(|| Ok([1, 2, 3][index])), Err("the file is damaged".to_string()));
        assert_eq!(guard(|| Ok(4)), Ok(4));
    }
}
