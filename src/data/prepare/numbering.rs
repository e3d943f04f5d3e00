//! The categories of one feature, numbered by first appearance.

use std::hash::{BuildHasher, BuildHasherDefault};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHasher;

/// Why a category has no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberingError {
    /// 2³² − 1 categories are numbered already.
    Full,
    /// The category is not UTF-8.
    NotUtf8,
}

/// Raw value → number. All values lie in one buffer, behind one another: the table holds numbers alone.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    table: HashTable<u32>,
    values: Values,
}

#[derive(Debug, Default)]
struct Values {
    text: String,
    ends: Vec<usize>,
}

impl Values {
    fn get(&self, number: u32) -> &str {
        let index = number as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..self.ends[index]]
    }
}

fn hash(value: &[u8]) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(value)
}

impl Numbering {
    /// The number of `value`; the next free one if it was not seen before.
    pub fn number(&mut self, value: &[u8]) -> Result<u32, NumberingError> {
        let values = &mut self.values;
        let equal = |&number: &u32| values.get(number).as_bytes() == value;
        let rehash = |&number: &u32| hash(values.get(number).as_bytes());
        match self.table.entry(hash(value), equal, rehash) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => {
                let number = u32::try_from(values.ends.len())
                    .ok()
                    .filter(|&number| number < u32::MAX);
                let number = number.ok_or(NumberingError::Full)?;
                let text = std::str::from_utf8(value).map_err(|_| NumberingError::NotUtf8)?;
                entry.insert(number);
                values.text.push_str(text);
                values.ends.push(values.text.len());
                Ok(number)
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.ends.len()
    }

    /// The value with this number.
    pub fn value(&self, number: u32) -> &str {
        self.values.get(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_first_appearance() {
        let mut numbering = Numbering::default();
        let words = ["b", "", "a", "b", "", "ab", "a"];
        let numbers: Vec<u32> = words
            .iter()
            .map(|word| numbering.number(word.as_bytes()).unwrap())
            .collect();
        assert_eq!(numbers, [0, 1, 2, 0, 1, 3, 2]);
        assert_eq!(
            (0..4).map(|number| numbering.value(number)).collect::<Vec<_>>(),
            ["b", "", "a", "ab"]
        );
        for number in 0..10_000u32 {
            assert_eq!(numbering.number(format!("v{number}").as_bytes()), Ok(4 + number));
        }
        assert_eq!(numbering.number(b"ab"), Ok(3));
        assert_eq!(numbering.number(b"v77"), Ok(81));
        assert_eq!(numbering.number(b"\xff"), Err(NumberingError::NotUtf8));
        assert_eq!(numbering.len(), 10_004);
    }
}
