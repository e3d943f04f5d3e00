//! Arrow IPC files (also Feather, version 2).

use std::path::Path;
use std::sync::Arc;

use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, Endianness, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::SchemaRef;

use super::{Collector, Stop, floats, guard, plausible, shared};
use crate::spectrum::sources::choose::{Contents, Names, Tensor, tensor_error};
use crate::spectrum::sources::{SourceError, map};
use crate::spectrum::table::{Factor, Float};

/// The length of the footer's length and the closing magic.
const TRAILER: usize = 10;

/// A mapped file and what its footer says.
struct ArrowFile {
    bytes: Buffer,
    schema: SchemaRef,
    version: MetadataVersion,
    blocks: Vec<Block>,
}

/// Every column of an Arrow IPC file.
pub(in crate::spectrum::sources) fn read(path: &Path) -> Result<Contents, SourceError> {
    let bytes = Buffer::from(shared(map::map(path)?));
    let file = guard(|| open(bytes)).map_err(|message| SourceError::File {
        path: path.to_path_buf(),
        message: format!("not a whole Arrow file ({message})"),
    })?;
    let file = Arc::new(file);
    let mut tensors = Vec::new();
    for (place, field) in file.schema.fields().iter().enumerate() {
        let name = field.name().clone();
        let float = match floats(field.data_type()) {
            Ok(float) => float,
            Err(reason) => {
                tensors.push(Tensor::none(&name, reason));
                continue;
            }
        };
        let (file, path) = (file.clone(), path.to_path_buf());
        tensors.push(Tensor {
            name: name.clone(),
            shape: Ok(None),
            read: Box::new(move || match column(&file, place, float, &name) {
                Ok(factor) => Ok(Ok(factor)),
                Err(Stop::NoTable(reason)) => Ok(Err(reason)),
                Err(Stop::Bad(message)) => Err(tensor_error(&path, &name, message)),
            }),
        });
    }
    Ok(Contents {
        names: Names::SayNothing,
        tensors,
    })
}

fn open(bytes: Buffer) -> Result<ArrowFile, String> {
    let end = bytes.len().checked_sub(TRAILER).ok_or("too short")?;
    let mut trailer = [0; TRAILER];
    trailer.copy_from_slice(&bytes[end..]);
    let length = read_footer_length(trailer).map_err(|e| e.to_string())?;
    let start = end.checked_sub(length).ok_or("a footer longer than the file")?;
    let footer = root_as_footer(&bytes[start..end]).map_err(|e| format!("unreadable footer: {e}"))?;
    let schema = footer.schema().ok_or("no schema")?;
    if schema.endianness() != Endianness::Little {
        return Err("big-endian, which is not read".into());
    }
    let schema = Arc::new(try_fb_to_schema(schema).map_err(|e| e.to_string())?);
    let blocks: Vec<Block> = footer.recordBatches().into_iter().flatten().copied().collect();
    let version = footer.version();
    Ok(ArrowFile {
        schema,
        version,
        blocks,
        bytes: bytes.slice_with_length(0, start),
    })
}

fn column(file: &ArrowFile, place: usize, float: Float, name: &str) -> Result<Factor, Stop> {
    let mut collector = Collector::new(float, file.bytes.len());
    for block in &file.blocks {
        let batch = guard(|| {
            let bytes = block_bytes(&file.bytes, block).ok_or("a record batch outside of the file: it is damaged")?;
            check_buffers(&bytes, block)?;
            let decoder = FileDecoder::new(file.schema.clone(), file.version).with_projection(vec![place]);
            let batch = decoder.read_record_batch(block, &bytes).map_err(|e| e.to_string())?;
            batch.ok_or("an empty message where a record batch is expected".into())
        });
        let batch = batch.map_err(Stop::Bad)?;
        collector.add(batch.column(0))?;
    }
    collector.finish(name).map_err(Stop::Bad)
}

/// The bytes of one block, if it lies in the file. (`Buffer::slice_with_length` panics instead.)
fn block_bytes(file: &Buffer, block: &Block) -> Option<Buffer> {
    let start = usize::try_from(block.offset()).ok()?;
    let metadata = usize::try_from(block.metaDataLength()).ok()?;
    let length = metadata.checked_add(usize::try_from(block.bodyLength()).ok()?)?;
    let fits = metadata >= 8 && start.checked_add(length)? <= file.len();
    fits.then(|| file.slice_with_length(start, length))
}

/// Refuses buffers that lie outside of the block or claim to unpack to more than they can; the decoder believes both.
fn check_buffers(bytes: &Buffer, block: &Block) -> Result<(), String> {
    let damaged = "a column outside of its record batch: the file is damaged";
    let metadata = usize::try_from(block.metaDataLength()).map_err(|_| damaged)?;
    let prefix = if bytes[..4] == [0xff; 4] { 8 } else { 4 };
    let message = root_as_message(&bytes[prefix..metadata]).map_err(|e| format!("unreadable message: {e}"))?;
    let batch = message
        .header_as_record_batch()
        .ok_or("a message that is no record batch")?;
    let body = &bytes[metadata..];
    for buffer in batch.buffers().unwrap_or_default() {
        let range = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok());
        let part = range.and_then(|(start, length)| body.get(start..start.checked_add(length)?));
        let part = part.ok_or(damaged)?;
        if let (Some(_), Some(claim)) = (batch.compression(), part.first_chunk::<8>()) {
            let claim = i64::from_le_bytes(*claim);
            if !plausible(claim.max(0) as u64, part.len() as u64) {
                let length = part.len();
                return Err(format!(
                    "a part of {length} bytes claims to hold {claim}: store it uncompressed"
                ));
            }
        }
    }
    Ok(())
}
