use super::*;

mod twin;

/// Two examples, two tables of 5 and 3 rows; the second feature is a bag.
fn batch() -> Batch {
    let bags = vec![(vec![0, 1, 2], vec![4, 4]), (vec![0, 3, 3], vec![2, 0, 2])];
    let examples = Examples::from_memory(vec![1.0, 0.0], vec![vec![0.5, 0.25]], bags).unwrap();
    let layout = RowLayout {
        base: vec![0, 5, 8],
        shard_first: vec![0, 4, 6],
    };
    let mut batch = Batch::new(3, 1, &layout, 16);
    batch.fill(&examples, 0..2, &layout).unwrap();
    batch
}

#[test]
fn rows_are_numbered_once_and_know_their_uses() {
    let batch = batch();
    assert_eq!(batch.counts, [2, 3, 0, 0]);
    assert_eq!(batch.unique_rows[..3], [4, 5, 7]);
    assert_eq!(batch.unique_table[..3], [0, 1, 1]);
    assert_eq!(batch.table_start, [0, 1, 3]);
    assert_eq!(batch.use_offsets[..4], [0, 2, 3, 5]);
    assert_eq!(batch.uses[..5], [0, 2, 1, 1, 1]); // bags b·F+f: row 4 by bags 0 and 2; the bag of three by itself
    assert_eq!(batch.bag_offsets, [0, 1, 4, 5, 5, 5, 5]); // the second example's bag and the padded example are empty
    assert_eq!(batch.bag_entries[..5], [0, 2, 1, 2, 0]);
}

#[test]
fn shards_split_the_unique_rows() {
    assert_eq!(batch().shard_start, [0, 0, 2, 3]);
}

#[test]
fn what_a_longer_batch_left_behind_is_gone() {
    let bags = vec![(vec![0, 1], vec![1]), (vec![0, 0], vec![])];
    let examples = Examples::from_memory(vec![1.0], vec![vec![3.0]], bags).unwrap();
    let layout = RowLayout {
        base: vec![0, 5, 8],
        shard_first: vec![0],
    };
    let mut reused = Batch::new(3, 1, &layout, 16);
    let mut other = batch();
    other.shard_start = vec![0, 0];
    other.fill(&examples, 0..1, &layout).unwrap();
    reused.fill(&examples, 0..1, &layout).unwrap();
    assert_eq!((other.dense, other.label), (reused.dense, reused.label));
    assert_eq!(
        (other.bag_offsets, other.table_start),
        (reused.bag_offsets, reused.table_start)
    );
}

#[test]
fn a_row_beyond_its_table_is_an_error() {
    let examples = Examples::from_memory(vec![1.0], vec![], vec![(vec![0, 1], vec![9])]).unwrap();
    let layout = RowLayout {
        base: vec![0, 5],
        shard_first: vec![0],
    };
    let error = Batch::new(1, 0, &layout, 4).fill(&examples, 0..1, &layout).unwrap_err();
    assert!(matches!(error, LoaderError::Row { row: 9, .. }));
}
