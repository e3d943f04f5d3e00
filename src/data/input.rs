//! A file or standard input, plain or compressed, read once, hashed on the way, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use super::hashing::{Counted, hexadecimal};
use super::schema::SourceInfo;
use super::source::{SourceError, SourceProgress};

/// The longest line that is read; a file of another kind can be one line of any length.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// Bytes read from the file at once.
const BLOCK: usize = 1 << 18;

/// The lines of an input.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    name: String,
    line: u64,
    total: Option<u64>,
    read: Arc<AtomicU64>,
    hash: Receiver<[u8; 32]>,
}

/// One line as it stood in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// It ended with a line end (which is not part of it), not with the input.
    pub ended: bool,
    /// It was longer than [`LONGEST_LINE`]; what is kept is its beginning.
    pub too_long: bool,
}

impl Lines {
    /// Opens `path`, or standard input for `-`. Gzip and Zstandard are recognised by their first bytes.
    pub fn open(path: &Path) -> Result<Lines, SourceError> {
        let name = if path == Path::new("-") {
            "-".into()
        } else {
            path.file_name().unwrap_or_default().to_string_lossy()
        };
        let name = name.into_owned();
        let failed = |source| SourceError::Open {
            file: path.display().to_string(),
            source,
        };
        if path == Path::new("-") {
            return Lines::new(Box::new(io::stdin()), name, None).map_err(failed);
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
        Lines::new(Box::new(file), name, total).map_err(failed)
    }

    fn new(raw: Box<dyn Read + Send>, name: String, total: Option<u64>) -> io::Result<Lines> {
        let (raw, read, hash) = Counted::new(raw);
        let mut raw = BufReader::with_capacity(BLOCK, raw);
        let reader: Box<dyn BufRead + Send> = match magic(&mut raw)? {
            [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(
                BLOCK,
                flate2::bufread::MultiGzDecoder::new(raw),
            )),
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(BufReader::with_capacity(
                BLOCK,
                zstd::stream::read::Decoder::with_buffer(raw)?,
            )),
            _ => Box::new(raw),
        };
        Ok(Lines {
            reader,
            name,
            line: 0,
            total,
            read,
            hash,
        })
    }

    /// The name that errors carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the last line, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next line into `line` without its line end (`\n` or `\r\n`); `None` at the end.
    pub fn next(&mut self, line: &mut Vec<u8>) -> Result<Option<Line>, SourceError> {
        line.clear();
        let mut limited = (&mut self.reader).take(LONGEST_LINE as u64 + 2);
        let read = limited.read_until(b'\n', line).map_err(|source| self.failed(source))?;
        if read == 0 {
            return Ok(None);
        }
        let mut ended = line.pop_if(|byte| *byte == b'\n').is_some();
        if ended {
            line.pop_if(|byte| *byte == b'\r');
        }
        let too_long = line.len() > LONGEST_LINE;
        if too_long {
            line.truncate(LONGEST_LINE);
            ended = ended || self.skip_line().map_err(|source| self.failed(source))?;
        }
        self.line += 1;
        Ok(Some(Line { ended, too_long }))
    }

    /// Reads on behind the next line end, without keeping anything.
    fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            let block = self.reader.fill_buf()?;
            let (length, end) = (block.len(), block.iter().position(|&byte| byte == b'\n'));
            self.reader.consume(end.map_or(length, |end| end + 1));
            if end.is_some() || length == 0 {
                return Ok(end.is_some());
            }
        }
    }

    fn failed(&self, source: io::Error) -> SourceError {
        SourceError::Read {
            file: self.name.clone(),
            line: self.line,
            source,
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
            name: self.name.clone(),
            sha256: hexadecimal(&hash),
            bytes,
        })
    }
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
mod tests {
    use std::io::Write;

    use sha2::{Digest, Sha256};

    use super::*;

    /// Every line with its bytes.
    type Read = Vec<(Vec<u8>, Line)>;

    fn lines(content: &[u8]) -> Result<(Read, SourceInfo), SourceError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let mut lines = Lines::open(file.path())?;
        let (mut all, mut line) = (Vec::new(), Vec::new());
        while let Some(end) = lines.next(&mut line)? {
            all.push((line.clone(), end));
        }
        assert_eq!(lines.line(), all.len() as u64);
        Ok((all, lines.info()?))
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn line_ends() {
        let whole = Line {
            ended: true,
            too_long: false,
        };
        let (found, info) = lines(b"a\n\nb\r\nc").unwrap();
        let expected: [(&[u8], Line); 4] = [
            (b"a", whole),
            (b"", whole),
            (b"b", whole),
            (b"c", Line { ended: false, ..whole }),
        ];
        assert_eq!(found, expected.map(|(line, end)| (line.to_vec(), end)));
        // sha256sum of the same bytes
        assert_eq!(info.sha256, hexadecimal(&Sha256::digest(b"a\n\nb\r\nc")));
        assert_eq!(info.bytes, 7);
        assert!(lines(b"").unwrap().0.is_empty());
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        for (tail, ended) in [(&b"\nnext\n"[..], true), (b"", false)] {
            let content = [vec![b'x'; 3 * LONGEST_LINE], tail.to_vec()].concat();
            let (found, _) = lines(&content).unwrap();
            assert_eq!(found[0].1, Line { ended, too_long: true });
            assert_eq!(found[0].0.len(), LONGEST_LINE);
            assert_eq!(found.get(1).map(|(line, _)| &line[..]), ended.then_some(&b"next"[..]));
        }
        let (found, _) = lines(&[vec![b'x'; LONGEST_LINE], b"\r\ny".to_vec()].concat()).unwrap();
        assert_eq!(
            (found[0].1.too_long, found[0].0.len(), found.len()),
            (false, LONGEST_LINE, 2)
        );
    }

    #[test]
    fn compressed_members_follow_each_other() {
        let gz = [gzip(b"a\nb"), gzip(b"c\nd\n")].concat();
        let zst = [
            zstd::encode_all(&b"a\nb"[..], 3).unwrap(),
            zstd::encode_all(&b"c\nd\n"[..], 3).unwrap(),
        ]
        .concat();
        for compressed in [gz, zst] {
            let (found, info) = lines(&compressed).unwrap();
            assert_eq!(
                found.iter().map(|(line, _)| &line[..]).collect::<Vec<_>>(),
                [&b"a"[..], b"bc", b"d"]
            );
            assert_eq!(
                (info.sha256, info.bytes as usize),
                (hexadecimal(&Sha256::digest(&compressed)), compressed.len())
            );
        }
    }

    #[test]
    fn a_broken_stream_is_an_error() {
        let content: Vec<u8> = (0..20_000)
            .flat_map(|number| format!("{number}\n").into_bytes())
            .collect();
        // as the zstd program does; without a checksum some damage cannot be seen
        let mut zst = zstd::Encoder::new(Vec::new(), 3).unwrap();
        zst.include_checksum(true).unwrap();
        zst.write_all(&content).unwrap();
        for whole in [gzip(&content), zst.finish().unwrap()] {
            for length in [5, whole.len() / 2, whole.len() - 1] {
                assert!(
                    matches!(lines(&whole[..length]), Err(SourceError::Read { .. })),
                    "{length}"
                );
            }
            let mut damaged = whole.clone();
            let middle = damaged.len() / 2;
            damaged[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
            assert!(matches!(lines(&damaged), Err(SourceError::Read { .. })));
        }
    }
}
