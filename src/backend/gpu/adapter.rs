//! Which adapters exist, and which one a name means.
//!
//! Adapters are always taken from the enumeration: wgpu's own default request may prefer a software driver.

use serde::Serialize;

use super::GpuError;

/// The backends in the order in which they are listed and preferred.
const BACKENDS: [(wgpu::Backends, &str); 4] = [
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

    fn matches(&self, lower_name: &str) -> bool {
        self.label().to_lowercase().contains(lower_name)
            || self.known_as.is_some_and(|known| known.contains(lower_name))
    }
}

fn kind(device_type: wgpu::DeviceType, name: &str, driver: &str) -> Kind {
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

fn known_as(backend: &str, name: &str, driver: &str) -> Option<&'static str> {
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

/// What a name means on this machine: `Ok(None)` for `auto` where there is neither a discrete nor an integrated GPU
/// (the caller then takes the CPU).
///
/// `auto` never takes a software driver. Any other name is `#index`, or part of `backend:name driver` in any case
/// (`lavapipe`, `swiftshader`, `vulkan:nvidia`, `gl`). Where GL merely shows again what another backend has, a name
/// means the other one.
///
/// # Errors
/// [`GpuError::NoAdapter`], [`GpuError::NoMatch`] or [`GpuError::Ambiguous`], with what there is.
pub fn choose(name: &str) -> Result<Option<Adapter>, GpuError> {
    let mut found = adapters();
    let descriptions: Vec<_> = found.iter().map(|adapter| adapter.description.clone()).collect();
    Ok(pick(name, &descriptions)?.map(|index| found.swap_remove(index)))
}

/// The rule of [`choose`] over plain descriptions: which place in `found` is meant.
///
/// # Errors
/// As [`choose`].
pub fn pick(name: &str, found: &[Description]) -> Result<Option<usize>, GpuError> {
    let name = name.trim();
    if name.eq_ignore_ascii_case("auto") {
        return Ok(automatic(found));
    }
    if found.is_empty() {
        return Err(GpuError::NoAdapter {
            hint: super::hint::missing(),
        });
    }
    let mut matches = matching(name, found);
    if matches.len() > 1 && matches.iter().any(|adapter| adapter.backend != "gl") {
        matches.retain(|adapter| adapter.backend != "gl");
    }
    match matches[..] {
        [one] => Ok(Some(one.index)),
        [] => Err(GpuError::NoMatch {
            name: name.into(),
            present: found.iter().map(numbered).collect(),
        }),
        [first, ..] => Err(GpuError::Ambiguous {
            name: name.into(),
            first: first.index,
            matches: matches.iter().map(|adapter| numbered(adapter)).collect(),
        }),
    }
}

fn automatic(found: &[Description]) -> Option<usize> {
    let first = |kind, gl| {
        found
            .iter()
            .find(|adapter| adapter.kind == kind && (adapter.backend == "gl") == gl)
    };
    let kinds = [Kind::Discrete, Kind::Integrated];
    kinds
        .into_iter()
        .find_map(|kind| first(kind, false).or_else(|| first(kind, true)))
        .map(|adapter| adapter.index)
}

fn matching<'a>(name: &str, found: &'a [Description]) -> Vec<&'a Description> {
    if let Some(index) = name.strip_prefix('#').and_then(|number| number.parse::<usize>().ok()) {
        return found.iter().filter(|adapter| adapter.index == index).collect();
    }
    let lower = name.to_lowercase();
    if lower.is_empty() {
        return Vec::new();
    }
    // A backend's name means the backend: "gl" must not find a "GLX" in some driver's text.
    if BACKENDS.iter().any(|(_, backend)| *backend == lower) {
        return found.iter().filter(|adapter| adapter.backend == lower).collect();
    }
    let exact: Vec<_> = found
        .iter()
        .filter(|adapter| adapter.known_as == Some(&lower))
        .collect();
    if !exact.is_empty() {
        return exact;
    }
    found.iter().filter(|adapter| adapter.matches(&lower)).collect()
}

fn numbered(adapter: &Description) -> String {
    format!("#{} {}", adapter.index, adapter.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(adapters: &[(&'static str, &str, wgpu::DeviceType)]) -> Vec<Description> {
        let describe =
            |(index, (backend, name, device_type)): (usize, &(&'static str, &str, wgpu::DeviceType))| Description {
                index,
                backend,
                name: (*name).into(),
                driver: String::new(),
                driver_info: String::new(),
                kind: kind(*device_type, name, ""),
                known_as: known_as(backend, name, ""),
                max_storage_binding_bytes: 1 << 27,
                max_buffer_bytes: 1 << 27,
                max_storage_buffers: 8,
                max_workgroup_invocations: 256,
                max_workgroup_storage_bytes: 1 << 14,
            };
        adapters.iter().enumerate().map(describe).collect()
    }

    use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu, Other};

    #[test]
    fn auto_takes_discrete_then_integrated_then_nothing() {
        let laptop = machine(&[
            ("vulkan", "llvmpipe (LLVM 15)", Cpu),
            ("vulkan", "Intel Iris", IntegratedGpu),
            ("vulkan", "NVIDIA RTX", DiscreteGpu),
            ("gl", "NVIDIA RTX", DiscreteGpu),
        ]);
        assert_eq!(pick("auto", &laptop).unwrap(), Some(2));
        assert_eq!(pick("AUTO", &laptop[..2]).unwrap(), Some(1));
        assert_eq!(pick("auto", &laptop[..1]).unwrap(), None);
        assert_eq!(pick("auto", &[]).unwrap(), None);
    }

    #[test]
    fn a_software_driver_is_never_automatic_whatever_type_it_claims() {
        let liars = machine(&[("vulkan", "SwiftShader Device", DiscreteGpu), ("gl", "llvmpipe", Other)]);
        assert_eq!(pick("auto", &liars).unwrap(), None);
        assert_eq!(pick("swiftshader", &liars).unwrap(), Some(0));
    }

    #[test]
    fn the_two_faces_of_mesa_are_told_apart() {
        let both = machine(&[("vulkan", "llvmpipe (LLVM 15)", Cpu), ("gl", "llvmpipe (LLVM 15)", Cpu)]);
        for (name, index) in [
            ("lavapipe", 0),
            ("llvmpipe", 1),
            ("llvmpipe-gl", 1),
            ("gl", 1),
            ("Vulkan", 0),
            ("#1", 1),
        ] {
            assert_eq!(pick(name, &both).unwrap(), Some(index), "{name}");
        }
    }

    #[test]
    fn gl_yields_to_another_backend_and_equal_cards_need_a_number() {
        let twins = machine(&[
            ("vulkan", "NVIDIA H100", DiscreteGpu),
            ("gl", "NVIDIA H100", DiscreteGpu),
        ]);
        assert_eq!(pick("nvidia", &twins).unwrap(), Some(0));
        assert_eq!(pick("gl:nvidia", &twins).unwrap(), Some(1));
        let pair = machine(&[
            ("vulkan", "NVIDIA H100", DiscreteGpu),
            ("vulkan", "NVIDIA H100", DiscreteGpu),
        ]);
        let error = pick("h100", &pair).unwrap_err();
        assert!(
            matches!(&error, GpuError::Ambiguous { matches, .. } if matches.len() == 2),
            "{error}"
        );
        assert!(error.to_string().contains("#1 vulkan:NVIDIA H100"), "{error}");
        assert_eq!(pick("#1", &pair).unwrap(), Some(1));
    }

    #[test]
    fn what_is_not_there_is_a_typed_error_that_lists_what_is() {
        let one = machine(&[("vulkan", "llvmpipe (LLVM 15)", Cpu)]);
        for name in ["radeon", "#7", "", "#x"] {
            let error = pick(name, &one).unwrap_err();
            assert!(matches!(error, GpuError::NoMatch { .. }), "{name}: {error}");
            assert!(error.to_string().contains("lavapipe"), "{error}");
        }
        assert!(matches!(pick("lavapipe", &[]), Err(GpuError::NoAdapter { .. })));
    }
}
