//! A buffer of the CPU's memory. It begins at a line of the cache, so that vectors lie in one line each. Large ones ask for
//! huge pages: rows drawn from all over a table would otherwise cost a walk through the page table each, beside the read
//! itself.

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Bytes from which a buffer is a mapping of its own: a few huge pages of 2 MiB.
const LARGE_BYTES: usize = 8 << 20;

/// Numbers, zeros at first.
#[derive(Debug)]
pub struct Numbers<T>(Place<T>);

#[derive(Debug)]
enum Place<T> {
    /// With how many of the numbers count.
    Lines(Vec<Line>, usize, PhantomData<T>),
    Mapped(MmapMut),
}

/// A line of the cache: 64 bytes on x86, half of one on Apple's processors.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl<T: Pod> Numbers<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        let mapped = (bytes >= LARGE_BYTES).then(|| mapped(bytes)).flatten();
        Self(match mapped {
            Some(map) => Place::Mapped(map),
            None => Place::Lines(
                vec![Line::zeroed(); bytes.div_ceil(size_of::<Line>())],
                len,
                PhantomData,
            ),
        })
    }
}

/// Zeroed memory straight from the system; where it refuses, an ordinary vector is tried.
fn mapped(bytes: usize) -> Option<MmapMut> {
    let map = MmapMut::map_anon(bytes).ok()?;
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage); // a wish: without huge pages it is only slower
    Some(map)
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(Place::Lines(Vec::new(), 0, PhantomData))
    }
}

impl<T: Pod> Clone for Numbers<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

impl<T: Pod> Deref for Numbers<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Lines(lines, len, _) => &bytemuck::cast_slice(lines)[..*len],
            Place::Mapped(map) => bytemuck::cast_slice(map), // a mapping begins at a page, so it is aligned
        }
    }
}

impl<T: Pod> DerefMut for Numbers<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Place::Lines(lines, len, _) => &mut bytemuck::cast_slice_mut(lines)[..*len],
            Place::Mapped(map) => bytemuck::cast_slice_mut(map),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_buffers_are_the_same_to_who_uses_them() {
        for len in [0, 3, LARGE_BYTES / 4 - 1, LARGE_BYTES / 4, LARGE_BYTES / 4 + 3] {
            let mut numbers = Numbers::<f32>::zeros(len);
            assert_eq!(matches!(numbers.0, Place::Mapped(_)), len * 4 >= LARGE_BYTES);
            assert_eq!(numbers.as_ptr().align_offset(64), 0);
            assert_eq!((numbers.len(), numbers.iter().filter(|&&x| x != 0.0).count()), (len, 0));
            if let Some(last) = numbers.last_mut() {
                *last = 7.0;
                assert_eq!(numbers.clone().last(), Some(&7.0));
            }
        }
    }
}
