//! Steps on their way to the device: several in one submission, a few submissions in flight, never more.

use super::GpuError;
use super::buffer::{Buffers, Handle};
use super::program::{Program, Upload};
use std::sync::mpsc::{self, Receiver};

/// Steps of one submission.
const STEPS: usize = 8;
/// Submissions that the host may run ahead; each has a staging buffer of its own.
const SLOTS: usize = 3;
/// A staging buffer is made for [`STEPS`] steps as long as it is no larger than this.
const STAGING_BYTES: u64 = 16 << 20;

/// What is recorded but not submitted, and the staging buffers.
#[derive(Debug, Default)]
pub(super) struct Submission {
    slots: [Slot; SLOTS],
    current: usize,
    encoder: Option<wgpu::CommandEncoder>,
    steps: usize,
}

/// A staging buffer: mapped and filled, then copied from, then mapped again.
#[derive(Debug, Default)]
struct Slot {
    buffer: Option<wgpu::Buffer>,
    used: u64,
    /// Set while a submission reads the buffer.
    flight: Option<(wgpu::SubmissionIndex, Receiver<bool>)>,
}

impl Submission {
    pub(super) fn record(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        buffers: &Buffers,
        uploads: &[Upload<'_>],
        program: &Program,
    ) -> Result<(), GpuError> {
        let mut bytes = 0;
        // Before anything is recorded: half a step must not be submitted.
        for run in runs(buffers, uploads) {
            bytes += run?.staged();
        }
        if self.steps == STEPS || (self.steps > 0 && !self.slots[self.current].has_room(bytes)) {
            self.flush(queue);
        }
        if self.steps == 0 {
            self.slots[self.current].begin(device, bytes)?;
        }
        let encoder = self
            .encoder
            .get_or_insert_with(|| device.create_command_encoder(&Default::default()));
        for run in runs(buffers, uploads) {
            self.slots[self.current].copy(encoder, buffers, run?)?;
        }
        program.encode(encoder);
        self.steps += 1;
        Ok(())
    }

    pub(super) fn flush(&mut self, queue: &wgpu::Queue) {
        let Some(encoder) = self.encoder.take() else { return };
        let slot = &mut self.slots[self.current];
        if let Some(buffer) = &slot.buffer {
            buffer.unmap();
        }
        let index = queue.submit([encoder.finish()]);
        if let Some(buffer) = &slot.buffer {
            let (sender, receiver) = mpsc::channel();
            buffer.map_async(wgpu::MapMode::Write, .., move |mapped| {
                let _ = sender.send(mapped.is_ok());
            });
            slot.flight = Some((index, receiver));
        }
        self.steps = 0;
        self.current = (self.current + 1) % SLOTS;
    }
}

impl Slot {
    fn has_room(&self, bytes: u64) -> bool {
        self.used + bytes <= self.buffer.as_ref().map_or(0, wgpu::Buffer::size)
    }

    /// Waits until the device has read what the buffer last held, and makes a larger one if it is too small.
    fn begin(&mut self, device: &wgpu::Device, bytes: u64) -> Result<(), GpuError> {
        if let Some((index, mapped)) = self.flight.take() {
            let wait = wgpu::PollType::Wait {
                submission_index: Some(index),
                timeout: None,
            };
            let polled = device.poll(wait);
            if polled.is_err() || mapped.try_recv() != Ok(true) {
                return Err(failed(format!("a submission did not complete ({polled:?})")));
            }
        }
        self.used = 0;
        if self.buffer.is_none() || !self.has_room(bytes) {
            // The next steps' batches may be a little longer.
            let size = ((bytes + bytes / 8) * STEPS as u64)
                .clamp(4096, STAGING_BYTES)
                .max(bytes);
            self.buffer = Some(device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size,
                usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            }));
        }
        Ok(())
    }

    fn copy(&mut self, encoder: &mut wgpu::CommandEncoder, buffers: &Buffers, run: Run<'_>) -> Result<(), GpuError> {
        let Some(staging) = self.buffer.as_ref().filter(|_| run.end > run.start) else {
            return Ok(());
        };
        let first = self.used;
        for upload in run.uploads {
            let bytes: &[u8] = bytemuck::cast_slice(upload.words);
            let start = first + buffers.range(upload.target, 0..upload.words.len())?.offset - run.start;
            let mapped = staging.get_mapped_range_mut(start..start + bytes.len() as u64);
            let mut mapped = mapped.map_err(|error| failed(error.to_string()))?;
            mapped.copy_from_slice(bytes);
        }
        encoder.copy_buffer_to_buffer(staging, first, run.target, run.start, run.end - run.start);
        self.used += run.staged();
        Ok(())
    }
}

/// Uploads that go in one copy: the bytes `start..end` of a buffer, with what happens to lie between them.
struct Run<'a> {
    target: &'a wgpu::Buffer,
    start: u64,
    end: u64,
    uploads: &'a [Upload<'a>],
}

impl Run<'_> {
    /// Bytes in the staging buffer; mapped ranges start at multiples of 8.
    fn staged(&self) -> u64 {
        (self.end - self.start).next_multiple_of(16)
    }
}

/// Bytes that are copied for nothing rather than in a copy of their own.
const GAP: u64 = 1 << 16;

/// The uploads in runs: those that lie close behind one another in the same buffer.
fn runs<'a>(buffers: &'a Buffers, mut rest: &'a [Upload<'a>]) -> impl Iterator<Item = Result<Run<'a>, GpuError>> {
    let place = |upload: &Upload<'_>| {
        let place = buffers.range(upload.target, 0..upload.words.len())?;
        Ok((place.inner, place.offset, place.offset + upload.words.len() as u64 * 4))
    };
    std::iter::from_fn(move || {
        let (first, _) = rest.split_first()?;
        let (target, start, mut end) = match place(first) {
            Ok(found) => found,
            Err(error) => {
                rest = &[];
                return Some(Err(error));
            }
        };
        let joins = |upload: &&Upload<'_>| match place(upload) {
            Ok((inner, from, to)) if inner == target && from >= end && from - end <= GAP => {
                end = to;
                true
            }
            // What cannot be placed fails when it is first of a run.
            _ => false,
        };
        let count = 1 + rest[1..].iter().take_while(joins).count();
        let (uploads, behind) = rest.split_at(count);
        rest = behind;
        Some(Ok(Run {
            target,
            start,
            end,
            uploads,
        }))
    })
}

fn failed(reason: String) -> GpuError {
    GpuError::Device {
        doing: "sending a batch".into(),
        reason,
    }
}

impl Upload<'_> {
    /// Words for a buffer of numbers.
    pub fn floats(target: impl Into<Handle>, values: &[f32]) -> Upload<'_> {
        Upload {
            target: target.into(),
            words: bytemuck::cast_slice(values),
        }
    }

    /// Words for a buffer of counts.
    pub fn ints(target: impl Into<Handle>, values: &[u32]) -> Upload<'_> {
        Upload {
            target: target.into(),
            words: values,
        }
    }
}
