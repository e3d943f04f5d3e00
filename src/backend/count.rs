//! Memory that is only counted: the same allocating code runs over it before anything is allocated.

use super::{Allocate, Floats, Ints};

/// Hands out handles and adds up bytes; there is nothing behind a handle.
#[derive(Debug, Clone)]
pub struct Counting {
    floats: usize,
    ints: usize,
    bytes: u64,
    max_shard_elements: usize,
}

impl Counting {
    /// An empty memory in which tables lie in shards of at most this many elements.
    pub fn with_shards(max_elements: usize) -> Self {
        Self {
            floats: 0,
            ints: 0,
            bytes: 0,
            max_shard_elements: max_elements,
        }
    }

    /// Bytes of all buffers so far: f32 and u32 numbers, four each.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Allocate for Counting {
    type Error = std::convert::Infallible;

    fn allocate_floats(&mut self, len: usize) -> Result<Floats, Self::Error> {
        self.bytes += 4 * len as u64;
        self.floats += 1;
        Ok(Floats(self.floats - 1))
    }

    fn allocate_ints(&mut self, len: usize) -> Result<Ints, Self::Error> {
        self.bytes += 4 * len as u64;
        self.ints += 1;
        Ok(Ints(self.ints - 1))
    }

    fn max_shard_elements(&self) -> usize {
        self.max_shard_elements
    }
}
