//! One raw row.

use std::ops::Range;

#[cfg(doc)]
use super::{RawFeatures, SplitRule};
use crate::data::schema::Split;

/// One raw example; the reader of a source fills the same one again and again.
///
/// Categories lie in one buffer, as text: a source reports what is not UTF-8 as a bad row.
#[derive(Debug, Clone, Default)]
pub struct RawExample {
    /// The label.
    pub label: bool,
    /// One finite value for each of [`RawFeatures::dense`], already transformed.
    pub dense: Vec<f32>,
    /// The split, if the source itself decides ([`SplitRule::Given`]).
    pub split: Option<Split>,
    text: String,
    /// Where each value lies in `text`.
    values: Vec<Range<usize>>,
    /// End in `values` of each bag.
    bag_ends: Vec<usize>,
}

impl RawExample {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.label = false;
        self.split = None;
        self.dense.clear();
        self.text.clear();
        self.values.clear();
        self.bag_ends.clear();
    }

    /// Appends the next feature, a plain one: a bag of this one category.
    pub fn push_category(&mut self, category: &str) {
        self.push_to_bag(category);
        self.end_bag();
    }

    /// Adds a category to the bag of the next feature. The bag is complete with [`RawExample::end_bag`].
    pub fn push_to_bag(&mut self, category: &str) {
        let start = self.text.len();
        self.text.push_str(category);
        self.values.push(start..self.text.len());
    }

    /// Appends plain features: those of a text that lie at `fields` of it. (One copy of the text costs less than many of
    /// its fields.)
    pub fn push_fields(&mut self, text: &str, fields: impl Iterator<Item = Range<usize>>) {
        let start = self.text.len();
        self.text.push_str(text);
        for field in fields {
            self.values.push(start + field.start..start + field.end);
            self.bag_ends.push(self.values.len());
        }
    }

    /// Ends the bag of the next feature; with nothing pushed before, an empty one.
    pub fn end_bag(&mut self) {
        self.bag_ends.push(self.values.len());
    }

    /// Number of features pushed so far.
    pub fn num_features(&self) -> usize {
        self.bag_ends.len()
    }

    /// The categories of a feature.
    ///
    /// # Panics
    /// If `feature ≥ num_features()`.
    pub fn bag(&self, feature: usize) -> impl ExactSizeIterator<Item = &str> {
        let first = if feature == 0 { 0 } else { self.bag_ends[feature - 1] };
        let values = self.values[first..self.bag_ends[feature]].iter();
        values.map(|value| &self.text[value.clone()])
    }

    /// Bytes that its categories take.
    pub(super) fn weight(&self) -> usize {
        self.text.len() + size_of::<usize>() * (2 * self.values.len() + self.bag_ends.len())
    }

    /// A hash (xxh3, 64 bits) of the label, the categories and `row`, with `seed`: what decides a random split.
    ///
    /// It sees the parsed values, so that the same rows in another container fall into the same splits; and not the dense
    /// values, so that no rounding of a transformation can move a row.
    pub fn hash(&self, row: u64, seed: u64) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(seed);
        hasher.update(&row.to_le_bytes());
        hasher.update(&[u8::from(self.label)]);
        for feature in 0..self.num_features() {
            let bag = self.bag(feature);
            hasher.update(&(bag.len() as u64).to_le_bytes());
            for category in bag {
                hasher.update(&(category.len() as u64).to_le_bytes());
                hasher.update(category.as_bytes());
            }
        }
        hasher.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bags_come_back_as_pushed() {
        let mut example = RawExample::default();
        for _ in 0..2 {
            example.clear();
            example.push_category("a");
            example.push_category("");
            example.end_bag();
            example.push_to_bag("xy");
            example.push_to_bag("z");
            example.end_bag();
            example.push_fields("é\tb", [0..2, 3..4].into_iter());
            let bags: Vec<Vec<&str>> = (0..6).map(|feature| example.bag(feature).collect()).collect();
            assert_eq!(
                bags,
                [vec!["a"], vec![""], vec![], vec!["xy", "z"], vec!["é"], vec!["b"]]
            );
        }
    }

    #[test]
    fn hash_tells_apart_what_concatenates_alike() {
        let mut one = RawExample::default();
        one.push_category("ab");
        one.push_category("");
        let mut other = RawExample::default();
        other.push_category("a");
        other.push_category("");
        assert_ne!(one.hash(0, 0), other.hash(0, 0));
        assert_ne!(one.hash(0, 0), one.hash(1, 0));
        assert_ne!(one.hash(0, 0), one.hash(0, 1));
        assert_eq!(one.hash(5, 7), one.clone().hash(5, 7));
    }
}
