//! What the GPU encodings of the operations share.

use crate::backend::Matrix;
use crate::backend::gpu::shaders::Shader;
use crate::backend::gpu::{Call, Dispatch, Family, Gpu, GpuError, MAX_WORKGROUPS, grid};

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

/// How a product's result is cut into workgroups (shaders/common/product_*.wgsl).
pub(super) struct Blocks {
    /// Rows a workgroup.
    pub rows: usize,
    lanes: u32,
    columns: u32,
}

impl Blocks {
    /// For a result whose rows are `width4` vec4s wide.
    pub fn new(family: Family, width4: usize) -> Self {
        match family {
            Family::Tiled => Self {
                rows: 64,
                lanes: 256,
                columns: word(width4.div_ceil(16)),
            },
            Family::Rows => {
                // Two vec4s a lane. CPU drivers run eight lanes at once; each size is one more shader to compile.
                let lanes = if width4 <= 16 { 8 } else { 32 };
                Self {
                    rows: 16,
                    lanes: word(lanes),
                    columns: word(width4.div_ceil(2 * lanes)),
                }
            }
        }
    }

    /// The shader's constant.
    pub fn lanes(&self) -> (&'static str, f64) {
        ("LANES", f64::from(self.lanes))
    }

    /// The grid for `count` blocks of rows, split in z where y would pass the limit; the shader counts z·groups.y + y.
    pub fn grid(&self, count: usize) -> [u32; 3] {
        let layers = word(count).div_ceil(MAX_WORKGROUPS).max(1);
        [self.columns, word(count).div_ceil(layers), layers]
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
    /// The shaders' parameter block: B, F, d, distance of the vectors, distance of the output's rows.
    pub fn parameters(&self) -> [u32; 5] {
        let (batch, features) = (self.bottom.rows, self.pooled.rows / self.bottom.rows);
        let distance = self.bottom.stride() / self.lanes;
        [batch, features, self.bottom.cols, distance, self.out.stride()].map(word)
    }

    /// The dispatch of `forward`: an invocation an element of the output.
    pub fn forward(&self, gpu: &Gpu, shader: &'static Shader) -> Result<Vec<Dispatch>, GpuError> {
        let made = gpu.dispatch(&Call {
            shader,
            entry: "forward",
            constants: &[],
            parameters: &self.parameters(),
            buffers: &[
                (1, self.bottom.buffer.into()),
                (2, self.pooled.buffer.into()),
                (3, self.out.buffer.into()),
            ],
            workgroups: items(self.out.padded_len()),
        })?;
        Ok(vec![made])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_result_and_keep_within_the_limit() {
        for (family, width4, count) in [
            (Family::Rows, 1, 1),
            (Family::Rows, 129, 65536),
            (Family::Tiled, 17, 65535),
            (Family::Tiled, 16, 200_000),
        ] {
            let blocks = Blocks::new(family, width4);
            let [x, y, z] = blocks.grid(count);
            let lane4 = if family == Family::Rows { 2 * blocks.lanes } else { 16 };
            assert!(u64::from(x) * u64::from(lane4) >= width4 as u64);
            assert!(u64::from(y) * u64::from(z) >= count as u64 && y <= MAX_WORKGROUPS && z <= MAX_WORKGROUPS);
        }
    }
}
