//! Many short texts, a word of eight bytes each.

use std::str;

/// Fills a word behind a value of less than eight bytes. No byte of UTF-8 is one of these two, so that the words of two
/// values are equal only if the values are.
const PADDING: u8 = 0xff;

/// The first byte of the word of a longer value; the other seven are its number among those.
const LONG: u8 = 0xfe;

/// Values behind one another. One of up to eight bytes takes eight, whatever else there is.
#[derive(Debug, Default)]
pub(super) struct Values {
    words: Vec<u64>,
    long: String,
    /// The end in `long` of each longer value.
    long_ends: Vec<usize>,
}

/// The word of a value, if it is not too long for one.
fn short_word(value: &str) -> Option<u64> {
    if let Ok(bytes) = value.as_bytes().try_into() {
        // most are: Criteo's are eight digits
        return Some(u64::from_le_bytes(bytes));
    }
    let mut bytes = [PADDING; 8];
    bytes.get_mut(..value.len())?.copy_from_slice(value.as_bytes());
    Some(u64::from_le_bytes(bytes))
}

/// Whether a word is no value itself.
pub(super) fn is_long(word: u64) -> bool {
    word as u8 == LONG
}

impl Values {
    pub fn push(&mut self, value: &str) {
        let word = short_word(value).unwrap_or_else(|| {
            self.long.push_str(value);
            self.long_ends.push(self.long.len());
            u64::from(LONG) | (self.long_ends.len() as u64 - 1) << 8
        });
        self.words.push(word);
    }

    /// Appends a value of `others`.
    pub fn push_from(&mut self, others: &Values, index: usize) {
        let word = others.words[index];
        if is_long(word) {
            self.push(others.long(word));
        } else {
            self.words.push(word);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.long.clear();
        self.long_ends.clear();
    }

    /// All words. Where both are words of values themselves (not [`is_long`]), two are equal just if the values are.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether a value is equal to one of `others`.
    pub fn is(&self, index: usize, others: &Values, other: usize) -> bool {
        let (word, other) = (self.words[index], others.words[other]);
        if is_long(word) && is_long(other) {
            self.long(word) == others.long(other)
        } else {
            word == other
        }
    }

    /// A hash of a value, the same among any others.
    pub fn hash(&self, index: usize) -> u64 {
        let word = self.words[index];
        if is_long(word) {
            xxhash_rust::xxh3::xxh3_64(self.long(word).as_bytes())
        } else {
            // the halves of a product: every bit of the word moves bits at both ends
            let product = u128::from(word ^ 0x2d35_8dcc_aa6c_78a5) * 0x8bb8_4b93_962e_acc9;
            product as u64 ^ (product >> 64) as u64
        }
    }

    /// Appends the bytes of a value to `text`.
    pub fn append_to(&self, index: usize, text: &mut Vec<u8>) {
        let word = self.words[index];
        if is_long(word) {
            text.extend_from_slice(self.long(word).as_bytes());
        } else {
            // the last byte of UTF-8 does not begin with eight ones
            let length = 8 - word.leading_ones() as usize / 8;
            text.extend_from_slice(&word.to_le_bytes()[..length]);
        }
    }

    fn long(&self, word: u64) -> &str {
        let index = (word >> 8) as usize;
        let start = if index == 0 { 0 } else { self.long_ends[index - 1] };
        &self.long[start..self.long_ends[index]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Alike up to their ends, or in what fills a word.
    const VALUES: [&str; 15] = [
        "",
        "\0",
        "\0\0",
        "a",
        "a\0",
        "aaaaaaa",
        "aaaaaaaa",
        "aaaaaaaa\0",
        "aaaaaaaaa",
        "aaaaaaaab",
        "é",
        "ÿ",
        "\u{10ffff}",
        "aaaa\u{10ffff}",
        "aaaaaaa\u{10ffff}",
    ];

    #[test]
    fn values_come_back_and_differ() {
        let (mut one, mut other) = (Values::default(), Values::default());
        VALUES.iter().for_each(|value| one.push(value));
        VALUES.iter().rev().for_each(|value| other.push(value));
        for (index, value) in VALUES.iter().enumerate() {
            let mut text = b"before".to_vec();
            one.append_to(index, &mut text);
            assert_eq!(text, ["before", value].concat().as_bytes());
            for (reversed, second) in VALUES.iter().rev().enumerate() {
                assert_eq!(one.is(index, &other, reversed), value == second, "{value:?} {second:?}");
                assert_eq!(one.hash(index) == other.hash(reversed), value == second);
            }
        }
        let mut copy = Values::default();
        (0..other.len()).rev().for_each(|index| copy.push_from(&other, index));
        assert!((0..one.len()).all(|index| copy.is(index, &one, index)));
    }

    #[test]
    fn a_short_value_takes_eight_bytes() {
        let mut values = Values::default();
        (0..1000).for_each(|value| values.push(&format!("{value:08x}")));
        assert_eq!(size_of_val(values.words()), 8000);
        assert!(values.long.is_empty() && values.long_ends.is_empty());
    }
}
