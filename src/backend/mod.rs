//! Where arithmetic runs: buffer handles, matrices, the CPU's memory, the GPU's device.

pub mod cpu;
pub mod gpu;

/// A handle to a buffer of f32 numbers (f64 in a CPU memory made for gradient tests).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Floats(pub usize);

/// A handle to a buffer of u32 numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ints(pub usize);

/// The distance between the rows of a row-major matrix: its width rounded up to a multiple of 4.
pub const fn stride(cols: usize) -> usize {
    cols.next_multiple_of(4)
}

/// A row-major matrix in a buffer of its own. The padding columns `cols..stride()` are zero, always:
/// who writes a matrix writes zeros there, so that a product may run over the padded width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Matrix {
    /// Where it lies; it starts at the buffer's first element.
    pub buffer: Floats,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns that count.
    pub cols: usize,
}

impl Matrix {
    /// Distance between rows, in elements.
    pub const fn stride(&self) -> usize {
        stride(self.cols)
    }

    /// Elements of its buffer, padding included.
    pub const fn padded_len(&self) -> usize {
        self.rows * stride(self.cols)
    }
}
