//! NumPy files: the header is parsed, the array stays in its file.

use std::path::Path;
use std::sync::Arc;

use py_literal::Value;

use super::archive::{Archive, Member};
use super::choose::{Contents, Names, Tensor};
use super::{SourceError, map};
use crate::spectrum::table::{Factor, Float, Mapped, Order};

/// The longest header that is read: NumPy's own `max_header_size`.
const MAX_HEADER: usize = 10_000;
/// Magic, version, and the header's length of version 2.
const PREFIX: usize = 12;
/// Brackets in a header. A plain array's has one dictionary and one tuple; the parser takes exponential time in the depth.
const MAX_BRACKETS: usize = 8;

/// The one array of a `.npy` file.
pub(super) fn read_npy(path: &Path, name: &str) -> Result<Contents, SourceError> {
    let map = map::map(path)?;
    let file_error = |message| SourceError::File {
        path: path.to_path_buf(),
        message: format!("not a whole .npy file ({message})"),
    };
    let header = Header::parse(&map).map_err(file_error)?;
    let matrix = match header.matrix() {
        Ok(matrix) => {
            matrix.fits(map.len() as u64, header.data).map_err(file_error)?;
            Ok(matrix)
        }
        Err(reason) => Err(reason),
    };
    let tensor = match matrix {
        Err(reason) => Tensor::none(name, reason),
        Ok(matrix) => {
            let (owned, start) = (name.to_string(), header.data);
            Tensor::new(name, matrix.shape, move || {
                let mapped = Mapped::new(map, start, matrix.shape, matrix.float, matrix.order, matrix.big_endian);
                // It fits: that was looked at above.
                Ok(mapped
                    .map(|mapped| Factor::mapped(owned, mapped))
                    .ok_or("does not fit in the file".to_string()))
            })
        }
    };
    Ok(Contents {
        names: Names::SayNothing,
        tensors: vec![tensor],
    })
}

/// Every array of a `.npz` file.
pub(super) fn read_npz(path: &Path) -> Result<Contents, SourceError> {
    let archive = Arc::new(Archive::open(path, ".npz")?);
    let mut tensors = Vec::new();
    for member in &archive.members {
        tensors.push(member_tensor(&archive, member)?);
    }
    Ok(Contents {
        names: Names::Say,
        tensors,
    })
}

fn member_tensor(archive: &Arc<Archive>, member: &Member) -> Result<Tensor, SourceError> {
    let Some(name) = member.name.strip_suffix(".npy") else {
        return Ok(Tensor::none(&member.name, "is not an array (not named `….npy`)".into()));
    };
    let start = archive.start(member, PREFIX + MAX_HEADER)?;
    let header = Header::parse(&start).map_err(|e| archive.error(member, format!("is not a whole array ({e})")))?;
    let matrix = match header.matrix() {
        Ok(matrix) => matrix,
        Err(reason) => return Ok(Tensor::none(name, reason)),
    };
    // Before anything is inflated: a bomb has at least to be the table it says it is.
    matrix
        .fits(member.size, header.data)
        .map_err(|e| archive.error(member, format!("is not a whole array ({e})")))?;
    let (archive, member, owned) = (archive.clone(), member.clone(), name.to_string());
    Ok(Tensor::new(name, matrix.shape, move || {
        let (map, range) = archive.whole(&member)?;
        let start = range.start + header.data;
        let mapped = Mapped::new(map, start, matrix.shape, matrix.float, matrix.order, matrix.big_endian);
        Ok(mapped
            .map(|mapped| Factor::mapped(owned, mapped))
            .ok_or("does not fit in the file".to_string()))
    }))
}

/// What a header says.
struct Header {
    descriptor: Value,
    shape: Vec<Value>,
    fortran: bool,
    /// Where the data start.
    data: usize,
}

/// A matrix of floats that a header promises.
#[derive(Clone, Copy)]
struct Matrix {
    shape: (usize, usize),
    float: Float,
    order: Order,
    big_endian: bool,
}

impl Header {
    /// Reads the start of a file; what is wrong with it otherwise.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let cut = || "it ends within its header".to_string();
        if bytes.get(..6).ok_or_else(cut)? != b"\x93NUMPY" {
            return Err("it does not start with NumPy's magic".into());
        }
        let (start, length) = match *bytes.get(6..12).ok_or_else(cut)? {
            [1, _, a, b, ..] => (10, u16::from_le_bytes([a, b]).into()),
            [2 | 3, _, a, b, c, d] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
            _ => return Err(format!("version {} of the format is not known", bytes[6])),
        };
        if length > MAX_HEADER {
            return Err(format!("a header of {length} bytes; {MAX_HEADER} are read at most"));
        }
        let text = bytes.get(start..start + length).ok_or_else(cut)?;
        let text = std::str::from_utf8(text).map_err(|_| "the header is not text")?;
        if text.bytes().filter(|b| b"([{".contains(b)).count() > MAX_BRACKETS {
            return Err("the header is not that of a plain array".into());
        }
        let header: Value = text.trim().parse().map_err(|_| "the header is not a Python literal")?;
        let Value::Dict(entries) = header else {
            return Err("the header is no dictionary".into());
        };
        let (mut descriptor, mut shape, mut fortran) = (None, None, None);
        for (key, value) in entries {
            match (key, value) {
                (Value::String(key), value) if key == "descr" => descriptor = Some(value),
                (Value::String(key), Value::Tuple(value)) if key == "shape" => shape = Some(value),
                (Value::String(key), Value::Boolean(value)) if key == "fortran_order" => fortran = Some(value),
                _ => return Err("the header has an entry that is not known".into()),
            }
        }
        match (descriptor, shape, fortran) {
            (Some(descriptor), Some(shape), Some(fortran)) => Ok(Self {
                descriptor,
                shape,
                fortran,
                data: start + length,
            }),
            _ => Err("the header lacks `descr`, `shape` or `fortran_order`".into()),
        }
    }

    /// The matrix of floats, or why it is none.
    fn matrix(&self) -> Result<Matrix, String> {
        let wrong = || format!("holds {}, not floats of 2, 4 or 8 bytes", self.descriptor);
        let Value::String(descriptor) = &self.descriptor else {
            return Err(wrong());
        };
        let (order, kind) = descriptor.split_at_checked(1).ok_or_else(wrong)?;
        let big_endian = match order {
            "<" => false,
            ">" => true,
            "=" | "|" => cfg!(target_endian = "big"),
            _ => return Err(wrong()),
        };
        let float = match kind {
            "f2" => Float::F16,
            "f4" => Float::F32,
            "f8" => Float::F64,
            _ => return Err(wrong()),
        };
        let [rows, cols] = &self.shape[..] else {
            return Err(format!("has {} dimensions, not two", self.shape.len()));
        };
        let length = |value: &Value| match value {
            Value::Integer(n) => n
                .to_string()
                .parse()
                .map_err(|_| format!("has a dimension of length {n}")),
            other => Err(format!("has a dimension of length {other}")),
        };
        Ok(Matrix {
            shape: (length(rows)?, length(cols)?),
            float,
            order: if self.fortran { Order::Columns } else { Order::Rows },
            big_endian,
        })
    }
}

impl Matrix {
    /// Whether the data fill the `length` bytes of the file from `start` on.
    fn fits(&self, length: u64, start: usize) -> Result<(), String> {
        let (rows, cols) = self.shape;
        let there = length.saturating_sub(start as u64);
        let promised = rows
            .checked_mul(cols)
            .and_then(|entries| entries.checked_mul(self.float.size()));
        if promised.is_some_and(|promised| promised as u64 == there) {
            return Ok(());
        }
        Err(format!(
            "{rows} × {cols} numbers of {} bytes are promised, {there} bytes follow the header",
            self.float.size()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Header;

    fn file(header: &str) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn hostile_headers_are_refused_at_once() {
        for header in [
            "(".repeat(5000),
            "{".repeat(9000),
            "-".repeat(9000),
            format!("{}1", "-".repeat(9000)),
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,".to_string(),
            "{'descr': '<f4', 'fortran_order': False}".to_string(),
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}".to_string(),
            String::new(),
        ] {
            let refused = Header::parse(&file(&header));
            assert!(refused.is_err(), "{:.60}", header);
        }
        for shape in ["(-1, 2)", "(1.5, 2)", "(99999999999999999999999, 2)", "(True, 2)"] {
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}");
            assert!(Header::parse(&file(&header)).unwrap().matrix().is_err(), "{shape}");
        }
        let most = "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 18446744073709551615)}";
        let matrix = Header::parse(&file(most)).unwrap().matrix().unwrap();
        assert!(matrix.fits(1 << 40, 128).is_err());
    }
}
