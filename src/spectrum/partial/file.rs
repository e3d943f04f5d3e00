//! Partial files: safetensors, with one JSON text as metadata (docs/spectrum.md).

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::Path;

use ndarray::Array2;
use num_bigint::{BigInt, Sign};
use num_traits::{Signed, Zero};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::{Partial, PartialError, PartialTable};
use crate::spectrum::gram::exact::ExactGram;
use crate::spectrum::sources::LeftOut;
use crate::spectrum::table::{Factor, Values};

const FORMAT: &str = "mlet partial spectrum";
const VERSION: u32 = 1;
/// Squares of f64 are multiples of 2^−2148 and below 2^2048; with up to 2⁶⁴ rows no exponent lies outside.
const EXPONENTS: std::ops::RangeInclusive<i64> = -2148..=2112;
/// Bytes of the longest sum of such squares, with its sign.
const WIDEST: usize = (2148 + 2112) / 8 + 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    parts: Vec<String>,
    tables: Vec<HeaderTable>,
    left_out: Vec<Reason>,
    failed: Vec<Reason>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderTable {
    name: String,
    tensor: String,
    rows: u64,
    cols: usize,
    epsilon: f64,
    exponent: i64,
    factors: Vec<HeaderFactor>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderFactor {
    tensor: String,
    epsilon: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    name: String,
    reason: String,
}

/// The spacings of 1.0 of the types that are read.
const EPSILONS: [f64; 4] = [
    1.0 / (1u64 << 7) as f64,
    1.0 / (1u64 << 10) as f64,
    1.0 / (1u64 << 23) as f64,
    f64::EPSILON,
];

/// A factor out of its file: as f64 where it is stored so, else as f32.
pub(super) fn in_memory(factor: &Factor) -> Factor {
    let mut all = Array2::zeros((factor.rows(), factor.cols()));
    let cols = factor.cols().max(1);
    factor.with_rows(0..factor.rows(), |entries| {
        entries.each(|at, x| all[(at / cols, at % cols)] = x);
    });
    let values = match factor.epsilon == f64::EPSILON {
        true => Values::F64(all),
        false => Values::F32(all.mapv(|x| x as f32)), // every narrower float is an f32
    };
    Factor {
        name: factor.name.clone(),
        values,
        epsilon: factor.epsilon,
    }
}

/// The entries' bytes, row by row, little-endian.
pub(super) fn bits_of(factor: &Factor) -> Vec<u8> {
    match &factor.values {
        Values::F32(a) => a.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Values::F64(a) => a.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Values::Mapped(_) => bits_of(&in_memory(factor)),
    }
}

fn upper(cols: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..cols).flat_map(move |i| (i..cols).map(move |j| (i, j)))
}

/// The upper triangle in two's complement, little-endian, each entry of the same width; and the width.
fn packed(gram: &ExactGram) -> (Vec<u8>, usize) {
    let entries: Vec<(Vec<u8>, bool)> = upper(gram.cols)
        .map(|(i, j)| (gram.at(i, j).to_signed_bytes_le(), gram.at(i, j).is_negative()))
        .collect();
    let width = entries.iter().map(|(bytes, _)| bytes.len()).max().unwrap_or(1);
    let mut all = Vec::with_capacity(entries.len() * width);
    for (mut bytes, negative) in entries {
        bytes.resize(width, if negative { 0xff } else { 0 });
        all.extend(bytes);
    }
    (all, width)
}

impl Partial {
    /// The bytes of the file; equal for equal parts.
    fn bytes(&self) -> Result<Vec<u8>, String> {
        let mut arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for (t, table) in self.tables.iter().enumerate() {
            let (bytes, width) = packed(&table.gram);
            let cols = table.gram.cols;
            arrays.push((format!("gram.{t}"), Dtype::U8, vec![bytes.len() / width, width], bytes));
            debug_assert_eq!(cols * (cols + 1) / 2, arrays[arrays.len() - 1].2[0]);
            for (f, factor) in table.rest.iter().enumerate() {
                let dtype = match factor.values {
                    Values::F64(_) => Dtype::F64,
                    _ => Dtype::F32,
                };
                let shape = vec![factor.rows(), factor.cols()];
                arrays.push((format!("factor.{t}.{f}"), dtype, shape, bits_of(factor)));
            }
        }
        let views = (arrays.iter())
            .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|error| error.to_string())?;
        let header = serde_json::to_string(&self.header()).map_err(|error| error.to_string())?;
        // One key: a map of several would be written in an order that changes from run to run.
        let metadata = HashMap::from([("mlet".to_string(), header)]);
        safetensors::serialize(views, Some(metadata)).map_err(|error| error.to_string())
    }

    fn header(&self) -> Header {
        let reasons = |list: &[LeftOut]| {
            list.iter()
                .map(|LeftOut { name, reason }| Reason {
                    name: name.clone(),
                    reason: reason.clone(),
                })
                .collect()
        };
        let factor = |factor: &Factor| HeaderFactor {
            tensor: factor.name.clone(),
            epsilon: factor.epsilon,
        };
        let table = |table: &PartialTable| HeaderTable {
            name: table.name.clone(),
            tensor: table.tensor.clone(),
            rows: table.gram.rows,
            cols: table.gram.cols,
            epsilon: table.epsilon,
            exponent: table.gram.exponent,
            factors: table.rest.iter().map(factor).collect(),
        };
        Header {
            format: FORMAT.into(),
            version: VERSION,
            parts: self.parts.clone(),
            tables: self.tables.iter().map(table).collect(),
            left_out: reasons(&self.left_out),
            failed: reasons(&self.failed),
        }
    }

    /// Writes the file beside its place and renames it over.
    ///
    /// # Errors
    /// [`PartialError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), PartialError> {
        let bytes = self.bytes().map_err(|message| PartialError::File {
            path: path.to_path_buf(),
            message,
        })?;
        let attempt = || -> std::io::Result<()> {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut beside = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            beside.write_all(&bytes)?;
            crate::model::publish(beside, path)
        };
        attempt().map_err(|source| PartialError::Io {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Reads a file of [`Partial::write`]. Nothing that it says is believed without a look: shapes, exponents, and what no Gram
    /// matrix can be.
    ///
    /// # Errors
    /// [`PartialError::Io`], [`PartialError::File`], [`PartialError::Table`].
    pub fn read(path: &Path) -> Result<Self, PartialError> {
        let bytes = std::fs::read(path).map_err(|source| PartialError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let problem = |message: String| PartialError::File {
            path: path.to_path_buf(),
            message,
        };
        let unlike = |error: String| problem(format!("not a file of `mlet spectrum --partial` ({error})"));
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| unlike(error.to_string()))?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| unlike(error.to_string()))?;
        let json = metadata.metadata().as_ref().and_then(|map| map.get("mlet"));
        let json = json.ok_or_else(|| unlike("the metadata key `mlet` is missing".into()))?;
        check_version(json).map_err(problem)?;
        let header: Header = serde_json::from_str(json).map_err(|error| unlike(error.to_string()))?;
        let names: BTreeSet<&str> = header.tables.iter().map(|table| table.name.as_str()).collect();
        if names.len() != header.tables.len() || !header.tables.is_sorted_by(|a, b| a.name < b.name) {
            return Err(problem("tables are named twice, or not in order".into()));
        }
        let arrays = header.tables.iter().map(|table| 1 + table.factors.len()).sum::<usize>();
        if arrays != tensors.len() || header.parts.is_empty() || !header.parts.is_sorted_by(|a, b| a < b) {
            return Err(problem(
                "arrays that belong to no table, or parts that are not in order".into(),
            ));
        }
        let mut tables = Vec::with_capacity(header.tables.len());
        for (t, table) in header.tables.into_iter().enumerate() {
            let name = table.name.clone();
            tables.push(read_table(&tensors, t, table).map_err(|message| PartialError::Table {
                path: path.to_path_buf(),
                table: name,
                message,
            })?);
        }
        let reasons = |list: Vec<Reason>| {
            let left_out = |Reason { name, reason }| LeftOut { name, reason };
            list.into_iter().map(left_out).collect()
        };
        Ok(Self {
            tables,
            left_out: reasons(header.left_out),
            failed: reasons(header.failed),
            parts: header.parts,
        })
    }
}

/// Before the rest is looked at, which another version may name otherwise.
fn check_version(json: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Version {
        format: String,
        version: u32,
    }
    match serde_json::from_str(json) {
        Ok(Version {
            format,
            version: VERSION,
        }) if format == FORMAT => Ok(()),
        Ok(Version { format, version }) if format == FORMAT => Err(format!(
            "a partial file of version {version}; this program reads version {VERSION}: make it again"
        )),
        _ => Err("not a file of `mlet spectrum --partial` (another kind of safetensors file)".into()),
    }
}

fn read_table(tensors: &SafeTensors<'_>, t: usize, header: HeaderTable) -> Result<PartialTable, String> {
    if !EPSILONS.contains(&header.epsilon) {
        return Err(format!("no type has the spacing {:e}", header.epsilon));
    }
    let array = tensors
        .tensor(&format!("gram.{t}"))
        .map_err(|error| error.to_string())?;
    let gram = read_gram(&array, &header)?;
    let mut rest = Vec::with_capacity(header.factors.len());
    for (f, factor) in header.factors.into_iter().enumerate() {
        let array = tensors
            .tensor(&format!("factor.{t}.{f}"))
            .map_err(|error| error.to_string())?;
        rest.push(read_factor(&array, factor)?);
    }
    let table = PartialTable {
        name: header.name,
        tensor: header.tensor,
        epsilon: header.epsilon,
        gram,
        rest,
    };
    table.values().map_err(|error| error.to_string())?;
    Ok(table)
}

fn read_gram(array: &TensorView<'_>, header: &HeaderTable) -> Result<ExactGram, String> {
    let cols = header.cols;
    let pairs = cols.checked_mul(cols.saturating_add(1)).map(|twice| twice / 2);
    let (Dtype::U8, &[rows, width]) = (array.dtype(), array.shape()) else {
        return Err(format!("`gram` is {:?} {:?}", array.dtype(), array.shape()));
    };
    if pairs != Some(rows) || !(1..=WIDEST).contains(&width) || !EXPONENTS.contains(&header.exponent) {
        return Err(format!(
            "no Gram matrix of {cols} columns has {rows} entries of {width} bytes and the exponent {}",
            header.exponent
        ));
    }
    let mut entries = vec![BigInt::zero(); cols * cols];
    for ((i, j), bytes) in upper(cols).zip(array.data().chunks_exact(width)) {
        let entry = BigInt::from_signed_bytes_le(bytes);
        entries[j * cols + i] = entry.clone();
        entries[i * cols + j] = entry;
    }
    let gram = ExactGram {
        rows: header.rows,
        cols,
        exponent: header.exponent,
        entries,
    };
    check_gram(&gram)?;
    let (again, _) = packed(&gram);
    match again == array.data() {
        true => Ok(gram),
        false => Err("its integers are wider than they need to be".into()),
    }
}

/// What every sum of the squares and products of so many rows obeys.
fn check_gram(gram: &ExactGram) -> Result<(), String> {
    if let Some(i) = (0..gram.cols).find(|&i| gram.at(i, i).sign() == Sign::Minus) {
        return Err(format!("a sum of squares is negative, in column {i}"));
    }
    let twos = gram.entries.iter().filter_map(BigInt::trailing_zeros).min();
    match twos {
        None if gram.exponent != 0 => return Err("zeros with an exponent".into()),
        Some(_) if gram.rows == 0 => return Err("no row, but sums that are not zero".into()),
        Some(1..) => return Err("integers that are all even, which belong into the exponent".into()),
        _ => {}
    }
    let beyond = |(i, j): &(usize, usize)| {
        let (x, y) = (gram.at(*i, *i), gram.at(*j, *j));
        // Bits first: exactly only where they do not tell. |g|² ≤ x·y by Cauchy and Schwarz.
        let (product, own) = (x.bits() + y.bits(), 2 * gram.at(*i, *j).bits());
        let told = own + 2 <= product && !x.is_zero() && !y.is_zero();
        !told && gram.at(*i, *j).pow(2) > x * y
    };
    match upper(gram.cols).filter(|(i, j)| i != j).find(beyond) {
        Some((i, j)) => Err(format!("no two columns have such products, {i} and {j}")),
        None => Ok(()),
    }
}

fn read_factor(array: &TensorView<'_>, header: HeaderFactor) -> Result<Factor, String> {
    let name = header.tensor;
    let &[rows, cols] = array.shape() else {
        return Err(format!("factor `{name}` has the shape {:?}", array.shape()));
    };
    let expected = match header.epsilon == f64::EPSILON {
        true => Dtype::F64,
        false => Dtype::F32,
    };
    if !EPSILONS.contains(&header.epsilon) || array.dtype() != expected {
        return Err(format!(
            "factor `{name}` is {:?} with the spacing {:e}",
            array.dtype(),
            header.epsilon
        ));
    }
    let data = array.data();
    let values = match expected {
        Dtype::F64 => {
            let numbers = data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
            Array2::from_shape_vec((rows, cols), numbers.collect()).map(Values::F64)
        }
        _ => {
            let numbers = data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            Array2::from_shape_vec((rows, cols), numbers.collect()).map(Values::F32)
        }
    };
    Ok(Factor {
        values: values.map_err(|error| format!("factor `{name}`: {error}"))?,
        name,
        epsilon: header.epsilon,
    })
}
