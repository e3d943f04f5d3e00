//! How a product's result, and long sums, are cut into workgroups.

use super::{Family, MAX_WORKGROUPS};

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
        if family != Family::Tiled {
            return (Self::new(family, rows, width4), 1);
        }
        let most = (terms / LEAST_TERMS).clamp(1, MOST_PARTS);
        let blocks = Self::new(family, rows * most, width4);
        let count = rows.div_ceil(blocks.rows) * width4.div_ceil(blocks.cols4);
        (blocks, most.min((2 * FEW).div_ceil(count.max(1))))
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

    #[test]
    fn sums_are_cut_where_they_are_long_and_their_result_is_small() {
        let parts = |family, rows, width4, terms| Blocks::of_sum(family, rows, width4, terms).1;
        for (rows, width4) in [(512, 92), (1, 64), (16, 32), (1664, 4)] {
            assert_eq!(parts(Family::Tiled, rows, width4, 128), 1);
            let cut = parts(Family::Tiled, rows, width4, 16384);
            assert!((2..=MOST_PARTS).contains(&cut), "{rows} × {width4}: {cut}");
            assert_eq!(parts(Family::Lanes, rows, width4, 16384), 1);
        }
        assert_eq!(parts(Family::Tiled, 1 << 14, 1 << 12, 1 << 20), 1);
    }
}
