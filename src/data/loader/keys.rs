//! The entries of one table, sorted by row.

/// Bits of a digit, at most: its counters stay in the nearest cache.
const DIGIT: u32 = 11;

/// The entries of one table, each a key: the row above, the number of the entry among the table's below.
#[derive(Debug)]
pub(super) struct Keys {
    list: Vec<u64>,
    /// Where a pass writes.
    spare: Vec<u64>,
    /// Of each value of a digit.
    counts: Vec<u32>,
}

impl Keys {
    /// Room for `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity),
            spare: vec![0; capacity],
            counts: vec![0; 1 << DIGIT],
        }
    }

    /// Its bytes, before there is one.
    pub fn bytes(capacity: usize) -> u64 {
        (16 * capacity + (4 << DIGIT)) as u64
    }

    /// Sorts `rows`, which are below `bound`, and gives each with its place in them, in ascending order.
    ///
    /// The places ascend already, so digits of the row alone are sorted by, the lowest first, each pass keeping the order of
    /// what is equal. A digit has as many values as there are rows, about: its counters cost as much as they.
    pub fn sort(&mut self, rows: &[u32], bound: usize) -> impl ExactSizeIterator<Item = (u32, usize)> {
        self.list.clear();
        let places = rows.iter().zip(0u64..);
        self.list
            .extend(places.map(|(&row, place)| u64::from(row) << 32 | place));
        let bits = usize::BITS - bound.saturating_sub(1).leading_zeros();
        let passes = bits.div_ceil(rows.len().max(2).ilog2().min(DIGIT));
        let digit = bits.div_ceil(passes.max(1));
        for pass in 0..passes {
            self.pass(32 + pass * digit, digit);
        }
        self.list.iter().map(|&key| ((key >> 32) as u32, key as u32 as usize))
    }

    /// Sorts by the `bits` bits from bit `shift` on.
    fn pass(&mut self, shift: u32, bits: u32) {
        let mask = (1 << bits) - 1;
        let counts = &mut self.counts[..1 << bits];
        counts.fill(0);
        for key in &self.list {
            counts[(key >> shift) as usize & mask] += 1;
        }
        let mut before = 0;
        for count in &mut *counts {
            before += std::mem::replace(count, before);
        }
        // As long as the list, so that the two can change places.
        self.spare.resize(self.list.len(), 0);
        for &key in &self.list {
            let place = &mut counts[(key >> shift) as usize & mask];
            self.spare[*place as usize] = key;
            *place += 1;
        }
        std::mem::swap(&mut self.list, &mut self.spare);
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> u64 {
        (8 * (self.list.capacity() + self.spare.capacity()) + 4 * self.counts.len()) as u64
    }
}
