//! An embedding table as it was stored: a product of factors.

mod stored;

use std::ops::Range;

use faer::MatMut;
use ndarray::{Array2, Axis, s};

pub use stored::{Entries, Float, Mapped, Order};

/// The entries of one stored matrix, in the type that holds them without loss.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Stored as f32, f16 or bf16.
    F32(Array2<f32>),
    /// Stored as f64.
    F64(Array2<f64>),
    /// Left in its file.
    Mapped(Mapped),
}

/// One stored matrix: a whole table, or one factor of its product.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// The tensor's name in its file, for messages.
    pub name: String,
    /// The entries, (rows, columns).
    pub values: Values,
    /// The spacing of 1.0 in the type the file stored: 2⁻¹⁰ for f16, 2⁻⁷ for bf16, 2⁻²³ for f32, 2⁻⁵² for f64.
    pub epsilon: f64,
}

impl Factor {
    /// A factor stored as f32.
    pub fn f32(name: impl Into<String>, values: Array2<f32>) -> Self {
        Factor {
            name: name.into(),
            values: Values::F32(values),
            epsilon: f32::EPSILON as f64,
        }
    }

    /// A factor stored as f64.
    pub fn f64(name: impl Into<String>, values: Array2<f64>) -> Self {
        Factor {
            name: name.into(),
            values: Values::F64(values),
            epsilon: f64::EPSILON,
        }
    }

    /// A factor that stays in its file.
    pub fn mapped(name: impl Into<String>, values: Mapped) -> Self {
        Factor {
            name: name.into(),
            epsilon: values.float().epsilon(),
            values: Values::Mapped(values),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.values {
            Values::F32(a) => a.nrows(),
            Values::F64(a) => a.nrows(),
            Values::Mapped(a) => a.rows(),
        }
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        match &self.values {
            Values::F32(a) => a.ncols(),
            Values::F64(a) => a.ncols(),
            Values::Mapped(a) => a.cols(),
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.rows() * self.cols()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows named, in that order, as a factor of its own: a view where the factor stays in its file. Row numbers must lie below [`Factor::rows`].
    pub fn select_rows(&self, rows: &[usize]) -> Factor {
        let values = match &self.values {
            Values::F32(a) => Values::F32(a.select(Axis(0), rows)),
            Values::F64(a) => Values::F64(a.select(Axis(0), rows)),
            Values::Mapped(a) => Values::Mapped(a.select(rows)),
        };
        Factor {
            name: self.name.clone(),
            values,
            epsilon: self.epsilon,
        }
    }

    /// Hands whole rows, in the type they are stored in, to `take`: a slice where they lie behind one another, else a copy.
    pub fn with_rows<R>(&self, rows: Range<usize>, take: impl FnOnce(Entries<'_>) -> R) -> R {
        let slice = s![rows.clone(), ..];
        match &self.values {
            Values::F32(a) => {
                let rows = a.slice(slice);
                take(Entries::F32(rows.as_standard_layout().as_slice().unwrap_or_default()))
            }
            Values::F64(a) => {
                let rows = a.slice(slice);
                take(Entries::F64(rows.as_standard_layout().as_slice().unwrap_or_default()))
            }
            Values::Mapped(a) => match a.entries(rows.clone()) {
                Some(entries) => take(entries),
                None => {
                    let cols = a.cols();
                    let mut copy = vec![0.0; rows.len() * cols];
                    a.each(rows, |i, j, x| copy[i * cols + j] = x);
                    match a.float() {
                        Float::F64 => take(Entries::F64(&copy)),
                        _ => take(Entries::F32(&copy.iter().map(|&x| x as f32).collect::<Vec<_>>())),
                    }
                }
            },
        }
    }

    /// The greatest |entry|, or the (row, column) of an entry that is not finite: the first, row by row.
    pub(crate) fn largest(&self) -> Result<f64, (usize, usize)> {
        const ROWS: usize = 8192;
        let cols = self.cols();
        let mut largest = 0.0f64;
        for start in (0..self.rows()).step_by(ROWS) {
            let rows = start..self.rows().min(start + ROWS);
            let part = self.with_rows(rows, |entries| entries.largest());
            match part {
                Ok(part) => largest = largest.max(part),
                Err(at) => return Err((start + at / cols, at % cols)),
            }
        }
        Ok(largest)
    }

    /// Writes `scale · rows[range]` into `out` ((range length) × columns).
    pub(crate) fn read_rows(&self, range: Range<usize>, scale: f64, mut out: MatMut<'_, f64>) {
        let cols = self.cols();
        self.with_rows(range, |entries| {
            entries.each(|at, x| out[(at / cols, at % cols)] = x * scale)
        });
    }
}

/// One embedding table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The categorical feature, or the tensor's name where the file knows of no features.
    pub name: String,
    /// The factors in the order of the product; one for a plain table.
    pub factors: Vec<Factor>,
    /// The same factors before training, where known.
    pub initial: Option<Vec<Factor>>,
    /// How often each row was used in training, where known: one count a row.
    pub frequencies: Option<Vec<u64>>,
}

impl Table {
    /// A table with nothing known but its factors.
    pub fn new(name: impl Into<String>, factors: Vec<Factor>) -> Self {
        Table {
            name: name.into(),
            factors,
            initial: None,
            frequencies: None,
        }
    }

    /// `num_embeddings`, n.
    pub fn num_embeddings(&self) -> usize {
        self.factors.first().map_or(0, Factor::rows)
    }

    /// `embedding_dim`, d.
    pub fn embedding_dim(&self) -> usize {
        self.factors.last().map_or(0, Factor::cols)
    }

    /// `inner_dim` k: the width between the first factor and the second; none for a plain table.
    pub fn inner_dim(&self) -> Option<usize> {
        (self.factors.len() > 1).then(|| self.factors[0].cols())
    }

    /// Stored numbers, over all factors.
    pub fn parameters(&self) -> usize {
        self.factors.iter().map(Factor::len).sum()
    }

    /// The coarsest spacing among the types the factors were stored in; see [`Factor::epsilon`].
    pub fn epsilon(&self) -> f64 {
        self.factors.iter().map(|f| f.epsilon).fold(0.0, f64::max)
    }

    /// The rows used at least `minimum` times in training; none where frequencies are not known.
    pub fn frequent_rows(&self, minimum: u64) -> Option<Vec<usize>> {
        let counts = self.frequencies.as_ref()?;
        Some(
            (0..counts.len().min(self.num_embeddings()))
                .filter(|&i| counts[i] >= minimum)
                .collect(),
        )
    }

    /// The factors of the table that holds only the given rows.
    pub fn select_rows(&self, rows: &[usize]) -> Vec<Factor> {
        let mut factors = Vec::with_capacity(self.factors.len());
        if let Some(first) = self.factors.first() {
            factors.push(first.select_rows(rows));
            factors.extend_from_slice(&self.factors[1..]);
        }
        factors
    }
}
