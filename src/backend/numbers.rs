//! A buffer of the CPU's memory. It begins at a line of the cache, so that vectors lie in one line each. Where there is much of
//! it, huge pages are asked for: rows drawn from all over a table would otherwise cost a walk through the page table each,
//! beside the read itself, and a step goes through more small pages than a processor remembers.

use bytemuck::{Pod, Zeroable};
use memmap2::{MmapMut, MmapRaw};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

const LINE: usize = size_of::<Line>();

/// Bytes of a huge page, on most machines.
const HUGE_PAGE: usize = 2 << 20;

/// Bytes from which a buffer is a mapping of its own, of whole huge pages.
const LARGE: usize = 256 << 10;

/// Bytes that an [`Arena`] maps at a time; only those that are written are taken from the system.
const ARENA: usize = 32 << 20;

/// Bytes of the buffers that an [`Arena`] has room for: smaller ones are not worth a huge page, larger ones fill some.
const OF_ARENA: Range<usize> = 4 << 10..8 << 20;

/// Numbers, zeros at first.
#[derive(Debug)]
pub struct Numbers<T> {
    place: Place,
    /// How many of those there are count.
    len: usize,
    of: PhantomData<T>,
}

#[derive(Debug)]
enum Place {
    Lines(Vec<Line>),
    Mapped(MmapMut),
    Part(Part),
}

/// A line of the cache: 64 bytes on x86, half of one on Apple's processors.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl<T: Pod> Numbers<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        let mapped = (bytes >= LARGE).then(|| mapped(bytes)).flatten();
        Self::at(
            mapped.map_or_else(
                || Place::Lines(vec![Line::zeroed(); bytes.div_ceil(LINE)]),
                Place::Mapped,
            ),
            len,
        )
    }
}

impl<T> Numbers<T> {
    fn at(place: Place, len: usize) -> Self {
        Self {
            place,
            len,
            of: PhantomData,
        }
    }
}

/// Zeroed memory straight from the system; where it refuses, an ordinary vector is tried.
fn mapped(bytes: usize) -> Option<MmapMut> {
    let map = MmapMut::map_anon(bytes.next_multiple_of(HUGE_PAGE)).ok()?;
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage); // a wish: without huge pages it is only slower
    Some(map)
}

/// Memory for many buffers, which lie in it one behind the other: together they need few huge pages.
#[derive(Debug, Default)]
pub struct Arena {
    map: Option<Arc<MmapRaw>>,
    used: usize,
}

impl Arena {
    /// As [`Numbers::zeros`].
    pub fn zeros<T: Pod>(&mut self, len: usize) -> Numbers<T> {
        let bytes = (len * size_of::<T>()).next_multiple_of(LINE);
        let part = OF_ARENA.contains(&bytes).then(|| self.part(bytes)).flatten();
        match part {
            Some(part) => Numbers::at(Place::Part(part), len),
            None => Numbers::zeros(len),
        }
    }

    /// The next `bytes` bytes; what is left of a mapping that has too few is given up.
    fn part(&mut self, bytes: usize) -> Option<Part> {
        if self.map.as_ref().is_none_or(|map| map.len() - self.used < bytes) {
            self.map = Some(Arc::new(mapped(ARENA)?.into()));
            self.used = 0;
        }
        let map = Arc::clone(self.map.as_ref()?);
        let bytes = self.used..self.used + bytes;
        self.used = bytes.end;
        Some(Part { map, bytes })
    }
}

/// An empty one: no byte may be handed out twice.
impl Clone for Arena {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Bytes of an [`Arena`]'s mapping, which lives as long as one of its parts.
#[derive(Debug)]
struct Part {
    map: Arc<MmapRaw>,
    bytes: Range<usize>,
}

impl Part {
    fn bytes(&self) -> &[u8] {
        // SAFETY: an arena hands out every byte of a mapping once, within its bounds, and it was zeroed by the system. Who
        // borrows the part borrows those bytes, and `map` keeps them mapped.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(self.bytes.start), self.bytes.len()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; and nobody else has a part with these bytes, so that who borrows it to write is alone.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(self.bytes.start), self.bytes.len()) }
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self::at(Place::Lines(Vec::new()), 0)
    }
}

impl<T: Pod> Clone for Numbers<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

// Lines, pages and an arena's parts begin at lines, so they are aligned for any number.
impl<T: Pod> Deref for Numbers<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let bytes = match &self.place {
            Place::Lines(lines) => bytemuck::cast_slice(lines),
            Place::Mapped(map) => map,
            Place::Part(part) => part.bytes(),
        };
        bytemuck::cast_slice(&bytes[..self.len * size_of::<T>()])
    }
}

impl<T: Pod> DerefMut for Numbers<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let bytes = match &mut self.place {
            Place::Lines(lines) => bytemuck::cast_slice_mut(lines),
            Place::Mapped(map) => map,
            Place::Part(part) => part.bytes_mut(),
        };
        bytemuck::cast_slice_mut(&mut bytes[..self.len * size_of::<T>()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_zeros_to_write(mut numbers: Numbers<f32>, len: usize) {
        assert_eq!(numbers.as_ptr().align_offset(64), 0);
        assert_eq!((numbers.len(), numbers.iter().filter(|&&x| x != 0.0).count()), (len, 0));
        if let Some(last) = numbers.last_mut() {
            *last = 7.0;
            assert_eq!(numbers.clone().last(), Some(&7.0));
        }
    }

    #[test]
    fn small_and_large_buffers_are_the_same_to_who_uses_them() {
        let mut arena = Arena::default();
        for len in [
            0,
            3,
            1023,
            1024,
            LARGE / 4 - 1,
            LARGE / 4,
            (8 << 20) / 4 - 1,
            (8 << 20) / 4 + 3,
        ] {
            let bytes = len * 4;
            let numbers = Numbers::<f32>::zeros(len);
            assert_eq!(matches!(numbers.place, Place::Mapped(_)), bytes >= LARGE);
            are_zeros_to_write(numbers, len);
            let numbers = arena.zeros::<f32>(len);
            let of_arena = OF_ARENA.contains(&bytes.next_multiple_of(LINE));
            assert_eq!(matches!(numbers.place, Place::Part(_)), of_arena, "{len}");
            are_zeros_to_write(numbers, len);
        }
    }

    #[test]
    fn an_arenas_buffers_lie_apart_and_outlive_it() {
        let mut arena = Arena::default();
        let mut all: Vec<Numbers<f32>> = (0..40).map(|i| arena.zeros((1 << 20) + i)).collect(); // 160 MiB: several mappings
        drop(arena);
        for (i, numbers) in all.iter_mut().enumerate() {
            numbers.fill(i as f32);
        }
        for (i, numbers) in all.iter().enumerate() {
            assert_eq!(numbers.len(), (1 << 20) + i);
            assert!(numbers.iter().all(|&x| x == i as f32), "buffer {i}");
        }
    }
}
