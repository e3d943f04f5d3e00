//! The categories of one feature, numbered by first appearance.

use super::values::{Values, is_long};

/// There are 2³² − 1 categories already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// Values that are looked up side by side, so that the cache misses of one do not wait for those of another.
const GROUP: usize = 32;

/// A slot without a number: 2³² − 1 is never one.
const EMPTY: u64 = u64::MAX;

/// Raw value → number.
///
/// A table with open addressing, at most three quarters full. A slot is the number in the low half and half of the hash
/// above it; the values stand aside, in the order of their numbers. That is 19 to 29 bytes for each value of up to eight,
/// where the table doubled at least once.
#[derive(Debug)]
pub(super) struct Numbering {
    /// A power of two of them.
    slots: Vec<u64>,
    values: Values,
}

impl Default for Numbering {
    fn default() -> Numbering {
        Numbering {
            slots: vec![EMPTY; GROUP],
            values: Values::default(),
        }
    }
}

/// The slot of a number.
fn slot(hash: u64, number: u32) -> u64 {
    hash << 32 | u64::from(number)
}

impl Numbering {
    /// Appends the number of each of `values`; a value that was not seen before gets the next free one.
    pub fn number(&mut self, values: &Values, numbers: &mut Vec<u32>) -> Result<(), Full> {
        numbers.reserve(values.len());
        for first in (0..values.len()).step_by(GROUP) {
            self.number_group(values, first..values.len().min(first + GROUP), numbers)?;
        }
        Ok(())
    }

    fn number_group(
        &mut self,
        values: &Values,
        group: std::ops::Range<usize>,
        numbers: &mut Vec<u32>,
    ) -> Result<(), Full> {
        // three loops, each of which reads memory without waiting for what it read
        let (mut hashes, mut slots, mut words) = ([0; GROUP], [EMPTY; GROUP], [0; GROUP]);
        for (index, (hash, slot)) in group.clone().zip(hashes.iter_mut().zip(&mut slots)) {
            *hash = values.hash(index);
            *slot = self.slots[self.home(*hash)];
        }
        for (word, &slot) in words.iter_mut().zip(&slots) {
            *word = self.values.words().get(slot as u32 as usize).copied().unwrap_or(0);
        }
        for (place, index) in group.enumerate() {
            let word = values.words()[index];
            let found = slots[place] != EMPTY && words[place] == word && !is_long(word);
            numbers.push(if found {
                slots[place] as u32
            } else {
                self.find_or_add(hashes[place], values, index)?
            });
        }
        Ok(())
    }

    fn find_or_add(&mut self, hash: u64, values: &Values, index: usize) -> Result<u32, Full> {
        let mut place = self.home(hash);
        loop {
            let found = self.slots[place];
            if found == EMPTY {
                return self.add(hash, place, values, index);
            }
            let number = found as u32;
            if found == slot(hash, number) && self.values.is(number as usize, values, index) {
                return Ok(number);
            }
            place = self.next(place);
        }
    }

    fn add(&mut self, hash: u64, place: usize, values: &Values, index: usize) -> Result<u32, Full> {
        let number = u32::try_from(self.values.len()).map_err(|_| Full)?;
        if number == u32::MAX {
            return Err(Full);
        }
        self.slots[place] = slot(hash, number);
        self.values.push_from(values, index);
        if self.values.len() > self.slots.len() / 4 * 3 {
            self.grow();
        }
        Ok(number)
    }

    /// Doubles the table. It is made anew from the values, so that the old one need not stand beside the new one.
    fn grow(&mut self) {
        let slots = 2 * self.slots.len();
        self.slots = Vec::new();
        self.slots = vec![EMPTY; slots];
        for number in 0..self.values.len() {
            let hash = self.values.hash(number);
            let mut place = self.home(hash);
            while self.slots[place] != EMPTY {
                place = self.next(place);
            }
            self.slots[place] = slot(hash, number as u32);
        }
    }

    /// Where the search for a hash begins: its highest bits. (The slot keeps the lowest ones.)
    fn home(&self, hash: u64) -> usize {
        (hash >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    fn next(&self, place: usize) -> usize {
        (place + 1) & (self.slots.len() - 1)
    }

    /// The values by number.
    pub fn into_values(self) -> Values {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(numbering: &mut Numbering, words: &[&str]) -> Vec<u32> {
        let (mut values, mut numbers) = (Values::default(), Vec::new());
        words.iter().for_each(|word| values.push(word));
        numbering.number(&values, &mut numbers).unwrap();
        numbers
    }

    #[test]
    fn numbers_follow_first_appearance() {
        let mut numbering = Numbering::default();
        let numbers = number(
            &mut numbering,
            &["b", "", "a", "b", "", "ab", "a", "longer than a word", "longer than a"],
        );
        assert_eq!(numbers, [0, 1, 2, 0, 1, 3, 2, 4, 5]);
        assert_eq!(number(&mut numbering, &["longer than a", "b", "c"]), [5, 0, 6]);
        let many: Vec<String> = (0..10_000).map(|value| format!("v{value}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let expected: Vec<u32> = (7..10_007).collect();
        assert_eq!(number(&mut numbering, &many), expected);
        assert_eq!(number(&mut numbering, &many), expected);
        assert_eq!(number(&mut numbering, &["ab", "v77", "longer than a word"]), [3, 84, 4]);
        assert_eq!(numbering.into_values().len(), 10_007);
    }

    /// The memory that a value takes, as documented.
    #[test]
    fn a_value_takes_less_than_thirty_bytes() {
        let mut numbering = Numbering::default();
        for value in 0..100_000u32 {
            number(&mut numbering, &[&format!("{value:08x}")]);
            let values = numbering.values.len();
            let bytes = size_of_val(&numbering.slots[..]) + size_of_val(numbering.values.words());
            assert!(values < 24 || (18..30).contains(&(bytes / values)), "{values}: {bytes}");
        }
    }
}
