//! naga validates every shader, and every file in shaders/ is used by one.

use mlet::backend::gpu::shaders;
use naga::valid::{Capabilities, ValidationFlags, Validator};

#[test]
fn every_shader_is_valid() {
    for shader in shaders::ALL {
        let module = naga::front::wgsl::parse_str(shader.source)
            .unwrap_or_else(|error| panic!("{}: {}", shader.name, error.emit_to_string(shader.source)));
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP);
        let valid = validator.validate(&module);
        valid.unwrap_or_else(|error| panic!("{}: {}", shader.name, error.emit_to_string(shader.source)));
        assert!(!module.entry_points.is_empty(), "{} has no entry point", shader.name);
    }
}

#[test]
fn no_entry_point_uses_more_storage_buffers_than_every_adapter_has() {
    for shader in shaders::ALL {
        let module = naga::front::wgsl::parse_str(shader.source).expect("checked above");
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP);
        let info = validator.validate(&module).expect("checked above");
        for (index, entry) in module.entry_points.iter().enumerate() {
            let uses = info.get_entry_point(index);
            let storage = module.global_variables.iter().filter(|(handle, variable)| {
                matches!(variable.space, naga::AddressSpace::Storage { .. }) && !uses[*handle].is_empty()
            });
            let count = storage.count();
            assert!(count <= 8, "{} {}: {count} storage buffers", shader.name, entry.name);
        }
    }
}

#[test]
fn every_file_is_part_of_a_shader_and_opens_with_its_contract() {
    let main = std::fs::read_dir("shaders").expect("run in the repository");
    let common = std::fs::read_dir("shaders/common").expect("run in the repository");
    let paths = main.chain(common).map(|entry| entry.expect("readable").path());
    for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "wgsl")) {
        let text = std::fs::read_to_string(&path).expect("readable");
        let users: Vec<_> = shaders::ALL
            .iter()
            .filter(|shader| shader.source.contains(&text))
            .collect();
        assert!(!users.is_empty(), "{} is in no shader", path.display());
        assert!(
            text.trim_start().starts_with("//"),
            "{} says nothing of itself",
            path.display()
        );
        if path.parent().is_some_and(|parent| parent.ends_with("shaders")) {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let twin = format!("src/kernels/{stem}.rs");
            assert!(
                text.contains(&format!("Twin: {twin}")),
                "{} does not name {twin}",
                path.display()
            );
            assert!(std::path::Path::new(&twin).exists(), "{twin} does not exist");
        }
    }
}
