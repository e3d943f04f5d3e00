//! Buffers behind handles, and their way from and to the host.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::mpsc;

use super::GpuError;
use super::device::{Gpu, typed};
use crate::backend::{Floats, Ints};

/// Bytes that go to or from the host at once: more would double the memory of a large table.
const CHUNK_BYTES: u64 = 32 << 20;

/// A buffer of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handle {
    /// Numbers.
    Floats(Floats),
    /// Counts, row numbers, offsets.
    Ints(Ints),
}

impl From<Floats> for Handle {
    fn from(handle: Floats) -> Self {
        Self::Floats(handle)
    }
}

impl From<Ints> for Handle {
    fn from(handle: Ints) -> Self {
        Self::Ints(handle)
    }
}

/// Bytes of the buffers that hold several small ones: what a batch brings, so that it goes to the device in few copies.
const ARENA_BYTES: u64 = 1 << 20;

/// Every buffer of a device.
#[derive(Debug)]
pub(super) struct Buffers {
    floats: Vec<Buffer>,
    ints: Vec<Buffer>,
    /// Where the next small one goes, and the first free byte of it.
    arena: Option<(wgpu::Buffer, u64)>,
    /// Copies by what they are copies of.
    copies: HashMap<usize, Floats>,
    adapter: String,
    max_bytes: u64,
}

#[derive(Debug)]
struct Buffer {
    inner: wgpu::Buffer,
    /// Where it begins in `inner`.
    offset: u64,
    len: usize,
}

impl Buffer {
    /// A multiple of 16 and at least 16, so that it can be bound as `array<vec4f>`.
    fn bytes(len: usize) -> u64 {
        (len as u64 * 4).max(1).next_multiple_of(16)
    }
}

/// A part of a buffer: where it begins, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub inner: &'a wgpu::Buffer,
    pub offset: u64,
}

impl Buffers {
    pub(super) fn new(adapter: String, max_bytes: u64) -> Self {
        Self {
            floats: Vec::new(),
            ints: Vec::new(),
            arena: None,
            copies: HashMap::new(),
            adapter,
            max_bytes,
        }
    }

    fn find(&self, handle: Handle) -> Option<&Buffer> {
        match handle {
            Handle::Floats(Floats(index)) => self.floats.get(index),
            Handle::Ints(Ints(index)) => self.ints.get(index),
        }
    }

    /// The whole of it, to be bound.
    pub(super) fn whole(&self, handle: Handle) -> Result<wgpu::BufferBinding<'_>, GpuError> {
        let Place { inner, offset } = self.range(handle, 0..0)?;
        let bytes = self.find(handle).map_or(0, |buffer| Buffer::bytes(buffer.len));
        Ok(wgpu::BufferBinding {
            buffer: inner,
            offset,
            size: std::num::NonZero::new(bytes),
        })
    }

    /// Where the elements `range` lie, once they are known to lie within the buffer.
    pub(super) fn range(&self, handle: Handle, range: Range<usize>) -> Result<Place<'_>, GpuError> {
        let found = self.find(handle);
        if let Some(buffer) = found.filter(|buffer| range.start <= range.end && range.end <= buffer.len) {
            return Ok(Place {
                inner: &buffer.inner,
                offset: buffer.offset + range.start as u64 * 4,
            });
        }
        let (Handle::Floats(Floats(buffer)) | Handle::Ints(Ints(buffer))) = handle;
        let len = found.map_or(0, |buffer| buffer.len);
        Err(GpuError::OutOfRange {
            buffer,
            start: range.start,
            end: range.end,
            len,
        })
    }
}

impl Gpu {
    /// Forgets every buffer: handles count from zero again, while compiled shaders stay. Programs made before must not
    /// be enqueued again; they would work on the old buffers.
    ///
    /// # Errors
    /// What the device has reported.
    pub fn free_buffers(&mut self) -> Result<(), GpuError> {
        self.finish()?;
        self.buffers.floats.clear();
        self.buffers.ints.clear();
        self.buffers.arena = None;
        self.buffers.copies.clear();
        Ok(())
    }

    /// A buffer of zeros.
    pub(super) fn allocate(&mut self, len: usize) -> Result<Floats, GpuError> {
        let inner = self.make(Buffer::bytes(len))?;
        let offset = 0;
        self.buffers.floats.push(Buffer { inner, offset, len });
        Ok(Floats(self.buffers.floats.len() - 1))
    }

    /// A buffer of `len` zeros for a copy of another one, the same for every operation that asks: one writes it, another reads it.
    ///
    /// # Errors
    /// As [`crate::backend::Allocate::allocate_floats`].
    pub fn copy_of(&mut self, Floats(original): Floats, len: usize) -> Result<Floats, GpuError> {
        if let Some(&copy) = self.buffers.copies.get(&original) {
            return Ok(copy);
        }
        let copy = self.allocate(len)?;
        self.buffers.copies.insert(original, copy);
        Ok(copy)
    }

    /// A buffer of zeros that no shader writes: while one writes a part of a buffer, none may read another part.
    pub(super) fn allocate_read_only(&mut self, len: usize) -> Result<Floats, GpuError> {
        let buffer = self.part_of_arena(len)?;
        self.buffers.floats.push(buffer);
        Ok(Floats(self.buffers.floats.len() - 1))
    }

    /// The same for counts: shaders only read them.
    pub(super) fn allocate_counts(&mut self, len: usize) -> Result<Ints, GpuError> {
        let buffer = self.part_of_arena(len)?;
        self.buffers.ints.push(buffer);
        Ok(Ints(self.buffers.ints.len() - 1))
    }

    fn part_of_arena(&mut self, len: usize) -> Result<Buffer, GpuError> {
        let bytes = Buffer::bytes(len);
        if bytes > ARENA_BYTES / 4 {
            let (inner, offset) = (self.make(bytes)?, 0);
            return Ok(Buffer { inner, offset, len });
        }
        let alignment = self.device.limits().min_storage_buffer_offset_alignment.into();
        let (inner, offset) = match self.buffers.arena.take() {
            Some((inner, free)) if free + bytes <= ARENA_BYTES => (inner, free),
            _ => (self.make(ARENA_BYTES)?, 0),
        };
        self.buffers.arena = Some((inner.clone(), (offset + bytes).next_multiple_of(alignment)));
        Ok(Buffer { inner, offset, len })
    }

    fn make(&self, bytes: u64) -> Result<wgpu::Buffer, GpuError> {
        self.check()?;
        if bytes > self.buffers.max_bytes {
            let (adapter, limit) = (self.buffers.adapter.clone(), self.buffers.max_bytes);
            return Err(GpuError::BufferTooLarge { adapter, bytes, limit });
        }
        self.guarded("allocating a buffer", |device| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })
    }

    /// Runs what may fail in wgpu and returns its error instead of panicking.
    pub(super) fn guarded<T>(&self, doing: &str, run: impl FnOnce(&wgpu::Device) -> T) -> Result<T, GpuError> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = run(&self.device);
        let errors = [validation.pop(), internal.pop()].map(pollster::block_on);
        let errors = errors.into_iter().chain([pollster::block_on(memory.pop())]);
        match errors.flatten().next() {
            Some(error) => Err(self.first(typed(doing, error))),
            None => Ok(made),
        }
    }

    pub(super) fn write(&mut self, handle: Handle, start: usize, words: &[u32]) -> Result<(), GpuError> {
        self.flush()?;
        let Place { inner, offset } = self.buffers.range(handle, start..start.saturating_add(words.len()))?;
        for (index, chunk) in words.chunks((CHUNK_BYTES / 4) as usize).enumerate() {
            let offset = offset + index as u64 * CHUNK_BYTES;
            self.queue.write_buffer(inner, offset, bytemuck::cast_slice(chunk));
            // Staged copies pile up until the device has taken them, those of many small writes too.
            self.staged_bytes += chunk.len() as u64 * 4;
            if self.staged_bytes >= CHUNK_BYTES {
                self.staged_bytes = 0;
                self.queue.submit([]);
                let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
            }
        }
        self.check()
    }

    pub(super) fn read<T: bytemuck::Pod>(&mut self, handle: Handle, range: Range<usize>) -> Result<Vec<T>, GpuError> {
        self.flush()?;
        self.buffers.range(handle, range.clone())?;
        let mut values = Vec::with_capacity(range.len());
        let chunk = (CHUNK_BYTES / 4) as usize;
        for start in range.clone().step_by(chunk) {
            let part = start..(start + chunk).min(range.end);
            self.read_chunk(handle, part, &mut values)
                .map_err(|error| self.first(error))?;
        }
        Ok(values)
    }

    /// Appends one chunk. A staging buffer a call: reading happens rarely (losses, checkpoints).
    fn read_chunk<T: bytemuck::Pod>(
        &self,
        handle: Handle,
        range: Range<usize>,
        into: &mut Vec<T>,
    ) -> Result<(), GpuError> {
        let failed = |reason: String| GpuError::Device {
            doing: "reading a buffer".into(),
            reason,
        };
        let Place { inner, offset } = self.buffers.range(handle, range.clone())?;
        let size = range.len() as u64 * 4;
        let staging = self.guarded("reading a buffer", |device| {
            let staging = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let mut encoder = device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(inner, offset, &staging, 0, size);
            self.queue.submit([encoder.finish()]);
            staging
        })?;
        let (sender, receiver) = mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| drop(sender.send(mapped)));
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        polled.map_err(|error| failed(error.to_string()))?;
        let mapped = receiver.try_recv().map_err(|error| failed(error.to_string()))?;
        mapped.map_err(|error| failed(error.to_string()))?;
        let view = staging
            .get_mapped_range(..)
            .map_err(|error| failed(error.to_string()))?;
        // Mapped memory is aligned to at least 8 bytes, and T is f32 or u32.
        into.extend_from_slice(bytemuck::cast_slice(&view));
        Ok(())
    }
}
