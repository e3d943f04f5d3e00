//! Parquet files.

use std::path::Path;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use bytes::Bytes;

use super::{Collector, Stop, floats, guard, pages, shared};
use crate::spectrum::sources::choose::{Contents, Names, Tensor, tensor_error};
use crate::spectrum::sources::{SourceError, map};
use crate::spectrum::table::{Factor, Float};

/// Rows decoded at once.
const BATCH_ROWS: usize = 1024;

/// Every column of a Parquet file.
pub(in crate::spectrum::sources) fn read(path: &Path) -> Result<Contents, SourceError> {
    let bytes = shared(map::map(path)?);
    // Types as Parquet has them: the Arrow schema that some writers add says nothing more of lists of floats.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = guard(|| {
        pages::check_footer(&bytes)?;
        ArrowReaderMetadata::load(&bytes, options).map_err(|e| e.to_string())
    });
    let metadata = metadata.map_err(|message| SourceError::File {
        path: path.to_path_buf(),
        message: format!("not a whole Parquet file ({message})"),
    })?;
    let mut tensors = Vec::new();
    for (root, field) in metadata.schema().fields().iter().enumerate() {
        let name = field.name().clone();
        let float = match floats(field.data_type()) {
            Ok(float) => float,
            Err(reason) => {
                tensors.push(Tensor::none(&name, reason));
                continue;
            }
        };
        let (bytes, metadata, path) = (bytes.clone(), metadata.clone(), path.to_path_buf());
        tensors.push(Tensor {
            name: name.clone(),
            shape: Ok(None),
            read: Box::new(move || match column(bytes, metadata, root, float, &name) {
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

fn column(bytes: Bytes, metadata: ArrowReaderMetadata, root: usize, float: Float, name: &str) -> Result<Factor, Stop> {
    let stored = bytes.len();
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
    pages::check_column(&bytes, metadata.metadata(), root).map_err(Stop::Bad)?;
    let mut reader = guard(|| {
        let mask = ProjectionMask::roots(metadata.parquet_schema(), [root]);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        reader.map_err(|e| e.to_string())
    })
    .map_err(Stop::Bad)?;
    let mut collector = Collector::new(float, stored);
    while let Some(batch) = guard(|| reader.next().transpose().map_err(|e| e.to_string())).map_err(Stop::Bad)? {
        let first = collector.columns.is_none();
        if batch.num_columns() > 0 {
            collector.add(batch.column(0))?;
        }
        if first {
            collector.reserve(rows, stored);
        }
    }
    collector.finish(name).map_err(Stop::Bad)
}
