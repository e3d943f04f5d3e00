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
}

impl Program {
    pub(super) fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        if self.dispatches.is_empty() {
            return;
        }
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for dispatch in &self.dispatches {
            let [x, y, z] = dispatch.workgroups;
            if x == 0 || y == 0 || z == 0 {
                continue;
            }
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, &dispatch.bind_group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
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
