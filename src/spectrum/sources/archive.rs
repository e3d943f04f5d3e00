//! Zip archives (`.npz`, PyTorch): members that are stored lie in the mapped archive, deflated ones are inflated into a
//! temporary file without a name.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::DeflateDecoder;
use memmap2::Mmap;
use rawzip::{CompressionMethod, ZipArchive};

use super::map::{MOST_INFLATION, of_file};
use super::{SourceError, map};

/// A mapped zip archive.
pub(super) struct Archive {
    path: PathBuf,
    map: Arc<Mmap>,
    /// The members in the order of the directory.
    pub members: Vec<Member>,
    places: HashMap<String, usize>,
}

/// One member.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its path in the archive.
    pub name: String,
    /// Where its bytes lie in the archive.
    range: Range<usize>,
    /// How long it is when it is unpacked, as the directory says.
    pub size: u64,
    method: Method,
    crc: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Method {
    Stored,
    Deflated,
}

impl Archive {
    /// Reads the directory of the archive at `path`; `kind` is what the file is called in messages.
    pub fn open(path: &Path, kind: &str) -> Result<Self, SourceError> {
        let map = map::map(path)?;
        let whole = |error: rawzip::Error| SourceError::File {
            path: path.to_path_buf(),
            message: format!("not a whole {kind} file ({error})"),
        };
        let mut members = Vec::new();
        {
            let archive = ZipArchive::from_slice(&map[..]).map_err(whole)?;
            for entry in archive.entries() {
                let entry = entry.map_err(whole)?;
                if entry.is_dir() {
                    continue;
                }
                let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
                let method = match entry.compression_method() {
                    CompressionMethod::STORE => Method::Stored,
                    CompressionMethod::DEFLATE => Method::Deflated,
                    other => {
                        let message = format!("is packed in a way that is not read ({other:?}): store or deflate it");
                        return Err(tensor(path, &name, message));
                    }
                };
                let found = archive.get_entry(entry.wayfinder()).map_err(whole)?;
                let (start, end) = found.compressed_data_range();
                let member = Member {
                    name,
                    range: start as usize..end as usize, // within the map, which `get_entry` has looked at
                    size: found.claim_verifier().uncompressed_size,
                    method,
                    crc: found.claim_verifier().crc,
                };
                members.push(member.checked(path, map.len())?);
            }
        }
        let places = members
            .iter()
            .enumerate()
            .map(|(place, member)| (member.name.clone(), place));
        Ok(Self {
            path: path.to_path_buf(),
            map,
            places: places.collect(),
            members,
        })
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.places.get(name).map(|&place| &self.members[place])
    }

    /// At most `limit` bytes from the start of a member.
    pub fn start(&self, member: &Member, limit: usize) -> Result<Vec<u8>, SourceError> {
        let bytes = &self.map[member.range.clone()];
        let mut start = Vec::new();
        match member.method {
            Method::Stored => start.extend_from_slice(&bytes[..bytes.len().min(limit)]),
            Method::Deflated => {
                let mut inflater = DeflateDecoder::new(bytes).take(limit as u64);
                let read = inflater.read_to_end(&mut start);
                read.map_err(|e| self.error(member, format!("cannot be inflated ({e}): the file is damaged")))?;
            }
        }
        Ok(start)
    }

    /// All of a member: the map it lies in, and where.
    pub fn whole(&self, member: &Member) -> Result<(Arc<Mmap>, Range<usize>), SourceError> {
        match member.method {
            Method::Stored => Ok((self.map.clone(), member.range.clone())),
            Method::Deflated => {
                let map = self.inflate(member)?;
                let range = 0..map.len();
                Ok((map, range))
            }
        }
    }

    /// Inflates into a temporary file, never further than the directory says.
    fn inflate(&self, member: &Member) -> Result<Arc<Mmap>, SourceError> {
        let io = |e: std::io::Error| self.error(member, format!("cannot be inflated into a temporary file ({e})"));
        let mut file = tempfile::tempfile().map_err(io)?;
        let mut inflater = DeflateDecoder::new(&self.map[member.range.clone()]);
        let (mut crc, mut done) = (flate2::Crc::new(), 0u64);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = inflater
                .read(&mut buffer)
                .map_err(|e| self.error(member, format!("cannot be inflated ({e}): the file is damaged")))?;
            if read == 0 {
                break;
            }
            done += read as u64;
            if done > member.size {
                let message = format!("inflates to more than the {} bytes it promises", member.size);
                return Err(self.error(member, message));
            }
            crc.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(io)?;
        }
        if done != member.size || crc.sum() != member.crc {
            let message = format!(
                "inflates to {done} bytes where {} with another checksum are promised: the file is damaged",
                member.size
            );
            return Err(self.error(member, message));
        }
        of_file(&file).map_err(io)
    }

    /// An error about a member.
    pub fn error(&self, member: &Member, message: String) -> SourceError {
        tensor(&self.path, &member.name, message)
    }
}

impl Member {
    /// Refuses a size that cannot be.
    fn checked(self, path: &Path, length: usize) -> Result<Self, SourceError> {
        let packed = self.range.len() as u64;
        let fits = self.range.start <= self.range.end && self.range.end <= length;
        let plausible = match self.method {
            Method::Stored => self.size == packed,
            Method::Deflated => self.size / MOST_INFLATION <= packed,
        };
        if fits && plausible {
            return Ok(self);
        }
        let message = format!("promises {} bytes, which its {packed} cannot hold", self.size);
        Err(tensor(path, &self.name, message))
    }
}

fn tensor(path: &Path, name: &str, message: String) -> SourceError {
    SourceError::Tensor {
        path: path.to_path_buf(),
        tensor: name.into(),
        message,
    }
}
