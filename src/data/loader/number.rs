//! A batch's bags: where they lie, which rows they use, and who uses a row.

use super::{Batch, LoaderError, RowLayout, Scratch, interleave};
use crate::data::examples::{BagColumn, Examples};

impl Batch {
    /// The bags of the examples in `scratch`, feature by feature.
    pub(super) fn fill_bags(
        &mut self,
        examples: &Examples,
        layout: &RowLayout,
        scratch: &mut Scratch,
    ) -> Result<(), LoaderError> {
        let (columns, count) = (examples.bag_columns(), scratch.rows.len());
        let plain = columns.iter().all(BagColumn::is_plain);
        self.lay_out(columns, plain, &scratch.rows)?;
        (self.counts[1], self.use_offsets[0]) = (0, 0);
        for (feature, column) in columns.iter().enumerate() {
            self.table_start[feature] = self.counts[1];
            let base = layout.base[feature];
            let num_embeddings = layout.base[feature + 1] - base;
            scratch.take(column, feature, columns.len());
            let greatest = scratch.entries.iter().copied().max().unwrap_or(0);
            if greatest as usize >= num_embeddings && !scratch.entries.is_empty() {
                return Err(LoaderError::Row {
                    feature,
                    row: greatest,
                    num_embeddings,
                });
            }
            let first = if plain { feature * count } else { 0 };
            match column.is_plain() {
                true => self.number(feature, base, greatest, (scratch, first), |entry, _| {
                    (entry * columns.len() + feature) as u32
                }),
                false => self.number(feature, base, greatest, (scratch, first), |entry, bags| bags[entry]),
            }
            if !plain {
                self.put_places(feature, columns.len(), scratch);
            }
        }
        if plain {
            let places = &scratch.places[..columns.len() * count];
            interleave(places, count, &mut self.bag_entries, columns.len());
        }
        self.table_start[columns.len()] = self.counts[1];
        Ok(())
    }

    /// Where each bag's entries begin, example by example.
    fn lay_out(&mut self, columns: &[BagColumn], plain: bool, rows: &[usize]) -> Result<(), LoaderError> {
        let (bags, capacity) = (rows.len() * columns.len(), self.uses.len());
        let mut entries = bags;
        if plain {
            for (offset, bag) in self.bag_offsets[..bags].iter_mut().zip(0..) {
                *offset = bag;
            }
        } else {
            for (feature, column) in columns.iter().enumerate() {
                let lengths = self.bag_offsets.iter_mut().skip(feature).step_by(columns.len());
                for (length, &row) in lengths.zip(rows) {
                    *length = column.bag(row).len() as u32;
                }
            }
            entries = 0;
            for offset in &mut self.bag_offsets[..bags] {
                entries += std::mem::replace(offset, entries as u32) as usize;
            }
        }
        self.bag_offsets[bags..].fill(entries as u32);
        match entries > capacity {
            true => Err(LoaderError::Capacity { capacity }),
            false => Ok(()),
        }
    }

    /// Sorts a table's entries by row, numbers the unique rows, and lists every row's uses in ascending order of bags; the
    /// places of the entries' rows go into `scratch`, from `first` on.
    fn number(
        &mut self,
        feature: usize,
        base: usize,
        greatest: u32,
        (scratch, first): (&mut Scratch, usize),
        bag: impl Fn(usize, &[u32]) -> u32,
    ) {
        let places = &mut scratch.places[first..first + scratch.entries.len()];
        let known = self.counts[1] as usize;
        let use_count = self.use_offsets[known] as usize;
        let unique_rows = &mut self.unique_rows[known..];
        let use_offsets = &mut self.use_offsets[known..];
        let (mut unique, mut last) = (0, None);
        let uses = self.uses[use_count..].iter_mut().zip(use_count as u32 + 1..);
        for ((row, entry), (user, end)) in scratch.keys.sort(&scratch.entries, greatest).zip(uses) {
            // No branch: whether a row is another one is a matter of chance.
            unique += usize::from(last != Some(row));
            last = Some(row);
            unique_rows[unique - 1] = base as u32 + row;
            use_offsets[unique] = end;
            places[entry] = (known + unique - 1) as u32;
            *user = bag(entry, &scratch.bags);
        }
        self.unique_table[known..known + unique].fill(feature as u32);
        self.counts[1] = (known + unique) as u32;
    }

    /// Puts the places of a table's entries where its bags lie.
    fn put_places(&mut self, feature: usize, num_tables: usize, scratch: &Scratch) {
        let mut places = scratch.places.iter();
        for bag in (feature..).step_by(num_tables).take(scratch.rows.len()) {
            let entries = self.bag_offsets[bag] as usize..self.bag_offsets[bag + 1] as usize;
            for (entry, &place) in self.bag_entries[entries].iter_mut().zip(&mut places) {
                *entry = place;
            }
        }
    }
}

impl Scratch {
    /// Takes the entries of a column's bags.
    fn take(&mut self, column: &BagColumn, feature: usize, num_tables: usize) {
        match column {
            BagColumn::Plain(column) => {
                self.entries.resize(self.rows.len(), 0);
                column.gather(&self.rows, &mut self.entries);
            }
            BagColumn::Lists(lists) => {
                self.entries.clear();
                self.bags.clear();
                for (bag, &row) in (feature..).step_by(num_tables).zip(&self.rows) {
                    self.entries.extend_from_slice(lists.bag(row));
                    self.bags.resize(self.entries.len(), bag as u32);
                }
            }
        }
    }
}
