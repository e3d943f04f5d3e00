//! What a batch has to be, written down example by example and with a comparison sort.

use super::*;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The valid parts of a batch.
#[derive(Debug, PartialEq, Default)]
struct Valid {
    label: Vec<f32>,
    dense: Vec<f32>,
    counts: [u32; 4],
    starts: [Vec<u32>; 2],
    unique_rows: Vec<u32>,
    unique_table: Vec<u32>,
    bag_offsets: Vec<u32>,
    bag_entries: Vec<u32>,
    use_offsets: Vec<u32>,
    uses: Vec<u32>,
}

fn valid(batch: &Batch) -> Valid {
    let unique = batch.counts[1] as usize;
    let entries = batch.bag_offsets[batch.bag_offsets.len() - 1] as usize;
    Valid {
        label: batch.label.clone(),
        dense: batch.dense.clone(),
        counts: batch.counts,
        starts: [batch.table_start.clone(), batch.shard_start.clone()],
        unique_rows: batch.unique_rows[..unique].to_vec(),
        unique_table: batch.unique_table[..unique].to_vec(),
        bag_offsets: batch.bag_offsets.clone(),
        bag_entries: batch.bag_entries[..entries].to_vec(),
        use_offsets: batch.use_offsets[..=unique].to_vec(),
        uses: batch.uses[..entries].to_vec(),
    }
}

/// A batch of `batch_size` examples, the slow way.
fn twin(examples: &Examples, rows: &[usize], layout: &RowLayout, batch_size: usize) -> Valid {
    let (num_tables, stride) = (layout.base.len() - 1, examples.num_dense().next_multiple_of(4));
    let mut batch = Valid::default();
    let mut entries = vec![Vec::new(); num_tables];
    for place in 0..batch_size {
        let row = rows.get(place);
        batch.label.push(row.map_or(0.0, |&row| examples.label(row)));
        for column in 0..stride {
            let row = row.filter(|_| column < examples.num_dense());
            batch.dense.push(row.map_or(0.0, |&row| examples.dense(row, column)));
        }
        for (feature, entries) in entries.iter_mut().enumerate() {
            let bag = batch.bag_offsets.len() as u32;
            batch.bag_offsets.push(batch.bag_entries.len() as u32);
            for &row in row.map_or(&[][..], |&row| examples.bag(row, feature)) {
                let global = layout.base[feature] as u32 + row;
                entries.push((global, batch.bag_entries.len(), bag));
                batch.bag_entries.push(global);
            }
        }
    }
    batch.bag_offsets.push(batch.bag_entries.len() as u32);
    for (table, mut entries) in entries.into_iter().enumerate() {
        batch.starts[0].push(batch.unique_rows.len() as u32);
        entries.sort_unstable();
        for (row, entry, bag) in entries {
            if batch.unique_rows.last() != Some(&row) {
                batch.unique_rows.push(row);
                batch.unique_table.push(table as u32);
                batch.use_offsets.push(batch.uses.len() as u32);
            }
            batch.bag_entries[entry] = batch.unique_rows.len() as u32 - 1;
            batch.uses.push(bag);
        }
    }
    let unique = batch.unique_rows.len() as u32;
    batch.starts[0].push(unique);
    batch.use_offsets.push(batch.uses.len() as u32);
    let before = |&first: &usize| batch.unique_rows.iter().filter(|&&row| (row as usize) < first).count() as u32;
    batch.starts[1] = layout.shard_first.iter().map(before).chain([unique]).collect();
    batch.counts = [rows.len() as u32, unique, 0, 0];
    batch
}

const SIZES: [usize; 6] = [1, 3, 1000, 100_000, 1, 5_000];

fn numbers(random: &mut ChaCha8Rng, count: usize, below: usize) -> Vec<u32> {
    (0..count).map(|_| random.next_u32() % below as u32).collect()
}

fn plain(random: &mut ChaCha8Rng, count: usize, num_dense: usize, sizes: &[usize]) -> Examples {
    let mut floats = || {
        numbers(random, count, 1000)
            .into_iter()
            .map(|x| x as f32)
            .collect::<Vec<f32>>()
    };
    let labels = floats();
    let dense = (0..num_dense).map(|_| floats()).collect();
    Examples::plain(
        labels,
        dense,
        sizes.iter().map(|&n| numbers(random, count, n)).collect(),
    )
    .unwrap()
}

/// Bags of 0 to 3 rows.
fn bags(random: &mut ChaCha8Rng, count: usize, sizes: &[usize]) -> Examples {
    let column = |&n: &usize| {
        let lengths = numbers(random, count, 4);
        let mut offsets = vec![0];
        offsets.extend(lengths.iter().scan(0, |sum, &length| {
            *sum += length;
            Some(*sum)
        }));
        let rows = numbers(random, offsets[count] as usize, n);
        (offsets, rows)
    };
    Examples::from_memory(vec![1.0; count], vec![], sizes.iter().map(column).collect()).unwrap()
}

/// Plain categories alone, bags alone, both: in batches of all sizes, short ones among them, from one buffer.
#[test]
fn batches_are_those_of_the_slow_twin() {
    let count = crate::data::examples::BATCH_ROWS + 4000;
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut base = vec![0];
    SIZES.iter().for_each(|n| base.push(base[base.len() - 1] + n));
    let shard_first = vec![0, 500, 60_000, base[5]];
    let layout = RowLayout { base, shard_first };
    let both = plain(&mut random, count, 4, &SIZES[..3]).beside(&bags(&mut random, count, &SIZES[3..]));
    let kinds = [
        ("plain", plain(&mut random, count, 5, &SIZES)),
        ("bags", bags(&mut random, count, &SIZES)),
        ("both", both),
    ];
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut random);
    for (kind, examples) in kinds {
        for batch_size in [1, 2, 37, 128, 5000] {
            let mut batch = Batch::new(batch_size, examples.num_dense(), &layout, batch_size * SIZES.len() * 3);
            let mut scratch = batch.scratch();
            for length in [batch_size, batch_size / 2, 0, batch_size.saturating_sub(1), batch_size] {
                order.rotate_left(batch_size);
                let rows = &order[..length];
                batch
                    .fill_with(&examples, rows.iter().copied(), &layout, &mut scratch)
                    .unwrap();
                let expected = twin(&examples, rows, &layout, batch_size);
                assert_eq!(valid(&batch), expected, "{kind}: {length} examples of {batch_size}");
            }
        }
    }
}

#[test]
fn more_entries_than_there_is_room_for_are_an_error() {
    let examples = bags(&mut ChaCha8Rng::seed_from_u64(6), 100, &[9]);
    let layout = RowLayout {
        base: vec![0, 9],
        shard_first: vec![0],
    };
    let error = Batch::new(100, 0, &layout, 60)
        .fill(&examples, 0..100, &layout)
        .unwrap_err();
    assert!(matches!(error, LoaderError::Capacity { capacity: 60 }));
}
