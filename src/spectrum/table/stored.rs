//! Matrices that stay where they are stored: in a mapped file.

use half::{bf16, f16};
use memmap2::Mmap;
use std::ops::Range;
use std::sync::Arc;

/// The type of a stored float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Float {
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
}

impl Float {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Float::F16 | Float::Bf16 => 2,
            Float::F32 => 4,
            Float::F64 => 8,
        }
    }

    /// The spacing of 1.0: 2⁻¹⁰, 2⁻⁷, 2⁻²³, 2⁻⁵².
    pub fn epsilon(self) -> f64 {
        match self {
            Float::F16 => f16::EPSILON.to_f64(),
            Float::Bf16 => bf16::EPSILON.to_f64(),
            Float::F32 => f32::EPSILON.into(),
            Float::F64 => f64::EPSILON,
        }
    }
}

/// What lies behind what in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Rows behind one another (C).
    Rows,
    /// Columns behind one another (Fortran).
    Columns,
}

/// Entries of whole rows that lie behind one another, in the type they were stored in.
#[derive(Debug, Clone, Copy)]
pub enum Entries<'a> {
    /// f32.
    F32(&'a [f32]),
    /// f64.
    F64(&'a [f64]),
    /// f16.
    F16(&'a [f16]),
    /// bf16.
    Bf16(&'a [bf16]),
}

impl<'a> Entries<'a> {
    /// Number of entries.
    pub fn len(self) -> usize {
        match self {
            Entries::F32(x) => x.len(),
            Entries::F64(x) => x.len(),
            Entries::F16(x) => x.len(),
            Entries::Bf16(x) => x.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Some of them.
    #[must_use]
    pub fn range(self, range: Range<usize>) -> Self {
        match self {
            Entries::F32(x) => Entries::F32(&x[range]),
            Entries::F64(x) => Entries::F64(&x[range]),
            Entries::F16(x) => Entries::F16(&x[range]),
            Entries::Bf16(x) => Entries::Bf16(&x[range]),
        }
    }

    /// Hands every entry, with its number, to `put`.
    pub fn each(self, mut put: impl FnMut(usize, f64)) {
        match self {
            Entries::F32(x) => x.iter().enumerate().for_each(|(at, &x)| put(at, x.into())),
            Entries::F64(x) => x.iter().enumerate().for_each(|(at, &x)| put(at, x)),
            Entries::F16(x) => x.iter().enumerate().for_each(|(at, x)| put(at, x.to_f64())),
            Entries::Bf16(x) => x.iter().enumerate().for_each(|(at, x)| put(at, x.to_f64())),
        }
    }

    /// The greatest |entry|, or the number of the first that is not finite.
    pub fn largest(self) -> Result<f64, usize> {
        let (mut largest, mut bad) = (0.0f64, None);
        self.each(|at, x| {
            if x.is_finite() {
                largest = largest.max(x.abs());
            } else if bad.is_none() {
                bad = Some(at);
            }
        });
        bad.map_or(Ok(largest), Err)
    }
}

/// A matrix in a mapped file; nothing of it is copied but what is asked for.
#[derive(Debug, Clone)]
pub struct Mapped {
    map: Arc<Mmap>,
    start: usize,
    rows: usize,
    cols: usize,
    float: Float,
    order: Order,
    big_endian: bool,
    /// The rows that are shown, by their number in the file; all where there is no list.
    picked: Option<Arc<[usize]>>,
}

impl PartialEq for Mapped {
    /// The same bytes, read the same way.
    fn eq(&self, other: &Self) -> bool {
        let reads = |m: &Self| (m.rows, m.cols, m.float, m.order, m.big_endian);
        reads(self) == reads(other) && self.picked == other.picked && self.bytes() == other.bytes()
    }
}

impl Mapped {
    /// The rows×cols matrix whose first entry lies `start` bytes into the map; none where the map ends before it does.
    pub fn new(
        map: Arc<Mmap>,
        start: usize,
        shape: (usize, usize),
        float: Float,
        order: Order,
        big_endian: bool,
    ) -> Option<Self> {
        let (rows, cols) = shape;
        let bytes = rows.checked_mul(cols)?.checked_mul(float.size())?;
        if start.checked_add(bytes)? > map.len() {
            return None;
        }
        Some(Self {
            map,
            start,
            rows,
            cols,
            float,
            order,
            big_endian,
            picked: None,
        })
    }

    /// A view of some rows, in the order given; nothing of the file is copied. Row numbers must lie below [`Mapped::rows`].
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let picked = match &self.picked {
            None => rows.into(),
            Some(picked) => rows.iter().map(|&row| picked[row]).collect(),
        };
        Self {
            picked: Some(picked),
            ..self.clone()
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.picked.as_ref().map_or(self.rows, |picked| picked.len())
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The stored type.
    pub fn float(&self) -> Float {
        self.float
    }

    fn bytes(&self) -> &[u8] {
        &self.map[self.start..self.start + self.rows * self.cols * self.float.size()]
    }

    /// The entries of some rows as they lie in the file; none where they do not lie so that they can be read there: columns first,
    /// foreign byte order, a selection, or an address that is no multiple of the type's size.
    pub fn entries(&self, rows: Range<usize>) -> Option<Entries<'_>> {
        if self.picked.is_some()
            || self.order == Order::Columns && self.cols > 1
            || self.big_endian != cfg!(target_endian = "big")
        {
            return None;
        }
        let size = self.float.size();
        let bytes = &self.bytes()[rows.start * self.cols * size..rows.end * self.cols * size];
        match self.float {
            Float::F16 => bytemuck::try_cast_slice(bytes)
                .ok()
                .map(|bits: &[u16]| Entries::F16(half::slice::HalfBitsSliceExt::reinterpret_cast(bits))),
            Float::Bf16 => bytemuck::try_cast_slice(bytes)
                .ok()
                .map(|bits: &[u16]| Entries::Bf16(half::slice::HalfBitsSliceExt::reinterpret_cast(bits))),
            Float::F32 => bytemuck::try_cast_slice(bytes).ok().map(Entries::F32),
            Float::F64 => bytemuck::try_cast_slice(bytes).ok().map(Entries::F64),
        }
    }

    /// Hands every entry of some rows to `put(row within the range, column, value)`.
    pub fn each(&self, rows: Range<usize>, mut put: impl FnMut(usize, usize, f64)) {
        let at = |i: usize, j: usize| {
            let i = self.picked.as_ref().map_or(i, |picked| picked[i]);
            match self.order {
                Order::Rows => i * self.cols + j,
                Order::Columns => j * self.rows + i,
            }
        };
        let value = self.reader();
        let first = rows.start;
        match self.order {
            Order::Rows => rows.for_each(|i| (0..self.cols).for_each(|j| put(i - first, j, value(at(i, j))))),
            Order::Columns => {
                (0..self.cols).for_each(|j| rows.clone().for_each(|i| put(i - first, j, value(at(i, j)))))
            }
        }
    }

    /// From an entry's number to its value.
    fn reader(&self) -> impl Fn(usize) -> f64 + '_ {
        let bytes = self.bytes();
        move |at| match self.float {
            Float::F16 => f16::from_bits(u16::from_le_bytes(self.little(bytes, at))).to_f64(),
            Float::Bf16 => bf16::from_bits(u16::from_le_bytes(self.little(bytes, at))).to_f64(),
            Float::F32 => f32::from_le_bytes(self.little(bytes, at)).into(),
            Float::F64 => f64::from_le_bytes(self.little(bytes, at)),
        }
    }

    fn little<const S: usize>(&self, bytes: &[u8], at: usize) -> [u8; S] {
        let mut one = [0; S];
        one.copy_from_slice(&bytes[at * S..(at + 1) * S]);
        if self.big_endian {
            one.reverse();
        }
        one
    }
}
