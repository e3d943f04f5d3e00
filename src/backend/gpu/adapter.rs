//! Which adapters exist, and what is known of them.
//!
//! Adapters are always taken from the enumeration: wgpu's own default request may prefer a software driver.

use serde::Serialize;

/// The backends in the order in which they are listed and preferred.
pub(super) const BACKENDS: [(wgpu::Backends, &str); 4] = [
    (wgpu::Backends::VULKAN, "vulkan"),
    (wgpu::Backends::METAL, "metal"),
    (wgpu::Backends::DX12, "dx12"),
    (wgpu::Backends::GL, "gl"),
];

/// Drivers that compute on the CPU, by a part of the adapter's or driver's name.
const SOFTWARE_NAMES: [&str; 6] = [
    "llvmpipe",
    "lavapipe",
    "swiftshader",
    "softpipe",
    "swrast",
    "microsoft basic render",
];

/// One adapter of the machine.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// What is known of it.
    pub description: Description,
    pub(super) inner: wgpu::Adapter,
}

/// What is known of an adapter, in plain values; `mlet devices --json` prints it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Its place in the list of [`adapters`], which `#index` names.
    pub index: usize,
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: &'static str,
    /// The adapter's own name.
    pub name: String,
    /// The driver's name; may be empty.
    pub driver: String,
    /// The driver's version in its own words; may be empty.
    pub driver_info: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: Kind,
    /// `lavapipe`, `llvmpipe-gl` or `swiftshader` for the software drivers that the tests know.
    pub known_as: Option<&'static str>,
    /// The most bytes of a buffer that one binding shows.
    pub max_storage_binding_bytes: u64,
    /// The most bytes of a buffer.
    pub max_buffer_bytes: u64,
    /// Storage buffers that one shader may use.
    pub max_storage_buffers: u32,
    /// Invocations of a workgroup.
    pub max_workgroup_invocations: u32,
    /// Bytes of memory shared by a workgroup.
    pub max_workgroup_storage_bytes: u32,
}

/// The type of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A graphics card of its own.
    Discrete,
    /// One that shares the CPU's memory.
    Integrated,
    /// A virtual machine's.
    Virtual,
    /// A driver that computes on the CPU.
    Software,
    /// Unknown.
    Other,
}

impl Kind {
    /// The word that `mlet devices` prints.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Discrete => "discrete",
            Kind::Integrated => "integrated",
            Kind::Virtual => "virtual",
            Kind::Software => "software",
            Kind::Other => "other",
        }
    }
}

impl Description {
    fn new(index: usize, backend: &'static str, adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let limits = adapter.limits();
        Self {
            index,
            backend,
            kind: kind(info.device_type, &info.name, &info.driver),
            known_as: known_as(backend, &info.name, &info.driver),
            name: info.name,
            driver: info.driver,
            driver_info: info.driver_info,
            max_storage_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            max_workgroup_storage_bytes: limits.max_compute_workgroup_storage_size,
        }
    }

    /// `backend:name driver`, the text that a name is looked for in.
    ///
    /// Mesa calls both of its CPU drivers llvmpipe; here the Vulkan one goes by its other name, lavapipe, so that
    /// `lavapipe` and `llvmpipe` name one adapter each.
    pub fn label(&self) -> String {
        let label = format!("{}:{} {}", self.backend, self.name, self.driver)
            .trim_end()
            .to_owned();
        match self.known_as {
            Some("lavapipe") => label.replace("llvmpipe", "lavapipe"),
            _ => label,
        }
    }

    pub(super) fn matches(&self, lower_name: &str) -> bool {
        self.label().to_lowercase().contains(lower_name)
            || self.known_as.is_some_and(|known| known.contains(lower_name))
    }
}

pub(super) fn kind(device_type: wgpu::DeviceType, name: &str, driver: &str) -> Kind {
    let named = format!("{name} {driver}").to_lowercase();
    if device_type == wgpu::DeviceType::Cpu || SOFTWARE_NAMES.iter().any(|software| named.contains(software)) {
        return Kind::Software;
    }
    match device_type {
        wgpu::DeviceType::DiscreteGpu => Kind::Discrete,
        wgpu::DeviceType::IntegratedGpu => Kind::Integrated,
        wgpu::DeviceType::VirtualGpu => Kind::Virtual,
        _ => Kind::Other,
    }
}

pub(super) fn known_as(backend: &str, name: &str, driver: &str) -> Option<&'static str> {
    let named = format!("{name} {driver}").to_lowercase();
    match backend {
        _ if named.contains("swiftshader") => Some("swiftshader"),
        "vulkan" if named.contains("llvmpipe") || named.contains("lavapipe") => Some("lavapipe"),
        "gl" if named.contains("llvmpipe") => Some("llvmpipe-gl"),
        _ => None,
    }
}

/// Every adapter of the machine, by backend (Vulkan, Metal, DX12, GL) and then in the driver's own order.
pub fn adapters() -> Vec<Adapter> {
    let mut found = Vec::new();
    for (backends, backend) in BACKENDS {
        let mut description = wgpu::InstanceDescriptor::new_without_display_handle();
        description.backends = backends;
        let instance = wgpu::Instance::new(description);
        for inner in pollster::block_on(instance.enumerate_adapters(backends)) {
            let description = Description::new(found.len(), backend, &inner);
            found.push(Adapter { description, inner });
        }
    }
    found
}
