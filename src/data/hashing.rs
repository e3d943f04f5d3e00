//! SHA-256 of what is read, on the way.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest, Sha256};

/// Lower-case hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counts and hashes what is read from `raw`.
pub(super) struct Counted {
    raw: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    hasher: Hasher,
}

impl Counted {
    /// The reader, the number of bytes read so far, and where the hash arrives when the reader is dropped.
    pub fn new(raw: Box<dyn Read + Send>) -> (Counted, Arc<AtomicU64>, Receiver<[u8; 32]>) {
        let (hasher, hash) = Hasher::start();
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            raw,
            read: read.clone(),
            hasher,
        };
        (counted, read, hash)
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.raw.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

/// SHA-256 on a thread of its own: it is slower than parsing. Dropped, it sends the hash.
struct Hasher {
    blocks: SyncSender<Vec<u8>>,
}

impl Hasher {
    fn start() -> (Hasher, Receiver<[u8; 32]>) {
        let (blocks, received) = sync_channel::<Vec<u8>>(16);
        let (done, hash) = sync_channel(1);
        std::thread::spawn(move || {
            let mut hasher = Sha256::new();
            received.iter().for_each(|block| hasher.update(&block));
            let _ = done.send(hasher.finalize().into());
        });
        (Hasher { blocks }, hash)
    }

    fn update(&self, block: &[u8]) {
        // the thread lives as long as this end of the channel
        let _ = self.blocks.send(block.to_vec());
    }
}
