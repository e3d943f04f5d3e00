//! One split's file.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_ipc::writer::FileWriter;
use arrow_schema::Schema;

use super::PrepareError;
use super::columns::{BatchSlices, Columns, batch_schema};
use super::tables::Table;
use crate::data::examples::BATCH_ROWS;
use crate::data::source::RawFeatures;

/// One split's file, in record batches of exactly [`BATCH_ROWS`] rows but for the last.
pub(super) struct SplitFile {
    path: PathBuf,
    schema: Arc<Schema>,
    columns: Columns,
    writer: FileWriter<BufWriter<File>>,
}

impl SplitFile {
    pub fn create(path: PathBuf, features: &RawFeatures) -> Result<SplitFile, PrepareError> {
        let schema = Arc::new(batch_schema(features, false));
        let file = File::create(&path).map_err(|source| PrepareError::Io {
            path: path.clone(),
            source,
        })?;
        let writer = FileWriter::try_new_buffered(file, &schema).map_err(|source| PrepareError::Arrow {
            path: path.clone(),
            source,
        })?;
        Ok(SplitFile {
            path,
            schema,
            columns: Columns::new(features),
            writer,
        })
    }

    pub fn push(&mut self, batch: &BatchSlices<'_>, mut picked: &[u32], tables: &[Table]) -> Result<(), PrepareError> {
        while !picked.is_empty() {
            let (now, later) = picked.split_at(picked.len().min(BATCH_ROWS - self.columns.len()));
            self.columns.append(batch, now, tables);
            picked = later;
            if self.columns.len() == BATCH_ROWS {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PrepareError> {
        let written = self
            .columns
            .take(&self.schema)
            .and_then(|batch| self.writer.write(&batch));
        written.map_err(|source| PrepareError::Arrow {
            path: self.path.clone(),
            source,
        })
    }

    pub fn finish(mut self) -> Result<(), PrepareError> {
        if self.columns.len() > 0 {
            self.flush()?;
        }
        self.writer.finish().map_err(|source| PrepareError::Arrow {
            path: self.path.clone(),
            source,
        })
    }
}
