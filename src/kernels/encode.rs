//! What the GPU encodings of the operations share.

use crate::backend::Matrix;
use crate::backend::gpu::shaders::Shader;
use crate::backend::gpu::{Call, Dispatch, Family, Gpu, GpuError, grid};

/// `WORKGROUP` of shaders/common/item.wgsl.
const WORKGROUP: u32 = 64;

/// A size as a shader knows it. Every buffer has fewer than 2³² elements, so nothing is cut off.
pub(super) fn word(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// The grid of one invocation an item.
pub(super) fn items(count: usize) -> [u32; 3] {
    grid(count, WORKGROUP)
}

/// How many invocations share a row, for shaders that loop over a batch's unique rows (`PARTS`). On a GPU each takes a vec4. On
/// a CPU driver one takes the whole row: finding it costs as much as reading it.
pub(super) fn parts(gpu: &Gpu, width4: usize) -> usize {
    match gpu.family() {
        Family::Tiled => width4,
        Family::Rows | Family::Lanes => 1,
    }
}

/// The grid of the items of `count` of which a batch may have far fewer, for a shader that loops over them (`all_items`). On
/// a CPU driver an invocation without an item costs as much as one that has one, so there are no more than keep eight threads
/// busy.
pub(super) fn items_at_most(gpu: &Gpu, count: usize) -> [u32; 3] {
    const WORKGROUPS: usize = 8;
    match gpu.family() {
        Family::Tiled => items(count),
        Family::Rows | Family::Lanes => items(count.min(WORKGROUPS * WORKGROUP as usize)),
    }
}

/// What `concat` and `interaction` have in common: F+1 vectors of every example, joined to one row.
pub(super) struct Joined {
    /// (B, d), or its gradient.
    pub bottom: Matrix,
    /// (B·F, d), or its gradient.
    pub pooled: Matrix,
    /// (B, …), or its gradient.
    pub out: Matrix,
    /// Elements that the shader reads of a vector at once: 1, or 4 where it reads vec4s.
    pub lanes: usize,
}

impl Joined {
    /// The shaders' parameter block: B, d.
    pub fn parameters(&self) -> [u32; 2] {
        [self.bottom.rows, self.bottom.cols].map(word)
    }

    /// The shaders' constants: F, distance of the vectors, distance of the output's rows.
    pub fn constants(&self) -> [(&'static str, f64); 3] {
        let distance = if self.lanes == 4 { "WIDTH4" } else { "STRIDE" };
        [
            ("FEATURES", (self.pooled.rows / self.bottom.rows) as f64),
            (distance, (self.bottom.stride() / self.lanes) as f64),
            ("OUT_STRIDE", self.out.stride() as f64),
        ]
    }

    /// The dispatch of `forward`.
    pub fn forward(&self, gpu: &Gpu, shader: &'static Shader, workgroups: [u32; 3]) -> Result<Vec<Dispatch>, GpuError> {
        let made = gpu.dispatch(&Call {
            shader,
            entry: "forward",
            constants: &self.constants(),
            parameters: &self.parameters(),
            buffers: &[
                (1, self.bottom.buffer.into()),
                (2, self.pooled.buffer.into()),
                (3, self.out.buffer.into()),
            ],
            workgroups,
        })?;
        Ok(vec![made])
    }
}
