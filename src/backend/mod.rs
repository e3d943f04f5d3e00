//! Where arithmetic runs: buffer handles, how things lie in them, the CPU's memory, the GPU's device.

pub mod ahead;
pub mod count;
pub mod cpu;
pub mod gpu;
pub mod lanes;
pub mod layout;
pub mod numbers;
pub mod product;

pub use layout::{Matrix, Shard, ShardedRows, SparseBatch, stride};

/// A handle to a buffer of f32 numbers (f64 in a CPU memory made for gradient tests).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Floats(pub usize);

/// A handle to a buffer of u32 numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ints(pub usize);

/// Something that hands out buffers: the CPU's memory or a GPU.
pub trait Allocate {
    /// Why a buffer could not be had.
    type Error;

    /// A buffer of `len` zeros.
    fn allocate_floats(&mut self, len: usize) -> Result<Floats, Self::Error>;

    /// A buffer of `len` zeros that no operation writes, for what a batch brings.
    fn allocate_input(&mut self, len: usize) -> Result<Floats, Self::Error> {
        self.allocate_floats(len)
    }

    /// A buffer of `len` zeros that no operation writes.
    fn allocate_ints(&mut self, len: usize) -> Result<Ints, Self::Error>;

    /// The greatest number of f32 elements that one shard of a table may have.
    fn max_shard_elements(&self) -> usize;
}
