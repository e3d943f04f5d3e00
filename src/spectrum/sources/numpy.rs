//! NumPy files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{Array2, ArrayD, Ix2};
use ndarray_npy::{NpzReader, ReadDataError, ReadNpyError, ReadNpyExt, ReadNpzError, ReadableElement};
use py_literal::Value;

use super::{LeftOut, SourceError};
use crate::spectrum::table::{Factor, Table, Values};

/// The one array of a `.npy` file.
pub(super) fn read_npy(path: &Path, name: &str) -> Result<(Vec<Table>, Vec<LeftOut>), SourceError> {
    let mut kinds = Kind::ALL.iter();
    loop {
        let file = File::open(path).map_err(|source| SourceError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let made = match kinds.next() {
            Some(kind) => kind.read(|| BufReader::new(file)),
            None => return Err(file_error(path, "holds no floats of 2, 4 or 8 bytes".into())),
        };
        match made {
            Ok(Ok(values)) => return Ok((vec![table(name, name, values)], Vec::new())),
            Ok(Err(dimensions)) => return Err(file_error(path, format!("has {dimensions} dimensions, not two"))),
            Err(ReadNpyError::WrongDescriptor(_)) => {}
            Err(error) => return Err(file_error(path, format!("not a whole .npy file ({error})"))),
        }
    }
}

/// Every matrix of floats in a `.npz` file.
pub(super) fn read_npz(path: &Path) -> Result<(Vec<Table>, Vec<LeftOut>), SourceError> {
    let file = File::open(path).map_err(|source| SourceError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let whole = |error: ReadNpzError| file_error(path, format!("not a whole .npz file ({error})"));
    let mut archive = NpzReader::new(BufReader::new(file)).map_err(whole)?;
    let names = archive.names().map_err(whole)?;
    let (mut tables, mut left_out) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        match read_member(&mut archive, index) {
            Ok(Ok(values)) => tables.push(table(name, name, values)),
            Ok(Err(reason)) => left_out.push(LeftOut {
                name: name.clone(),
                reason,
            }),
            Err(error) => {
                let message = format!("cannot be read ({error})");
                return Err(SourceError::Tensor {
                    path: path.to_path_buf(),
                    tensor: name.clone(),
                    message,
                });
            }
        }
    }
    Ok((tables, left_out))
}

type Read2 = Result<(Values, f64), usize>;

fn read_member(
    archive: &mut NpzReader<BufReader<File>>,
    index: usize,
) -> Result<Result<(Values, f64), String>, ReadNpzError> {
    let mut descriptor = String::new();
    for kind in Kind::ALL {
        match kind.read_from(archive, index) {
            Ok(made) => return Ok(made.map_err(|dimensions| format!("has {dimensions} dimensions, not two"))),
            Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(d))) => descriptor = d.to_string(),
            Err(error) => return Err(error),
        }
    }
    Ok(Err(format!("holds {descriptor}, not floats of 2, 4 or 8 bytes")))
}

fn file_error(path: &Path, message: String) -> SourceError {
    SourceError::File {
        path: path.to_path_buf(),
        message,
    }
}

fn table(name: &str, tensor: &str, (values, epsilon): (Values, f64)) -> Table {
    Table::new(
        name,
        vec![Factor {
            name: tensor.into(),
            values,
            epsilon,
        }],
    )
}

/// The types of floats that are read.
#[derive(Clone, Copy)]
enum Kind {
    Single,
    Double,
    Half,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Single, Kind::Double, Kind::Half];

    /// Reads an array of this type; within `Ok`, the number of dimensions where it is not two.
    fn read<R: Read>(self, reader: impl FnOnce() -> R) -> Result<Read2, ReadNpyError> {
        Ok(match self {
            Kind::Single => single(ArrayD::read_npy(reader())?),
            Kind::Double => double(ArrayD::read_npy(reader())?),
            Kind::Half => half(ArrayD::read_npy(reader())?),
        })
    }

    /// The same for a member of an archive.
    fn read_from(self, archive: &mut NpzReader<BufReader<File>>, index: usize) -> Result<Read2, ReadNpzError> {
        Ok(match self {
            Kind::Single => single(archive.by_index(index)?),
            Kind::Double => double(archive.by_index(index)?),
            Kind::Half => half(archive.by_index(index)?),
        })
    }
}

fn single(a: ArrayD<Bytes<4>>) -> Read2 {
    Ok((Values::F32(matrix(a, f32::from_le_bytes)?), f32::EPSILON.into()))
}

fn double(a: ArrayD<Bytes<8>>) -> Read2 {
    Ok((Values::F64(matrix(a, f64::from_le_bytes)?), f64::EPSILON))
}

fn half(a: ArrayD<Bytes<2>>) -> Read2 {
    Ok((
        Values::F32(matrix(a, |b| half::f16::from_le_bytes(b).to_f32())?),
        half::f16::EPSILON.to_f64(),
    ))
}

/// Rows behind one another, whatever order the file had; or the number of dimensions.
fn matrix<const S: usize, T>(a: ArrayD<Bytes<S>>, read: impl Fn([u8; S]) -> T) -> Result<Array2<T>, usize> {
    let dimensions = a.ndim();
    let a = a.into_dimensionality::<Ix2>().map_err(|_| dimensions)?;
    Ok(Array2::from_shape_fn(a.dim(), |at| read(a[at].0)))
}

/// The little-endian bytes of one float. ndarray-npy's own floats allocate what the header claims before they look at the
/// data, which a damaged header turns into an abort; and it has no floats of two bytes.
#[derive(Clone, Copy)]
struct Bytes<const S: usize>([u8; S]);

impl<const S: usize> ReadableElement for Bytes<S> {
    fn read_to_end_exact_vec<R: Read>(
        mut reader: R,
        descriptor: &Value,
        len: usize,
    ) -> Result<Vec<Self>, ReadDataError> {
        let wrong = || ReadDataError::WrongDescriptor(descriptor.clone());
        let Value::String(text) = descriptor else {
            return Err(wrong());
        };
        let big = *text == format!(">f{S}");
        if !big && *text != format!("<f{S}") {
            return Err(wrong());
        }
        let mut values = Vec::new();
        let mut buffer = vec![0u8; 8192 * S];
        while values.len() < len {
            let part = &mut buffer[..S * 8192.min(len - values.len())];
            reader.read_exact(part)?; // grows with the data, not with the header's claim
            let (chunks, _) = part.as_chunks_mut::<S>();
            values.extend(chunks.iter_mut().map(|b| {
                if big {
                    b.reverse();
                }
                Bytes(*b)
            }));
        }
        match reader.read_to_end(&mut buffer)? {
            0 => Ok(values),
            extra => Err(ReadDataError::ExtraBytes(extra)),
        }
    }
}
