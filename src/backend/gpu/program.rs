//! A step as the device sees it: dispatches, made once and replayed.

use super::buffer::Handle;

/// One run of a shader: everything is bound, only to be recorded.
#[derive(Debug, Clone)]
pub struct Dispatch {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) bind_group: wgpu::BindGroup,
    pub(super) workgroups: [u32; 3],
}

/// Dispatches in order; each sees what the ones before it wrote.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// The dispatches.
    pub dispatches: Vec<Dispatch>,
    /// How many of them each operation has, in order.
    pub operations: Vec<usize>,
}

impl Program {
    pub(super) fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        if self.dispatches.is_empty() {
            return;
        }
        record(&mut encoder.begin_compute_pass(&Default::default()), &self.dispatches);
    }

    /// A pass an operation, each between two timestamps.
    pub(super) fn encode_timed(&self, encoder: &mut wgpu::CommandEncoder, queries: &wgpu::QuerySet) {
        let mut rest = &self.dispatches[..];
        for (place, &count) in (0u32..).zip(&self.operations) {
            let (dispatches, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: queries,
                    beginning_of_pass_write_index: Some(2 * place),
                    end_of_pass_write_index: Some(2 * place + 1),
                }),
            });
            record(&mut pass, dispatches);
        }
    }
}

fn record(pass: &mut wgpu::ComputePass<'_>, dispatches: &[Dispatch]) {
    for dispatch in dispatches {
        let [x, y, z] = dispatch.workgroups;
        if x == 0 || y == 0 || z == 0 {
            continue;
        }
        pass.set_pipeline(&dispatch.pipeline);
        pass.set_bind_group(0, &dispatch.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// What the host sends with a step, to the start of a buffer.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// Where to.
    pub target: Handle,
    /// The bits of the numbers.
    pub words: &'a [u32],
}
