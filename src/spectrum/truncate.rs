//! A table in fewer numbers: the closest product of inner dimension d', made block of rows by block of rows.

use super::advice::{Form, stored_type};
use super::table::{Factor, Float, Table};
use super::{Leading, SpectrumError, leading, values};
use faer::{Mat, Par};
use half::{bf16, f16};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers of a block at most: what is in memory at a time is [`BLOCKS`] of them.
const NUMBERS: usize = 1 << 16;
/// Blocks made side by side.
const BLOCKS: usize = 16;

/// W = W₁·T (n×d) in another [`Form`], T the product of the further factors.
///
/// *Factored* at rank d' with V (d×d') the leading right singular vectors: `L = W₁·(T·V)` (n×d') and `R = Vᵀ` (d'×d), each rounded
/// once to the type of W₁. `L·R = W·V·Vᵀ` is the closest matrix of rank d' but for this rounding.
pub struct Truncation<'a> {
    table: &'a Table,
    float: Float,
    /// T (k×d); none for a single factor.
    tail: Option<Mat<f64>>,
    /// T·V (k×d') and R (d'×d), rounded; none where nothing is cut off.
    cut: Option<(Mat<f64>, Mat<f64>)>,
}

/// What writing a table did to it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Written {
    /// ‖W − Ŵ‖_F, Ŵ the product of the numbers written.
    pub error: f64,
    /// ‖W‖_F.
    pub norm: f64,
    /// Whether a number was too great for the type it is stored in.
    pub overflow: bool,
}

/// What all truncations of a table share: T, and V of all its directions. Decomposed once, cut at any rank.
///
/// It holds small matrices only, k×d and d×min(n, k, d) numbers of f64, and nothing that grows with n: each cut reads W₁ anew.
pub struct Directions<'a> {
    table: &'a Table,
    tail: Option<Mat<f64>>,
    v: Mat<f64>,
}

impl<'a> Directions<'a> {
    /// Decomposes the table.
    ///
    /// # Errors
    /// [`SpectrumError`], which names the tensor.
    pub fn of(table: &'a Table) -> Result<Self, SpectrumError> {
        let widths = table.factors.iter().map(|factor| factor.rows().min(factor.cols()));
        let Leading { v, .. } = leading(&table.factors, widths.min().unwrap_or(0))?;
        Ok(Self {
            table,
            tail: tail(table)?,
            v,
        })
    }

    /// The table in a form, to the bit what [`Truncation::of`] makes of it.
    ///
    /// # Errors
    /// [`SpectrumError`], at a rank above every inner dimension: that is decomposed anew, since its last vectors are not kept.
    pub fn cut(&self, form: Form) -> Result<Truncation<'a>, SpectrumError> {
        match form {
            // The first columns, and T times those: a wider T·V need not have the same bits in its first columns.
            Form::Factored(rank) if rank <= self.v.ncols() => {
                let v = self.v.get(.., ..rank).to_owned();
                Truncation::new(self.table, self.tail.clone(), Some(v))
            }
            _ => Truncation::of(self.table, form),
        }
    }
}

/// T, the product of the factors behind the first.
fn tail(table: &Table) -> Result<Option<Mat<f64>>, SpectrumError> {
    let (_, rest) = table.factors.split_first().ok_or(SpectrumError::NoFactor)?;
    Ok(rest.iter().map(|factor| values::whole(factor, 0)).reduce(|a, b| a * b))
}

impl<'a> Truncation<'a> {
    /// Decomposes the table where `form` needs it. For several ranks of one table, [`Directions`] does so once.
    ///
    /// # Errors
    /// [`SpectrumError`], which names the tensor.
    pub fn of(table: &'a Table, form: Form) -> Result<Self, SpectrumError> {
        let v = match form {
            Form::Kept | Form::Multiplied => None,
            Form::Factored(rank) => Some(leading(&table.factors, rank)?.v),
        };
        Self::new(table, tail(table)?, v)
    }

    fn new(table: &'a Table, tail: Option<Mat<f64>>, v: Option<Mat<f64>>) -> Result<Self, SpectrumError> {
        let float = stored_type(table.factors.first().ok_or(SpectrumError::NoFactor)?);
        let cut = v.map(|v| {
            let rounded = Mat::from_fn(v.ncols(), v.nrows(), |i, j| round(float, v[(j, i)]));
            let right = tail.as_ref().map_or_else(|| v.clone(), |tail| tail * &v);
            (right, rounded)
        });
        Ok(Self {
            table,
            float,
            tail,
            cut,
        })
    }

    /// The type of the numbers written.
    pub fn float(&self) -> Float {
        self.float
    }

    /// R (d'×d) as bytes; empty where nothing is cut off.
    pub fn second(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some((_, rows)) = &self.cut {
            encode(self.float, rows, &mut bytes);
        }
        bytes
    }

    /// Hands on L, or W where nothing is cut off, as bytes, block by block.
    ///
    /// # Errors
    /// Whatever `put` returns.
    pub fn first<E>(&self, mut put: impl FnMut(&[u8]) -> Result<(), E>) -> Result<Written, E> {
        let rows = self.table.num_embeddings();
        let width = self.table.factors.first().map_or(1, Factor::cols) + self.table.embedding_dim();
        let step = (NUMBERS / width).max(1);
        let (mut squares, mut overflow) = ((0.0, 0.0), false);
        for start in (0..rows).step_by(BLOCKS * step) {
            let end = rows.min(start + BLOCKS * step);
            let starts: Vec<usize> = (start..end).step_by(step).collect();
            let blocks: Vec<Block> = starts
                .into_par_iter()
                .map(|from| self.block(from..end.min(from + step)))
                .collect();
            for block in blocks {
                // In this order, so that the sums do not depend on the number of threads.
                squares = (squares.0 + block.error, squares.1 + block.norm);
                overflow |= block.overflow;
                put(&block.bytes)?;
            }
        }
        Ok(Written {
            error: f64::sqrt(squares.0),
            norm: f64::sqrt(squares.1),
            overflow,
        })
    }

    /// Rows of Ŵ, the product of the numbers as they would be written.
    pub fn rows(&self, rows: Range<usize>) -> Mat<f64> {
        let (_, left) = self.left(rows);
        match &self.cut {
            None => left,
            Some((_, right)) => product(&left, right),
        }
    }

    /// Rows of W₁, and of L rounded, or of W rounded.
    fn left(&self, rows: Range<usize>) -> (Mat<f64>, Mat<f64>) {
        let mut first = Mat::zeros(rows.len(), 0);
        if let Some(factor) = self.table.factors.first() {
            first = Mat::zeros(rows.len(), factor.cols());
            factor.read_rows(rows, 1.0, first.as_mut());
        }
        let mut left = match (&self.cut, &self.tail) {
            (Some((right, _)), _) => product(&first, right),
            (None, Some(tail)) => product(&first, tail),
            (None, None) => first.clone(),
        };
        for column in left.col_iter_mut() {
            column.iter_mut().for_each(|x| *x = round(self.float, *x));
        }
        (first, left)
    }

    fn block(&self, rows: Range<usize>) -> Block {
        let (first, left) = self.left(rows);
        let whole = self
            .tail
            .as_ref()
            .map_or_else(|| first.clone(), |tail| product(&first, tail));
        let written = match &self.cut {
            Some((_, right)) => &product(&left, right),
            None => &left,
        };
        let mut bytes = Vec::with_capacity(left.nrows() * left.ncols() * self.float.size());
        encode(self.float, &left, &mut bytes);
        let overflow = left.col_iter().any(|column| column.iter().any(|x| !x.is_finite()));
        Block {
            bytes,
            error: (&whole - written).squared_norm_l2(),
            norm: whole.squared_norm_l2(),
            overflow,
        }
    }
}

struct Block {
    bytes: Vec<u8>,
    /// ‖·‖_F² of the rows' difference.
    error: f64,
    /// ‖·‖_F² of the rows.
    norm: f64,
    overflow: bool,
}

/// On the thread that asks: blocks are made side by side.
fn product(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    faer::linalg::matmul::matmul(&mut out, faer::Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

fn round(float: Float, x: f64) -> f64 {
    match float {
        Float::F16 => f16::from_f64(x).to_f64(),
        Float::Bf16 => bf16::from_f64(x).to_f64(),
        Float::F32 => f64::from(x as f32),
        Float::F64 => x,
    }
}

/// Appends a matrix, row by row, little-endian.
fn encode(float: Float, a: &Mat<f64>, bytes: &mut Vec<u8>) {
    for i in 0..a.nrows() {
        for j in 0..a.ncols() {
            encode_one(float, a[(i, j)], bytes);
        }
    }
}

fn encode_one(float: Float, x: f64, bytes: &mut Vec<u8>) {
    match float {
        Float::F16 => bytes.extend(f16::from_f64(x).to_le_bytes()),
        Float::Bf16 => bytes.extend(bf16::from_f64(x).to_le_bytes()),
        Float::F32 => bytes.extend((x as f32).to_le_bytes()),
        Float::F64 => bytes.extend(x.to_le_bytes()),
    }
}

/// Hands on a factor's numbers as they are stored, in the file's type.
///
/// # Errors
/// Whatever `put` returns.
pub fn copy<E>(factor: &Factor, mut put: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let float = stored_type(factor);
    let step = (BLOCKS * NUMBERS / factor.cols().max(1)).max(1);
    let mut bytes = Vec::new();
    for start in (0..factor.rows()).step_by(step) {
        bytes.clear();
        factor.with_rows(start..factor.rows().min(start + step), |entries| {
            entries.each(|_, x| encode_one(float, x, &mut bytes));
        });
        put(&bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(rows: usize, cols: usize, seed: u64) -> Factor {
        let mut state = seed;
        let values = ndarray::Array2::from_shape_fn((rows, cols), |(_, j)| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0) / (1 + j) as f32
        });
        Factor::f32("w", values)
    }

    /// Single, wide and narrow products, one narrowest in its middle, fewer rows than columns, and zero.
    #[test]
    fn cut_from_kept_directions_to_the_bit() {
        let single = vec![factor(300, 7, 1)];
        let wide = vec![factor(300, 40, 2), factor(40, 7, 3)];
        let narrow = vec![factor(300, 3, 4), factor(3, 7, 5)];
        let waist = vec![factor(300, 8, 6), factor(8, 2, 7), factor(2, 7, 8)];
        let flat = vec![factor(4, 9, 9), factor(9, 7, 10)];
        let zero = vec![Factor::f32("w", ndarray::Array2::zeros((300, 7)))];
        for factors in [single, wide, narrow, waist, flat, zero] {
            let table = Table::new("t", factors);
            let directions = Directions::of(&table).unwrap();
            let most = table.num_embeddings().min(table.embedding_dim());
            let forms = (1..=most).map(Form::Factored);
            for form in forms.chain([Form::Kept, Form::Multiplied]) {
                let (once, anew) = (directions.cut(form).unwrap(), Truncation::of(&table, form).unwrap());
                assert_eq!(once.second(), anew.second(), "{form:?}");
                let bytes = |cut: &Truncation<'_>| {
                    let mut all = Vec::new();
                    let put = |block: &[u8]| {
                        all.extend_from_slice(block);
                        Ok::<_, ()>(())
                    };
                    cut.first(put).unwrap();
                    all
                };
                assert_eq!(bytes(&once), bytes(&anew), "{form:?}");
            }
        }
    }
}
