//! A batch into the CPU's memory, as the engine does it.

use mlet::backend::cpu::{Memory, Real};
use mlet::data::loader::Batch;
use mlet::train::network::BatchBuffers;

/// Writes the batch, whose buffers have the length of the memory's.
pub fn load<T: Real>(memory: &mut Memory<T>, to: &BatchBuffers, batch: &Batch) {
    let sparse = to.sparse;
    let floats = [
        (to.dense.buffer, &batch.dense[..]),
        (to.label, &batch.label),
        (to.scalars, &batch.scalars),
    ];
    for (buffer, values) in floats {
        for (out, &value) in memory.floats_mut(buffer).iter_mut().zip(values) {
            *out = T::from_f64(value.into());
        }
    }
    let ints = [
        (sparse.counts, &batch.counts[..]),
        (sparse.table_start, &batch.table_start),
        (sparse.shard_start, &batch.shard_start),
        (sparse.unique_rows, &batch.unique_rows),
        (sparse.unique_table, &batch.unique_table),
        (sparse.bag_offsets, &batch.bag_offsets),
        (sparse.bag_entries, &batch.bag_entries),
        (sparse.use_offsets, &batch.use_offsets),
        (sparse.uses, &batch.uses),
    ];
    for (buffer, values) in ints {
        memory.ints_mut(buffer).copy_from_slice(values);
    }
}
