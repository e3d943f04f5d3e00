//! The right matrix of a·bᵀ, packed so that a product reads it in the order in which it lies.

use super::View;
use crate::backend::cpu::Real;
use pulp::Arch;

/// Columns of a panel: a multiple of the columns of every register tile, on every machine.
pub const PANEL: usize = 32;

/// Numbers that the panels of a matrix with `rows` rows and `cols` columns take.
pub const fn packed_len(rows: usize, cols: usize) -> usize {
    rows.next_multiple_of(PANEL) * cols
}

/// Writes bᵀ in panels: every [`PANEL`] rows of b as columns, (cols, PANEL) each, the last one filled up with zeros. What a
/// product with bᵀ then reads lies in the order in which it is read.
pub fn pack<T: Real>(panels: &mut [T], b: View<'_, T>) {
    for (p, panel) in panels.chunks_exact_mut(PANEL * b.cols.max(1)).enumerate() {
        let rows = p * PANEL..b.rows.min((p + 1) * PANEL);
        Arch::new().dispatch(|| transpose::<T, PANEL>(panel, View::rows_of(b.data, rows, b.cols, b.stride)));
    }
}

/// Rows and columns of the squares that are transposed at a time.
const SQUARE: usize = 4;
/// Columns that are read of every row before the next ones: a line of the cache.
const LINE: usize = 16;

/// Column j of `b` becomes row j of a panel whose rows lie `WIDTH` apart, filled up with zeros.
#[inline(always)]
pub(super) fn transpose<T: Real, const WIDTH: usize>(panel: &mut [T], b: View<'_, T>) {
    let (whole, filled) = (b.cols / SQUARE * SQUARE, b.rows.next_multiple_of(SQUARE));
    for line in (0..whole).step_by(LINE) {
        for q in (0..b.rows).step_by(SQUARE) {
            for p in (line..whole.min(line + LINE)).step_by(SQUARE) {
                let row = |i: usize| -> [T; SQUARE] {
                    let start = (q + i) * b.stride + p;
                    b.data[start..start + SQUARE].try_into().expect("four numbers")
                };
                let square = match q + SQUARE <= b.rows {
                    true => [row(0), row(1), row(2), row(3)],
                    false => std::array::from_fn(|i| if q + i < b.rows { row(i) } else { [T::zero(); SQUARE] }),
                };
                for (j, column) in T::transpose(square).iter().enumerate() {
                    let to = (p + j) * WIDTH + q;
                    panel[to..to + SQUARE].copy_from_slice(column);
                }
            }
        }
    }
    for p in whole..b.cols {
        for q in 0..filled {
            panel[p * WIDTH + q] = if q < b.rows {
                b.data[q * b.stride + p]
            } else {
                T::zero()
            };
        }
    }
    if filled < WIDTH {
        for column in panel.chunks_exact_mut(WIDTH).take(b.cols) {
            column[filled..].fill(T::zero());
        }
    }
}
