//! Which matrix products a device runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::adapter::{Description, Kind};
use super::shaders::{self, Shader};
use super::{Blocks, Call, Gpu, GpuError, Program};
use crate::backend::Allocate;

/// Which matrix products run: what is fastest on a GPU is the slowest on a CPU driver, and the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Tiles in workgroup memory, for GPUs.
    Tiled,
    /// No workgroup memory, a block of 16 × 8 numbers an invocation, rows uniform in a workgroup: for CPU drivers.
    Rows,
    /// For CPU drivers with subgroups of eight: a block of 32 × 4 numbers an invocation, the left matrix handed round
    /// between the lanes.
    Lanes,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::Tiled, Self::Rows, Self::Lanes];

    fn word(self) -> &'static str {
        match self {
            Self::Tiled => "tiled",
            Self::Rows => "rows",
            Self::Lanes => "lanes",
        }
    }

    /// The shader of this family among an operation's.
    pub fn of<'a>(self, tiled: &'a Shader, rows: &'a Shader, lanes: &'a Shader) -> &'a Shader {
        match self {
            Self::Tiled => tiled,
            Self::Rows => rows,
            Self::Lanes => lanes,
        }
    }
}

/// Whether every subgroup has eight invocations, as on lavapipe where vector registers have eight lanes.
pub(super) fn has_eight_lanes(adapter: &wgpu::Adapter) -> bool {
    let info = adapter.get_info();
    adapter.features().contains(wgpu::Features::SUBGROUP) && (info.subgroup_min_size, info.subgroup_max_size) == (8, 8)
}

/// The family by the adapter's type alone; `None` where the type says nothing.
pub(super) fn by_kind(kind: Kind, eight_lanes: bool) -> Option<Family> {
    match kind {
        Kind::Software if eight_lanes => Some(Family::Lanes),
        Kind::Software => Some(Family::Rows),
        Kind::Discrete | Kind::Integrated => Some(Family::Tiled),
        Kind::Virtual | Kind::Other => None,
    }
}

impl Gpu {
    /// The family that multiplies fastest here, by a product of side 256 in each: the best of three. Forgets every buffer.
    ///
    /// # Errors
    /// What the device has reported.
    pub fn time_families(&mut self) -> Result<Family, GpuError> {
        let mut best = (f64::INFINITY, Family::Tiled);
        for family in Family::ALL {
            if family == Family::Lanes && !self.eight_lanes {
                continue;
            }
            let seconds = self.time_family(family)?;
            if seconds < best.0 {
                best = (seconds, family);
            }
        }
        Ok(best.1)
    }

    fn time_family(&mut self, family: Family) -> Result<f64, GpuError> {
        const SIDE: usize = 256;
        self.free_buffers()?;
        let mut buffers = Vec::new();
        for binding in 1..5 {
            buffers.push((binding, self.allocate_floats(SIDE * SIDE)?.into()));
        }
        let blocks = Blocks::new(family, SIDE, SIDE / 4);
        let dispatch = self.dispatch(&Call {
            shader: family.of(&shaders::LINEAR_TILED, &shaders::LINEAR_ROWS, &shaders::LINEAR_LANES),
            entry: "forward",
            constants: &[&[("RELU", 0.0)], blocks.constants()].concat(),
            parameters: &[256, 256, 256, 64, 64, 64, 0],
            buffers: &buffers,
            workgroups: blocks.grid(SIDE.div_ceil(blocks.rows)),
        })?;
        let program = Program {
            dispatches: vec![dispatch],
            operations: vec![1],
        };
        let mut best = f64::INFINITY;
        // The first run compiles and does not count.
        for run in 0..4 {
            let start = Instant::now();
            self.enqueue(&[], &program)?;
            self.finish()?;
            if run > 0 {
                best = best.min(start.elapsed().as_secs_f64());
            }
        }
        self.free_buffers()?;
        Ok(best)
    }
}

/// What [`Gpu::time_families`] found before on the same adapter, driver and version of mlet, or what it finds now, which is
/// then kept in `folder`. A file that cannot be read or written only means that it is timed again.
pub(super) fn remembered_or(
    folder: Option<&Path>,
    adapter: &Description,
    time: impl FnOnce() -> Result<Family, GpuError>,
) -> Result<Family, GpuError> {
    let path = folder.map(|folder| folder.join("products.json"));
    let key = format!(
        "{}, {}, mlet {}",
        adapter.label(),
        adapter.driver_info,
        env!("CARGO_PKG_VERSION")
    );
    let read = |path: &PathBuf| serde_json::from_slice::<BTreeMap<String, String>>(&std::fs::read(path).ok()?).ok();
    let mut known = path.as_ref().and_then(read).unwrap_or_default();
    let found = known
        .get(&key)
        .and_then(|word| Family::ALL.into_iter().find(|family| family.word() == word));
    if let Some(family) = found {
        return Ok(family);
    }
    let family = time()?;
    known.insert(key, family.word().into());
    if let Some(path) = path {
        let _ = write(&path, &known);
    }
    Ok(family)
}

/// Beside and renamed over: a reader sees the old file or the new one.
fn write(path: &Path, known: &BTreeMap<String, String>) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&file, known)?;
    file.persist(path)?;
    Ok(())
}

/// Where this user's programs keep what they can do without.
pub(super) fn cache_folder() -> Option<PathBuf> {
    let from = |variable: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = from("XDG_CACHE_HOME")
        .or_else(|| from("LOCALAPPDATA"))
        .or_else(|| from("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("mlet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(name: &str) -> Description {
        Description {
            index: 0,
            backend: "vulkan",
            name: name.into(),
            driver: "driver".into(),
            driver_info: "1.2".into(),
            kind: Kind::Other,
            known_as: None,
            max_storage_binding_bytes: 1 << 27,
            max_buffer_bytes: 1 << 27,
            max_storage_buffers: 8,
            max_workgroup_invocations: 256,
            max_workgroup_storage_bytes: 1 << 14,
        }
    }

    #[test]
    fn a_timing_is_remembered_by_adapter() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("not/there/yet");
        let ask = |name, family| remembered_or(Some(&folder), &unknown(name), || Ok(family)).unwrap();
        assert_eq!(ask("a", Family::Rows), Family::Rows);
        assert_eq!(ask("b", Family::Tiled), Family::Tiled);
        // Now both are known, and what a timing would say does not matter.
        assert_eq!(ask("a", Family::Tiled), Family::Rows);
        assert_eq!(ask("b", Family::Rows), Family::Tiled);
    }

    #[test]
    fn a_broken_or_unwritable_file_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("products.json");
        let ask = |folder, family| remembered_or(folder, &unknown("a"), || Ok(family)).unwrap();
        for broken in ["", "{", "[1]", "\u{0}", r#"{"vulkan:a driver, 1.2, mlet 0": "rows"}"#] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(ask(Some(folder.path()), Family::Lanes), Family::Lanes, "{broken}");
            assert_eq!(
                ask(Some(folder.path()), Family::Tiled),
                Family::Lanes,
                "{broken}: not written anew"
            );
        }
        // A file where the folder should be.
        assert_eq!(ask(Some(&path), Family::Rows), Family::Rows);
        assert_eq!(ask(None, Family::Rows), Family::Rows);
        let failed = remembered_or(None, &unknown("a"), || Err(GpuError::Lost { reason: "gone".into() }));
        assert!(matches!(failed, Err(GpuError::Lost { .. })));
    }
}
