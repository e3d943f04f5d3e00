//! A file or standard input, plain or compressed, read once, hashed on the way, in blocks of whole lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use super::lines::{LONGEST_LINE, Lines};
use crate::data::hashing::{Counted, hexadecimal};
use crate::data::schema::SourceInfo;
use crate::data::source::{SourceError, SourceProgress};

/// Bytes read from the file at once, where they go through a decompressor.
const BUFFER: usize = 1 << 18;

/// What is read.
pub struct Input {
    reader: Box<dyn BufRead + Send>,
    name: Arc<str>,
    block_bytes: usize,
    /// Lines handed out.
    lines: u64,
    /// The beginning of the line behind them.
    rest: Vec<u8>,
    /// Nothing can be read any more.
    ended: bool,
    total: Option<u64>,
    read: Arc<AtomicU64>,
    hash: Receiver<[u8; 32]>,
}

impl Input {
    /// Opens `path`, or standard input for `-`. Gzip and Zstandard are recognised by their first bytes.
    pub fn open(path: &Path, block_bytes: usize) -> Result<Input, SourceError> {
        let name = if path == Path::new("-") {
            "-".into()
        } else {
            path.file_name().unwrap_or_default().to_string_lossy()
        };
        let failed = |source| SourceError::Open {
            file: path.display().to_string(),
            source,
        };
        if path == Path::new("-") {
            return Input::new(Box::new(io::stdin()), &name, None, block_bytes).map_err(failed);
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            let message = "is a directory where a file is expected".to_owned();
            return Err(SourceError::Format {
                file: path.display().to_string(),
                message,
            });
        }
        let total = metadata.is_file().then_some(metadata.len());
        Input::new(Box::new(file), &name, total, block_bytes).map_err(failed)
    }

    fn new(raw: Box<dyn Read + Send>, name: &str, total: Option<u64>, block_bytes: usize) -> io::Result<Input> {
        let (raw, read, hash) = Counted::new(raw);
        let mut raw = BufReader::with_capacity(BUFFER, raw);
        let reader: Box<dyn BufRead + Send> = match magic(&mut raw)? {
            [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(
                BUFFER,
                flate2::bufread::MultiGzDecoder::new(raw),
            )),
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(BufReader::with_capacity(
                BUFFER,
                zstd::stream::read::Decoder::with_buffer(raw)?,
            )),
            _ => Box::new(raw),
        };
        Ok(Input {
            reader,
            name: name.into(),
            block_bytes: block_bytes.max(1),
            lines: 0,
            rest: Vec::new(),
            ended: false,
            total,
            read,
            hash,
        })
    }

    /// The name that errors carry.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The next lines, and the failure behind them if the input cannot be read on; `None` at the end.
    pub fn read(&mut self) -> Option<(Lines, Option<SourceError>)> {
        if self.ended {
            return None;
        }
        let mut text = Vec::with_capacity(self.rest.len() + self.block_bytes);
        text.append(&mut self.rest);
        let filled = self.fill(&mut text);
        self.ended = !matches!(filled, Ok(Filled::Block));
        // what has no end yet is a line only where the input ends well
        if !matches!(filled, Ok(Filled::End)) {
            let whole = memchr::memrchr(b'\n', &text).map_or(0, |end| end + 1);
            self.rest = text.split_off(whole);
        }
        let lines = Lines::new(text, self.lines);
        self.lines += lines.left();
        let failure = filled.err().map(|source| SourceError::Read {
            file: self.name.to_string(),
            line: self.lines,
            source,
        });
        (lines.left() > 0 || failure.is_some()).then_some((lines, failure))
    }

    /// Reads on until `text`, which has no line end yet, is a block with at least one.
    fn fill(&mut self, text: &mut Vec<u8>) -> io::Result<Filled> {
        let mut length = text.len();
        let filled = self.fill_from(text, &mut length);
        text.truncate(length);
        match filled? {
            Filled::TooLong => self.cut_line(text),
            filled => Ok(filled),
        }
    }

    /// The first `length` bytes of `text` are read; what is behind them is room.
    fn fill_from(&mut self, text: &mut Vec<u8>, length: &mut usize) -> io::Result<Filled> {
        let mut has_line = false;
        while *length < self.block_bytes || !has_line {
            if !has_line && *length > LONGEST_LINE + 1 {
                return Ok(Filled::TooLong);
            }
            if *length == text.len() {
                text.resize(self.block_bytes.max(*length + self.block_bytes.min(BUFFER)), 0);
            }
            match self.reader.read(&mut text[*length..]) {
                Ok(0) => return Ok(Filled::End),
                Ok(read) => {
                    has_line = has_line || memchr::memchr(b'\n', &text[*length..*length + read]).is_some();
                    *length += read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Filled::Block)
    }

    /// Leaves so much of a line that it is seen to be too long, also where a carriage return stands last; skips the rest.
    fn cut_line(&mut self, text: &mut Vec<u8>) -> io::Result<Filled> {
        text.truncate(LONGEST_LINE + 2);
        if self.skip_line()? {
            text.push(b'\n');
            return Ok(Filled::Block);
        }
        Ok(Filled::End)
    }

    /// Reads on behind the next line end, without keeping anything; `false` if there is none.
    fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            let block = self.reader.fill_buf()?;
            let (length, end) = (block.len(), memchr::memchr(b'\n', block));
            self.reader.consume(end.map_or(length, |end| end + 1));
            if end.is_some() || length == 0 {
                return Ok(end.is_some());
            }
        }
    }

    /// Bytes of the file read so far.
    pub fn progress(&self) -> SourceProgress {
        SourceProgress {
            done: self.read.load(Ordering::Relaxed),
            total: self.total,
        }
    }

    /// Name, hash and size, when all lines were read.
    pub fn info(&mut self) -> Result<SourceInfo, SourceError> {
        // a decompressor need not have asked for the end of the file yet: dropping it hands the hash over
        self.reader = Box::new(io::empty());
        let hash = self
            .hash
            .recv()
            .map_err(|_| SourceError::Other("the hash of the input was lost".to_owned()))?;
        let bytes = self.read.load(Ordering::Relaxed);
        Ok(SourceInfo {
            name: self.name.to_string(),
            sha256: hexadecimal(&hash),
            bytes,
        })
    }
}

/// How reading a block ended.
enum Filled {
    Block,
    /// It is the beginning of a line that is too long.
    TooLong,
    /// The input ended.
    End,
}

/// Up to four bytes from the start, left where they are.
fn magic(reader: &mut BufReader<Counted>) -> io::Result<[u8; 4]> {
    let mut magic = [0; 4];
    // one read of a pipe may give less than four bytes; then it is a text, or what follows is not a compressed stream
    let start = reader.fill_buf()?;
    let length = start.len().min(4);
    magic[..length].copy_from_slice(&start[..length]);
    Ok(magic)
}

#[cfg(test)]
mod tests;
