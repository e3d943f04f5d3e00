//! Which matrix products a device runs, and how they cut a result into workgroups.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::adapter::{Description, Kind};
use super::shaders::{self, Shader};
use super::{Call, Gpu, GpuError, MAX_WORKGROUPS, Program};
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

/// Fewer workgroups than this leave a large GPU's multiprocessors idle, of which it has more than a hundred: then smaller tiles
/// are taken.
const FEW: usize = 128;

/// Tiles of `product_tiled.wgsl`, the largest first: rows / 4, columns / 4, terms of a step / 4.
const TILES: [[usize; 3]; 4] = [[32, 32, 4], [16, 16, 8], [8, 8, 16], [4, 8, 16]];
/// The same for results of at most 16 columns.
const NARROW_TILES: [[usize; 3]; 3] = [[16, 4, 8], [8, 4, 16], [4, 4, 32]];

/// A part of a sum has at least so many terms,
const LEAST_TERMS: usize = 512;
/// and a sum at most so many parts: their sums are written and read once more.
const MOST_PARTS: usize = 32;

/// How a product's result is cut into workgroups (shaders/common/product_*.wgsl).
#[derive(Debug, Clone)]
pub struct Blocks {
    /// Rows a workgroup.
    pub rows: usize,
    /// Columns a workgroup, in vec4s, and those of the result.
    cols4: usize,
    width4: usize,
    constants: Vec<(&'static str, f64)>,
}

impl Blocks {
    /// For a result of `rows` rows that are `width4` vec4s wide.
    pub fn new(family: Family, rows: usize, width4: usize) -> Self {
        let blocks = |rows, cols4, constants| Self {
            rows,
            cols4,
            width4,
            constants,
        };
        match family {
            Family::Tiled => {
                let [rows4, cols4, terms4] = tile(rows, width4);
                let constants = [("R4", rows4), ("C4", cols4), ("D4", terms4)];
                let constants = constants.map(|(name, value)| (name, value as f64)).to_vec();
                blocks(4 * rows4, cols4, constants)
            }
            // Two vec4s a lane. CPU drivers run eight lanes at once; each size is one more shader to compile.
            Family::Rows if width4 <= 16 => blocks(16, 16, vec![("LANES", 8.0)]),
            Family::Rows => blocks(16, 64, vec![("LANES", 32.0)]),
            Family::Lanes => blocks(32, 8, vec![("LANES", 8.0)]),
        }
    }

    /// The same for a result that is a sum of `terms` terms, and in how many parts to cut the sum (shaders/common/parts.wgsl): one,
    /// where it is short or the result itself has enough workgroups.
    pub fn of_sum(family: Family, rows: usize, width4: usize, terms: usize) -> (Self, usize) {
        let most = (terms / LEAST_TERMS).clamp(1, MOST_PARTS);
        let blocks = Self::new(family, rows * most, width4);
        let count = rows.div_ceil(blocks.rows) * width4.div_ceil(blocks.cols4);
        match family {
            Family::Tiled => (blocks, most.min((2 * FEW).div_ceil(count))),
            Family::Rows | Family::Lanes => (Self::new(family, rows, width4), 1),
        }
    }

    /// The shader's constants.
    pub fn constants(&self) -> &[(&'static str, f64)] {
        &self.constants
    }

    /// The grid for `count` blocks of rows, split in z where y would pass the limit; the shader counts z·groups.y + y.
    pub fn grid(&self, count: usize) -> [u32; 3] {
        let [columns, count] = [self.width4.div_ceil(self.cols4), count].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let layers = count.div_ceil(MAX_WORKGROUPS).max(1);
        [columns, count.div_ceil(layers), layers]
    }
}

/// The largest tile that still makes enough workgroups and is not half empty, or the smallest.
fn tile(rows: usize, width4: usize) -> [usize; 3] {
    let tiles = if width4 <= 4 { &NARROW_TILES[..] } else { &TILES };
    let suits = |[rows4, cols4, _]: &&[usize; 3]| {
        // A multiprocessor holds two of the largest tiles, and needs both.
        let least = if *rows4 == 32 { 2 * FEW } else { FEW };
        let count = rows.div_ceil(4 * rows4) * width4.div_ceil(*cols4);
        count >= least && (*cols4 == 4 || *cols4 < 2 * width4)
    };
    *tiles.iter().find(suits).unwrap_or(&tiles[tiles.len() - 1])
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

    #[test]
    fn blocks_cover_a_result_and_keep_within_the_limit() {
        for family in Family::ALL {
            for (rows, width4) in [(1, 1), (128, 128), (1 << 20, 129), (65 * 65535, 17), (12_800_000, 16)] {
                let blocks = Blocks::new(family, rows, width4);
                let count = rows.div_ceil(blocks.rows);
                let [x, y, z] = blocks.grid(count);
                assert!(x as usize * blocks.cols4 >= width4);
                assert!(u64::from(y) * u64::from(z) >= count as u64 && y <= MAX_WORKGROUPS && z <= MAX_WORKGROUPS);
            }
        }
    }

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
