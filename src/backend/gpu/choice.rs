//! Which adapter a name means.

use super::GpuError;
use super::adapter::{Adapter, BACKENDS, Description, Kind, adapters};

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
    use super::super::adapter::{kind, known_as};
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
