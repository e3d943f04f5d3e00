//! Files in memory without a copy.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use super::SourceError;

/// How many bytes one stored byte may stand for: the most that DEFLATE can reach. A file of another compression that claims more
/// is refused like one of this: no trained table comes near it, and whoever wants the memory of a machine does.
pub(super) const MOST_INFLATION: u64 = 1032;

/// Maps a whole file.
pub(super) fn map(path: &Path) -> Result<Arc<Mmap>, SourceError> {
    let io = |source| SourceError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    of_file(&file).map_err(io)
}

/// Maps an open file.
pub(super) fn of_file(file: &File) -> std::io::Result<Arc<Mmap>> {
    // SAFETY: the map is only read. A program that cuts the file short meanwhile would end this one with SIGBUS, as with every
    // mapped file; mlet itself replaces files by renaming and never in place.
    Ok(Arc::new(unsafe { Mmap::map(file) }?))
}
