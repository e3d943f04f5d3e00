//! An opened adapter: device, queue, limits, and the first error that the driver reported.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::adapter::{Adapter, Description};
use super::buffer::Buffers;
use super::family::{self, Family};
use super::pipeline::Pipelines;
use super::submit::Submission;
use super::{GpuError, Upload};
use crate::backend::gpu::Program;
use crate::backend::{Allocate, Floats, Ints};

/// What may be chosen when a device is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The products; `None` chooses by the adapter's type, and where that says nothing by a timing that is remembered.
    /// [`Family::Lanes`] is [`Family::Rows`] on a device whose subgroups are not of eight.
    pub family: Option<Family>,
    /// The most bytes of a shard of the tables; `None` takes the adapter's limit. Tests set it low.
    pub max_shard_bytes: Option<u64>,
    /// (this, by that) in every shader's text, for the test that a broken shader is noticed.
    pub break_shaders: Option<(&'static str, &'static str)>,
}

/// An opened device with its buffers, its compiled shaders and the steps that wait to be submitted.
///
/// Work is recorded by [`Gpu::enqueue`] and runs in the background; whatever reads or writes a buffer from the host
/// comes after everything recorded before it. Errors that the driver reports late come out of the next call.
#[derive(Debug)]
pub struct Gpu {
    description: Description,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    faults: Faults,
    family: Family,
    pub(super) eight_lanes: bool,
    max_shard_bytes: u64,
    pub(super) buffers: Buffers,
    /// Bytes written since the device last took them.
    pub(super) staged_bytes: u64,
    pub(super) pipelines: Pipelines,
    pub(super) submission: Submission,
}

/// What a device is asked for, as far as its adapter has it: timestamps, and broadcasts within a subgroup.
const FEATURES: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::SUBGROUP);

/// What the shaders need: limit, its name, the least value.
fn needs(limits: &wgpu::Limits) -> [(u64, &'static str, u64); 4] {
    [
        (
            limits.max_storage_buffers_per_shader_stage.into(),
            "storage buffers a shader",
            8,
        ),
        (
            limits.max_compute_invocations_per_workgroup.into(),
            "invocations a workgroup",
            256,
        ),
        (
            limits.max_compute_workgroup_storage_size.into(),
            "workgroup memory in bytes",
            16384,
        ),
        (
            limits.max_compute_workgroups_per_dimension.into(),
            "workgroups a dimension",
            65535,
        ),
    ]
}

impl Gpu {
    /// Opens an adapter with its own limits (wgpu would otherwise give 128 MiB a binding everywhere).
    ///
    /// # Errors
    /// [`GpuError::TooSmall`] for an adapter that cannot run the shaders, [`GpuError::Open`] if the driver refuses.
    pub fn open(adapter: &Adapter, options: Options) -> Result<Self, GpuError> {
        let description = adapter.description.clone();
        let limits = adapter.inner.limits();
        if let Some((has, limit, need)) = needs(&limits).into_iter().find(|(has, _, need)| has < need) {
            let adapter = description.label();
            return Err(GpuError::TooSmall {
                adapter,
                limit,
                has,
                need,
            });
        }
        let request = adapter.inner.request_device(&wgpu::DeviceDescriptor {
            label: Some("mlet"),
            required_features: adapter.inner.features() & FEATURES,
            required_limits: limits.clone(),
            ..Default::default()
        });
        let (device, queue) = pollster::block_on(request).map_err(|error| GpuError::Open {
            adapter: description.label(),
            reason: error.to_string(),
        })?;
        let faults = Faults::watch(&device);
        let eight_lanes = family::has_eight_lanes(&adapter.inner);
        let bindable = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let chosen = options
            .family
            .or_else(|| family::by_kind(description.kind, eight_lanes));
        let mut gpu = Self {
            family: match chosen {
                Some(Family::Lanes) if !eight_lanes => Family::Rows,
                chosen => chosen.unwrap_or(Family::Tiled),
            },
            eight_lanes,
            max_shard_bytes: options.max_shard_bytes.unwrap_or(bindable).min(bindable),
            buffers: Buffers::new(description.label(), bindable),
            staged_bytes: 0,
            pipelines: Pipelines::new(options.break_shaders),
            submission: Submission::default(),
            description,
            device,
            queue,
            faults,
        };
        if chosen.is_none() {
            let (folder, description) = (family::cache_folder(), gpu.description.clone());
            gpu.family = family::remembered_or(folder.as_deref(), &description, || gpu.time_families())?;
        }
        Ok(gpu)
    }

    /// What is known of the adapter.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Which matrix products run here.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Records a step: the uploads, then the program. Returns at once, but for when the device is several submissions
    /// behind; then it waits for the oldest, so that memory stays bounded.
    ///
    /// # Errors
    /// What the device has reported up to now.
    pub fn enqueue(&mut self, uploads: &[Upload<'_>], program: &Program) -> Result<(), GpuError> {
        self.check()?;
        self.submission
            .record(&self.device, &self.queue, &self.buffers, uploads, program)
            .and_then(|()| self.check())
            .map_err(|error| self.first(error))
    }

    /// Submits what is recorded, without waiting for it.
    ///
    /// # Errors
    /// What the device has reported up to now.
    pub fn flush(&mut self) -> Result<(), GpuError> {
        self.submission.flush(&self.queue);
        self.check()
    }

    /// Submits what is recorded and waits until the device is idle.
    ///
    /// # Errors
    /// What the device has reported.
    pub fn finish(&mut self) -> Result<(), GpuError> {
        self.flush()?;
        let waited = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        waited.map(drop).map_err(|error| GpuError::Device {
            doing: "waiting for it".into(),
            reason: error.to_string(),
        })
    }

    /// Reads part of a buffer, after everything recorded so far.
    ///
    /// # Errors
    /// [`GpuError::OutOfRange`], or what the device has reported.
    pub fn read_floats(&mut self, handle: Floats, range: Range<usize>) -> Result<Vec<f32>, GpuError> {
        self.read(handle.into(), range)
    }

    /// Reads part of a buffer, after everything recorded so far.
    ///
    /// # Errors
    /// [`GpuError::OutOfRange`], or what the device has reported.
    pub fn read_ints(&mut self, handle: Ints, range: Range<usize>) -> Result<Vec<u32>, GpuError> {
        self.read(handle.into(), range)
    }

    /// Writes part of a buffer from element `start` on, after everything recorded so far.
    ///
    /// # Errors
    /// [`GpuError::OutOfRange`], or what the device has reported.
    pub fn write_floats(&mut self, handle: Floats, start: usize, values: &[f32]) -> Result<(), GpuError> {
        self.write(handle.into(), start, bytemuck::cast_slice(values))
    }

    /// Writes part of a buffer from element `start` on, after everything recorded so far.
    ///
    /// # Errors
    /// [`GpuError::OutOfRange`], or what the device has reported.
    pub fn write_ints(&mut self, handle: Ints, start: usize, values: &[u32]) -> Result<(), GpuError> {
        self.write(handle.into(), start, values)
    }

    /// Gives the device up, as a driver reset would; everything after it is [`GpuError::Lost`]. For tests.
    pub fn destroy(&self) {
        self.device.destroy();
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
    }

    /// The first error that the device has reported, if any.
    pub(super) fn check(&self) -> Result<(), GpuError> {
        self.faults.first().map_or(Ok(()), Err)
    }

    /// What the device reported first explains more than what followed from it.
    pub(super) fn first(&self, error: GpuError) -> GpuError {
        self.faults.first().unwrap_or(error)
    }
}

impl Allocate for Gpu {
    type Error = GpuError;

    fn allocate_floats(&mut self, len: usize) -> Result<Floats, GpuError> {
        self.allocate(len)
    }

    fn allocate_input(&mut self, len: usize) -> Result<Floats, GpuError> {
        self.allocate_read_only(len)
    }

    fn allocate_ints(&mut self, len: usize) -> Result<Ints, GpuError> {
        self.allocate_counts(len)
    }

    fn max_shard_elements(&self) -> usize {
        usize::try_from(self.max_shard_bytes / 4).unwrap_or(usize::MAX)
    }
}

/// The first error that a device reported.
#[derive(Debug, Clone, Default)]
struct Faults(Arc<Mutex<Option<GpuError>>>);

impl Faults {
    /// Listens to a device: without this, wgpu panics on an error that no scope caught.
    fn watch(device: &wgpu::Device) -> Self {
        let faults = Self::default();
        let (uncaught, lost) = (faults.clone(), faults.clone());
        device.on_uncaptured_error(Arc::new(move |error| uncaught.report(typed("running", error))));
        device.set_device_lost_callback(move |_, reason| {
            let reason = if reason.is_empty() {
                "no reason given".into()
            } else {
                reason
            };
            lost.report(GpuError::Lost { reason });
        });
        faults
    }

    fn report(&self, error: GpuError) {
        let mut first = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        first.get_or_insert(error);
    }

    fn first(&self) -> Option<GpuError> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

/// wgpu's error as ours; `doing` completes "while …".
pub(super) fn typed(doing: &str, error: wgpu::Error) -> GpuError {
    match error {
        wgpu::Error::OutOfMemory { .. } => GpuError::OutOfMemory {
            reason: format!("while {doing}"),
        },
        error => GpuError::Device {
            doing: doing.into(),
            reason: error.to_string(),
        },
    }
}
