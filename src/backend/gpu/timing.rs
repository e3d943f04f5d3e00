//! The time of each operation by the device's own clock, where the driver has timestamps.

use super::GpuError;
use super::device::Gpu;
use super::program::{Program, Upload};

impl Gpu {
    /// Runs a step as [`Gpu::enqueue`] does, but with a pass of its own for every operation, and waits. Gives the seconds of
    /// each operation; `None` where the driver has no timestamps (the step has run all the same), or where there are more
    /// operations than a query set holds.
    ///
    /// # Errors
    /// What the device has reported.
    pub fn timed(&mut self, uploads: &[Upload<'_>], program: &Program) -> Result<Option<Vec<f64>>, GpuError> {
        let count = 2 * program.operations.len() as u32;
        if !self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
            || count == 0
            || count > wgpu::QUERY_SET_MAX_QUERIES
        {
            self.enqueue(uploads, program)?;
            self.finish()?;
            return Ok(None);
        }
        self.enqueue(uploads, &Program::default())?;
        self.finish()?;
        let size = u64::from(count) * u64::from(wgpu::QUERY_SIZE);
        let result = self.guarded("timing a step", |device| {
            let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let buffer = |usage| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
            let read = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            let mut encoder = device.create_command_encoder(&Default::default());
            program.encode_timed(&mut encoder, &queries);
            encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &read, 0, size);
            self.queue.submit([encoder.finish()]);
            read
        })?;
        let ticks = self.map_words(&result)?;
        let period = f64::from(self.queue.get_timestamp_period()) * 1e-9;
        let seconds = ticks
            .chunks_exact(2)
            .map(|pair| pair[1].saturating_sub(pair[0]) as f64 * period);
        Ok(Some(seconds.collect()))
    }

    /// The u64 numbers of a buffer that can be mapped.
    fn map_words(&self, buffer: &wgpu::Buffer) -> Result<Vec<u64>, GpuError> {
        let failed = |reason: String| GpuError::Device {
            doing: "reading timestamps".into(),
            reason,
        };
        let (sender, receiver) = std::sync::mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |mapped| drop(sender.send(mapped)));
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        polled.map_err(|error| failed(error.to_string()))?;
        let mapped = receiver.try_recv().map_err(|error| failed(error.to_string()))?;
        mapped.map_err(|error| failed(error.to_string()))?;
        let view = buffer.get_mapped_range(..).map_err(|error| failed(error.to_string()))?;
        Ok(view.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect())
    }
}
