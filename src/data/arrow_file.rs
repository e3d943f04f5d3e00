//! A memory-mapped Arrow IPC file as record batches, without a copy.

use std::fs::File;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use super::dataset::DatasetError;

/// The length of the footer's length and the closing magic.
const TRAILER: usize = 10;

/// What lies in an Arrow IPC file. The columns point into the mapped file, which lives as long as any of them.
pub(super) struct ArrowFile {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

/// Maps the Arrow IPC file `path`; with `columns`, only those are decoded.
///
/// Bytes are checked before they are followed: a truncated or damaged file is an error, never a panic.
pub(super) fn open(path: &Path, columns: Option<&[usize]>) -> Result<ArrowFile, DatasetError> {
    let io = |source| DatasetError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    // SAFETY: the map is read-only. A prepared data set is not written to after it was renamed into place; a file that
    // another process truncates or rewrites while it is mapped is outside of what any memory map can promise.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
    decode(map_to_buffer(map), columns).map_err(|source| DatasetError::Arrow {
        path: path.to_owned(),
        source,
    })
}

/// Hands the map to Arrow, which keeps it alive for as long as a column points into it.
fn map_to_buffer(map: memmap2::Mmap) -> Buffer {
    let (pointer, length) = (NonNull::from(&map[..]).cast::<u8>(), map.len());
    // SAFETY: the pointer and the length are those of the map, and the map is moved into the buffer as the owner of the
    // memory: it is unmapped when the last buffer that points into it is dropped. Moving a `Mmap` does not move its pages.
    unsafe { Buffer::from_custom_allocation(pointer, length, Arc::new(map)) }
}

fn decode(file: Buffer, columns: Option<&[usize]>) -> Result<ArrowFile, ArrowError> {
    let damaged = |what: &str| ArrowError::ParseError(format!("{what}: the file is truncated or damaged"));
    let end = file
        .len()
        .checked_sub(TRAILER)
        .ok_or_else(|| damaged("too short for an Arrow file"))?;
    let mut trailer = [0; TRAILER];
    trailer.copy_from_slice(&file[end..]);
    let footer_length = read_footer_length(trailer)?;
    let footer_start = end
        .checked_sub(footer_length)
        .ok_or_else(|| damaged("footer out of range"))?;
    let footer =
        root_as_footer(&file[footer_start..end]).map_err(|error| damaged(&format!("unreadable footer ({error})")))?;
    let schema = Arc::new(try_fb_to_schema(footer.schema().ok_or_else(|| damaged("no schema"))?)?);
    let mut elements = Vec::new();
    for field in schema.fields() {
        let sizes = element_bytes(field.data_type()).ok_or_else(|| {
            let (name, kind) = (field.name(), field.data_type());
            ArrowError::ParseError(format!(
                "column {name:?} is {kind}, which is not part of a prepared data set"
            ))
        })?;
        elements.extend_from_slice(sizes);
    }
    if footer.dictionaries().is_some_and(|blocks| !blocks.is_empty()) {
        return Err(ArrowError::ParseError(
            "dictionary-encoded columns are not part of a prepared data set".into(),
        ));
    }
    let mut decoder = FileDecoder::new(schema.clone(), footer.version());
    if let Some(columns) = columns {
        decoder = decoder.with_projection(columns.to_vec());
    }
    let mut batches = Vec::new();
    for block in footer.recordBatches().into_iter().flatten() {
        let bytes = block_bytes(&file, block, footer_start).ok_or_else(|| damaged("record batch out of range"))?;
        if !buffers_are_sound(&bytes, block, &elements) {
            return Err(damaged("a column out of range"));
        }
        let batch = decoder.read_record_batch(block, &bytes)?;
        batches.push(batch.ok_or_else(|| damaged("empty message"))?);
    }
    Ok(ArrowFile { schema, batches })
}

/// The bytes of one block, if it lies before `limit`. (`Buffer::slice_with_length` panics instead.)
fn block_bytes(file: &Buffer, block: &Block, limit: usize) -> Option<Buffer> {
    let start = usize::try_from(block.offset()).ok()?;
    let metadata = usize::try_from(block.metaDataLength()).ok()?;
    let length = metadata.checked_add(usize::try_from(block.bodyLength()).ok()?)?;
    let fits = metadata >= 8 && start.checked_add(length)? <= limit;
    fits.then(|| file.slice_with_length(start, length))
}

/// The size of an element of each buffer of a column, in the order of the format; `None` for a type never written here.
fn element_bytes(kind: &DataType) -> Option<&'static [u64]> {
    match kind {
        DataType::Float32 | DataType::UInt32 => Some(&[1, 4]),
        DataType::UInt64 => Some(&[1, 8]),
        DataType::Utf8 => Some(&[1, 4, 1]),
        DataType::List(item) if *item.data_type() == DataType::UInt32 => Some(&[1, 4, 1, 4]),
        _ => None,
    }
}

/// Whether every buffer named by the block's message lies within the block's body and holds whole elements.
/// (The decoder panics on some of these.)
fn buffers_are_sound(bytes: &Buffer, block: &Block, elements: &[u64]) -> bool {
    let Ok(body) = u64::try_from(block.bodyLength()) else {
        return false;
    };
    let prefix = if bytes[..4] == [0xff; 4] { 8 } else { 4 };
    let Ok(message) = root_as_message(&bytes[prefix..]) else {
        return false;
    };
    let Some(batch) = message.header_as_record_batch() else {
        return false;
    };
    let buffers = batch.buffers().unwrap_or_default();
    buffers.len() == elements.len()
        && buffers.iter().zip(elements).all(|(buffer, element)| {
            match (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) {
                (Ok(offset), Ok(length)) => {
                    offset.checked_add(length).is_some_and(|end| end <= body) && length % element == 0
                }
                _ => false,
            }
        })
}
