//! Compiled shaders, bind groups and grids.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use super::buffer::Handle;
use super::device::Gpu;
use super::shaders::Shader;
use super::{Dispatch, GpuError};
use wgpu::util::DeviceExt;

/// The most workgroups of a grid's dimension that every adapter runs.
pub const MAX_WORKGROUPS: u32 = 65535;

/// Modules by shader, pipelines by shader, entry point and constants.
#[derive(Debug, Default)]
pub(super) struct Pipelines {
    modules: Mutex<HashMap<&'static str, wgpu::ShaderModule>>,
    pipelines: Mutex<HashMap<String, wgpu::ComputePipeline>>,
    broken: Option<(&'static str, &'static str)>,
}

impl Pipelines {
    pub(super) fn new(broken: Option<(&'static str, &'static str)>) -> Self {
        Self {
            broken,
            ..Self::default()
        }
    }

    fn source(&self, shader: &Shader) -> Cow<'static, str> {
        match self.broken {
            Some((this, by)) => Cow::Owned(shader.source.replace(this, by)),
            None => Cow::Borrowed(shader.source),
        }
    }
}

/// One use of an entry point, to be made into a [`Dispatch`].
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The shader.
    pub shader: &'a Shader,
    /// Its entry point.
    pub entry: &'a str,
    /// Values of `override` constants; the others keep the shader's.
    pub constants: &'a [(&'a str, f64)],
    /// The parameter block, binding 0.
    pub parameters: &'a [u32],
    /// The buffers by binding.
    pub buffers: &'a [(u32, Handle)],
    /// The grid.
    pub workgroups: [u32; 3],
}

impl Gpu {
    /// Compiles (once), binds and sizes one use of a shader.
    ///
    /// # Errors
    /// [`GpuError::Device`] if the driver rejects the shader, [`GpuError::OutOfRange`] for an unknown buffer.
    pub fn dispatch(&self, call: &Call<'_>) -> Result<Dispatch, GpuError> {
        self.check()?;
        let pipeline = self.pipeline(call)?;
        let mut parameters = call.parameters.to_vec();
        // Room for any shader's block: an entry point that needs less of it may leave the rest out.
        parameters.resize(parameters.len().next_multiple_of(4).max(16), 0);
        let parameters = self.guarded("making a parameter block", |device| {
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents: bytemuck::cast_slice(&parameters),
                usage: wgpu::BufferUsages::UNIFORM,
            })
        })?;
        let mut entries = vec![entry(0, parameters.as_entire_buffer_binding())];
        for &(binding, handle) in call.buffers {
            entries.push(entry(binding, self.buffers.whole(handle)?));
        }
        let doing = format!("binding the buffers of {} {}", call.shader.name, call.entry);
        let bind_group = self.guarded(&doing, |device| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            })
        })?;
        Ok(Dispatch {
            pipeline,
            bind_group,
            workgroups: call.workgroups,
        })
    }

    /// The entry points compiled so far, as `shader entry`, for the test that leaves none out.
    pub fn compiled(&self) -> BTreeSet<String> {
        let pipelines = self.pipelines.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let names = pipelines
            .keys()
            .map(|key| key.splitn(3, ' ').take(2).collect::<Vec<_>>());
        names.map(|name| name.join(" ")).collect()
    }

    fn pipeline(&self, call: &Call<'_>) -> Result<wgpu::ComputePipeline, GpuError> {
        let key = format!("{} {} {:?}", call.shader.name, call.entry, call.constants);
        let mut pipelines = self.pipelines.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(&key) {
            return Ok(pipeline.clone());
        }
        let module = self.module(call.shader)?;
        let pipeline = self.guarded(&format!("compiling {key}"), |device| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&key),
                layout: None,
                module: &module,
                entry_point: Some(call.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: call.constants,
                    // Every shader writes a tile before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            })
        })?;
        pipelines.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn module(&self, shader: &Shader) -> Result<wgpu::ShaderModule, GpuError> {
        let mut modules = self.pipelines.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(shader.name) {
            return Ok(module.clone());
        }
        let module = self.guarded(&format!("compiling {}", shader.name), |device| {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(shader.name),
                source: wgpu::ShaderSource::Wgsl(self.pipelines.source(shader)),
            };
            // naga would count every loop's rounds to keep it from running for ever. In the products that makes
            // lavapipe spill the sums: 17 s to compile instead of 0.3 s, and six times slower.
            let checks = wgpu::ShaderRuntimeChecks {
                force_loop_bounding: false,
                ..wgpu::ShaderRuntimeChecks::checked()
            };
            // SAFETY: without that count, no shader may loop for ever. Ours loop only over counted ranges, with steps
            // of at most the grid's size towards limits that are sizes or the loader's offsets and so lie far below 2³²; every other
            // check, such as that of bounds, stays.
            unsafe { device.create_shader_module_trusted(descriptor, checks) }
        })?;
        modules.insert(shader.name, module.clone());
        Ok(module)
    }
}

fn entry(binding: u32, buffer: wgpu::BufferBinding<'_>) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(buffer),
    }
}

/// The grid of one-dimensional work: `items` over workgroups of `size`, split in y where x would pass
/// [`MAX_WORKGROUPS`] (8192 examples × 26 features × 64 columns do). `shaders/common/item.wgsl` undoes it.
///
/// Items past 65,535² workgroups are not reached; no buffer is that large.
pub fn grid(items: usize, size: u32) -> [u32; 3] {
    let groups = (items as u64).div_ceil(size.into());
    let rows = groups.div_ceil(MAX_WORKGROUPS.into()).max(1);
    let columns = groups.div_ceil(rows);
    [columns as u32, rows as u32, 1]
}

#[cfg(test)]
mod tests {
    use super::{MAX_WORKGROUPS, grid};

    #[test]
    fn a_grid_covers_its_items_and_keeps_within_the_limit() {
        for items in [
            0,
            1,
            63,
            64,
            65,
            64 * 65535,
            64 * 65535 + 1,
            8192 * 26 * 64 * 64,
            u32::MAX as usize,
        ] {
            let [x, y, z] = grid(items, 64);
            let reached = u64::from(x) * u64::from(y) * u64::from(z) * 64;
            assert!(reached >= items as u64, "{items}: {x} × {y}");
            assert!(x <= MAX_WORKGROUPS && y <= MAX_WORKGROUPS, "{items}: {x} × {y}");
            assert!(
                reached < items as u64 + 64 * u64::from(y) + 64,
                "{items}: {x} × {y} is too many"
            );
        }
    }
}
