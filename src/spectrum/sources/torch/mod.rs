//! PyTorch checkpoints (`torch.save`, zip format): the pickle is read, never executed; storages stay in the archive.
//!
//! The format is that of PyTorch's `torch/serialization.py`: a zip archive `NAME/data.pkl`, `NAME/data/<key>` (one storage each),
//! `NAME/byteorder`. See [`pickle`] for what the pickle may hold.

mod pickle;
mod state;

use std::path::Path;
use std::sync::Arc;

use self::pickle::{Scalar, Stored};
use super::archive::{Archive, Member};
use super::choose::{Contents, Names, Tensor, tensor_error};
use super::{SourceError, map};
use crate::spectrum::table::{Factor, Mapped, Order};

/// The longest pickle that is read: it holds names and shapes, no numbers; 100,000 tensors need about 12 MB.
const MAX_PICKLE: u64 = 16 << 20;

/// Every tensor of a checkpoint, by its path in the nested dictionaries; `name` is that of a tensor saved alone.
pub(super) fn read(path: &Path, name: &str) -> Result<Contents, SourceError> {
    let file_error = |message: String| SourceError::File {
        path: path.to_path_buf(),
        message,
    };
    if !map::map(path)?.starts_with(b"PK") {
        let advice = "save it again with torch.save(model.state_dict(), FILE) of PyTorch 1.6 or later";
        return Err(file_error(format!(
            "not a PyTorch checkpoint in the zip format: {advice}"
        )));
    }
    let archive = Arc::new(Archive::open(path, "PyTorch")?);
    let pickled = archive.members.iter().find(|m| m.name.ends_with("/data.pkl"));
    let pickled = pickled.ok_or_else(|| file_error("not a PyTorch checkpoint: there is no data.pkl in it".into()))?;
    if pickled.size > MAX_PICKLE {
        let message = format!("data.pkl has {} bytes; {MAX_PICKLE} are read at most", pickled.size);
        return Err(file_error(message));
    }
    let prefix = pickled.name.strip_suffix("data.pkl").unwrap_or_default().to_string();
    let big_endian = match archive.member(&format!("{prefix}byteorder")) {
        Some(member) => archive.start(member, 16)? == b"big",
        None => false,
    };
    let (map, range) = archive.whole(pickled)?;
    let read = pickle::read(&map[range]).and_then(|state| state::tensors(&state, name));
    let found = read.map_err(|e| file_error(format!("data.pkl, {e}")))?;
    let tensors = found.into_iter().map(|(name, stored)| {
        let place = Place {
            archive: archive.clone(),
            member: archive.member(&format!("{prefix}data/{}", stored.key)).cloned(),
            big_endian,
        };
        tensor(path, name, stored, place)
    });
    Ok(Contents {
        names: Names::Say,
        tensors: tensors.collect(),
    })
}

/// Where a storage lies.
struct Place {
    archive: Arc<Archive>,
    member: Option<Member>,
    big_endian: bool,
}

fn tensor(path: &Path, name: String, stored: Stored, place: Place) -> Tensor {
    let ([rows, cols], [row_step, col_step]) = (&stored.shape[..], &stored.stride[..]) else {
        return Tensor::none(&name, format!("has {} dimensions, not two", stored.shape.len()));
    };
    let (rows, cols) = (*rows, *cols);
    let float = match stored.scalar {
        Scalar::Float(float) => float,
        Scalar::Other(kind) => return Tensor::none(&name, format!("holds {kind}, not f64, f32, f16 or bf16")),
    };
    // Steps along a dimension of length one mean nothing.
    let order = if (cols == 1 || *col_step == 1) && (rows == 1 || *row_step == cols) {
        Order::Rows
    } else if (rows == 1 || *row_step == 1) && (cols == 1 || *col_step == rows) {
        Order::Columns
    } else {
        let reason =
            format!("is a view of another tensor (steps {row_step} and {col_step}): save a .contiguous() copy");
        return Tensor::none(&name, reason);
    };
    let (path, owned) = (path.to_path_buf(), name.clone());
    Tensor::new(&name, (rows, cols), move || {
        let error = |message: String| tensor_error(&path, &owned, message);
        let key = &stored.key;
        let member = place
            .member
            .ok_or_else(|| error(format!("its storage data/{key} is not in the archive")))?;
        let start = stored.offset.checked_mul(float.size());
        let end = (rows.checked_mul(cols)).and_then(|n| n.checked_mul(float.size())?.checked_add(start?));
        if end.is_none_or(|end| end as u64 > member.size) {
            let there = member.size;
            return Err(error(format!(
                "{rows} × {cols} numbers do not fit in its storage data/{key} of {there} bytes"
            )));
        }
        let (map, range) = place.archive.whole(&member)?;
        let start = range.start + start.unwrap_or_default();
        let mapped = Mapped::new(map, start, (rows, cols), float, order, place.big_endian);
        Ok(mapped
            .map(|mapped| Factor::mapped(owned.clone(), mapped))
            .ok_or("does not fit in the file".to_string()))
    })
}
