//! Which categories keep a row of their own.

/// The rows of one feature's table after `--min-count` and `--max-rows-per-table`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// New number of each old one; `None` if nothing changed.
    pub renumber: Option<Vec<u32>>,
    /// Old number of each new one; `None` if nothing changed. (Any of the old ones, for the shared row.)
    pub originals: Option<Vec<u32>>,
    /// The new number of the row that the rare ones share.
    pub rare_row: Option<u32>,
    /// Uses in the training split of each new number.
    pub frequencies: Vec<u64>,
}

impl Table {
    /// Decides for a feature with `frequencies[old]` uses in the training split.
    ///
    /// A category used fewer than `min_count` times is rare. If more than `max_rows` rows would remain, only the
    /// `max_rows − 1` most frequent keep theirs (of equals, those that appeared first). The rare ones share one row. Rows
    /// keep the order of first appearance, the shared one taking the place of the first rare category.
    pub fn new(frequencies: Vec<u64>, min_count: Option<u64>, max_rows: Option<usize>) -> Table {
        let mut keep: Vec<bool> = frequencies.iter().map(|&uses| uses >= min_count.unwrap_or(0)).collect();
        let kept = keep.iter().filter(|&&keep| keep).count();
        let rows = kept + usize::from(kept < keep.len());
        if let Some(max_rows) = max_rows.filter(|&max_rows| max_rows < rows) {
            let mut order: Vec<usize> = (0..keep.len()).filter(|&old| keep[old]).collect();
            order.sort_by_key(|&old| (std::cmp::Reverse(frequencies[old]), old));
            order
                .iter()
                .skip(max_rows.saturating_sub(1))
                .for_each(|&old| keep[old] = false);
        }
        if keep.iter().all(|&keep| keep) {
            return Table {
                frequencies,
                ..Table::default()
            };
        }
        let mut table = Table::default();
        let (mut renumber, mut originals) = (Vec::with_capacity(keep.len()), Vec::new());
        for (old, keep) in keep.into_iter().enumerate() {
            let next = originals.len() as u32;
            let new = if keep {
                next
            } else {
                *table.rare_row.get_or_insert(next)
            };
            if new == next {
                originals.push(old as u32);
                table.frequencies.push(0);
            }
            table.frequencies[new as usize] += frequencies[old];
            renumber.push(new);
        }
        Table {
            renumber: Some(renumber),
            originals: Some(originals),
            ..table
        }
    }

    /// Rows of the table.
    pub fn len(&self) -> usize {
        self.frequencies.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_changes_without_a_rare_category() {
        for (min_count, max_rows) in [(None, None), (Some(1), None), (None, Some(3)), (Some(1), Some(3))] {
            let table = Table::new(vec![1, 5, 2], min_count, max_rows);
            assert_eq!(
                table,
                Table {
                    frequencies: vec![1, 5, 2],
                    ..Table::default()
                },
                "{min_count:?} {max_rows:?}"
            );
        }
    }

    #[test]
    fn rare_ones_share_the_place_of_the_first() {
        let table = Table::new(vec![4, 1, 0, 9, 1], Some(2), None);
        assert_eq!(table.renumber.as_deref(), Some(&[0, 1, 1, 2, 1][..]));
        assert_eq!(table.originals.as_deref(), Some(&[0, 1, 3][..]));
        assert_eq!((table.rare_row, &table.frequencies[..]), (Some(1), &[4, 2, 9][..]));
    }

    #[test]
    fn the_most_frequent_stay_and_the_first_of_equals() {
        let table = Table::new(vec![3, 7, 3, 7, 3], None, Some(4));
        assert_eq!(table.renumber.as_deref(), Some(&[0, 1, 2, 3, 2][..]));
        assert_eq!((table.len(), table.rare_row), (4, Some(2)));
        let one = Table::new(vec![3, 7], None, Some(1));
        assert_eq!(
            (one.renumber.as_deref(), &one.frequencies[..]),
            (Some(&[0, 0][..]), &[10][..])
        );
    }

    #[test]
    fn the_shared_row_counts_towards_the_limit() {
        // two are rare: 3 kept + 1 shared = 4 rows fit into 4, not into 3
        let frequencies = vec![5, 0, 6, 7, 0];
        assert_eq!(Table::new(frequencies.clone(), Some(1), Some(4)).len(), 4);
        let table = Table::new(frequencies, Some(1), Some(3));
        assert_eq!((table.rare_row, &table.frequencies[..]), (Some(0), &[5, 6, 7][..]));
    }
}
