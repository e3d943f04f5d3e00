//! A batch's bags: where they lie, which rows they use, and who uses a row.

use super::{Batch, LoaderError, RowLayout, Scratch, interleave};
use crate::data::examples::{BagColumn, Examples};
use std::ops::Range;

impl Batch {
    /// The bags of the examples in `scratch`, feature by feature.
    pub(super) fn fill_bags(
        &mut self,
        examples: &Examples,
        layout: &RowLayout,
        scratch: &mut Scratch,
    ) -> Result<(), LoaderError> {
        let (columns, count) = (examples.bag_columns(), scratch.rows.len());
        let num_tables = columns.len();
        let plain = columns.iter().all(BagColumn::is_plain);
        self.lay_out(columns, plain, &scratch.rows)?;
        (self.counts[1], self.use_offsets[0]) = (0, 0);
        for (feature, column) in columns.iter().enumerate() {
            self.table_start[feature] = self.counts[1];
            let table = layout.base[feature]..layout.base[feature + 1];
            scratch.take(column, feature, num_tables);
            check(&scratch.entries, feature, table.len())?;
            match column {
                BagColumn::Plain(_) => {
                    let bag = |entry, _: &[u32]| (entry * num_tables + feature) as u32;
                    self.number(feature, table, scratch, bag);
                }
                BagColumn::Lists(_) => self.number(feature, table, scratch, |entry, bags| bags[entry]),
            }
            if !plain {
                self.put_places(feature, num_tables, scratch);
            }
        }
        self.table_start[num_tables] = self.counts[1];
        if plain {
            let places = &scratch.places[..num_tables * count];
            interleave(places, count, &mut self.bag_entries, num_tables);
        }
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

    /// Sorts a table's entries by row, numbers the unique rows, and lists every row's uses in ascending order of bags. The
    /// places of the entries' rows go behind those of the tables before.
    fn number(
        &mut self,
        feature: usize,
        table: Range<usize>,
        scratch: &mut Scratch,
        bag: impl Fn(usize, &[u32]) -> u32,
    ) {
        let known = self.counts[1] as usize;
        let before = self.use_offsets[known] as usize;
        let (unique_rows, use_offsets) = (&mut self.unique_rows[known..], &mut self.use_offsets[known..]);
        let places = &mut scratch.places[before..before + scratch.entries.len()];
        let uses = self.uses[before..].iter_mut().zip(before as u32 + 1..);
        let (mut unique, mut last) = (0, None);
        for ((row, entry), (user, end)) in scratch.keys.sort(&scratch.entries, table.len()).zip(uses) {
            // No branch: whether a row is another one is a matter of chance.
            unique += usize::from(last != Some(row));
            last = Some(row);
            unique_rows[unique - 1] = table.start as u32 + row;
            use_offsets[unique] = end;
            places[entry] = (known + unique - 1) as u32;
            *user = bag(entry, &scratch.bags);
        }
        self.unique_table[known..known + unique].fill(feature as u32);
        self.counts[1] = (known + unique) as u32;
    }

    /// Puts the places of a table's entries where its bags lie.
    fn put_places(&mut self, feature: usize, num_tables: usize, scratch: &Scratch) {
        let first = self.use_offsets[self.table_start[feature] as usize] as usize;
        let mut places = &scratch.places[first..];
        for bag in (feature..).step_by(num_tables).take(scratch.rows.len()) {
            let entries = self.bag_offsets[bag] as usize..self.bag_offsets[bag + 1] as usize;
            let (of_bag, others) = places.split_at(entries.len());
            self.bag_entries[entries].copy_from_slice(of_bag);
            places = others;
        }
    }
}

/// Refuses rows beyond the table.
fn check(rows: &[u32], feature: usize, num_embeddings: usize) -> Result<(), LoaderError> {
    match rows.iter().copied().max() {
        Some(row) if row as usize >= num_embeddings => Err(LoaderError::Row {
            feature,
            row,
            num_embeddings,
        }),
        _ => Ok(()),
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
