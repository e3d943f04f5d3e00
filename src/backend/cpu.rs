//! The CPU's memory: plain vectors behind handles, in f32 for work and in f64 for the gradient tests.

use super::lanes::Lanes;
use super::numbers::{Arena, Numbers};
use super::{Allocate, Floats, Ints};
use std::cell::RefCell;

/// The numbers that CPU code runs on.
pub trait Real: faer::traits::RealField + Lanes + bytemuck::Pod + Send + Sync + std::iter::Sum {
    /// Nearest number to an f64.
    fn from_f64(value: f64) -> Self;
    /// As f64, exactly.
    fn to_f64(self) -> f64;
    /// eˣ.
    fn exp(self) -> Self;
    /// ln(1 + x).
    fn ln_1p(self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// The greater of two.
    fn max(self, other: Self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// Runs `work` on `len` numbers that hold anything: memory that a thread keeps, so that a step allocates nothing.
    fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [Self]) -> R) -> R;
}

macro_rules! real {
    ($type:ty, $exp:path, $ln_1p:path) => {
        impl Real for $type {
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn exp(self) -> Self {
                $exp(self)
            }
            fn ln_1p(self) -> Self {
                $ln_1p(self)
            }
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
            fn max(self, other: Self) -> Self {
                <$type>::max(self, other)
            }
            fn abs(self) -> Self {
                <$type>::abs(self)
            }
            fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [Self]) -> R) -> R {
                // One a call within another; the outermost one's is the last.
                thread_local!(static SCRATCH: RefCell<Vec<Numbers<$type>>> = const { RefCell::new(Vec::new()) });
                let mut scratch = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
                if scratch.len() < len {
                    scratch = Numbers::zeros(len);
                }
                let result = work(&mut scratch[..len]);
                SCRATCH.with_borrow_mut(|all| all.push(scratch));
                result
            }
        }
    };
}
// libm, not the platform's: the same bits on every machine.
real!(f32, libm::expf, libm::log1pf);
real!(f64, libm::exp, libm::log1p);

/// Buffers behind handles.
#[derive(Debug, Clone)]
pub struct Memory<T: bytemuck::Pod> {
    floats: Vec<Numbers<T>>,
    ints: Vec<Vec<u32>>,
    scratch: Numbers<T>,
    arena: Arena,
    max_shard_elements: Option<usize>,
}

impl<T: Real> Default for Memory<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Memory<T> {
    /// An empty memory.
    pub fn new() -> Self {
        Self {
            floats: Vec::new(),
            ints: Vec::new(),
            scratch: Numbers::default(),
            arena: Arena::default(),
            max_shard_elements: None,
        }
    }

    /// An empty memory in which tables lie in shards of at most this many elements, as on a small GPU.
    pub fn with_shards(max_elements: usize) -> Self {
        Self {
            max_shard_elements: Some(max_elements),
            ..Self::new()
        }
    }

    /// A buffer's numbers.
    pub fn floats(&self, handle: Floats) -> &[T] {
        &self.floats[handle.0]
    }

    /// A buffer's numbers, to write.
    pub fn floats_mut(&mut self, handle: Floats) -> &mut [T] {
        &mut self.floats[handle.0]
    }

    /// A buffer's numbers.
    pub fn ints(&self, handle: Ints) -> &[u32] {
        &self.ints[handle.0]
    }

    /// A buffer's numbers, to write.
    pub fn ints_mut(&mut self, handle: Ints) -> &mut [u32] {
        &mut self.ints[handle.0]
    }

    /// Takes a buffer out, so that it can be written while others are read; [`Memory::put`] brings it back.
    pub fn take(&mut self, handle: Floats) -> Numbers<T> {
        std::mem::take(&mut self.floats[handle.0])
    }

    /// `len` numbers or more that hold anything, for what threads share within one operation; [`Memory::put_scratch`] brings
    /// them back.
    pub fn take_scratch(&mut self, len: usize) -> Numbers<T> {
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.len() < len {
            scratch = Numbers::zeros(len);
        }
        scratch
    }

    /// Brings back what [`Memory::take_scratch`] took.
    pub fn put_scratch(&mut self, scratch: Numbers<T>) {
        self.scratch = scratch;
    }

    /// Brings back what [`Memory::take`] took.
    pub fn put(&mut self, handle: Floats, values: Numbers<T>) {
        self.floats[handle.0] = values;
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        let floats: usize = self.floats.iter().map(|buffer| size_of_val::<[T]>(buffer)).sum();
        let ints: usize = self.ints.iter().map(|buffer| size_of_val(buffer.as_slice())).sum();
        (floats + ints) as u64
    }
}

impl<T: Real> Allocate for Memory<T> {
    type Error = std::convert::Infallible;

    fn allocate_floats(&mut self, len: usize) -> Result<Floats, Self::Error> {
        self.floats.push(self.arena.zeros(len));
        Ok(Floats(self.floats.len() - 1))
    }

    fn allocate_ints(&mut self, len: usize) -> Result<Ints, Self::Error> {
        self.ints.push(vec![0; len]);
        Ok(Ints(self.ints.len() - 1))
    }

    fn max_shard_elements(&self) -> usize {
        self.max_shard_elements.unwrap_or(usize::MAX)
    }
}
