// The batch's unique rows out of one shard of the tables: x[u] = W1[unique_rows[u]] for the unique rows u of the shard,
// shard_start[shard]..shard_start[shard+1].
//
// shard (rows, width), x (capacity, width). PARTS invocations share a row; each copies its part of one, or of
// several a grid apart.
// Twin: src/kernels/gather.rs.

struct Parameters {
    shard: u32,
    first_row: u32, // global number of the shard's first row
}

override WIDTH4: u32 = 1u; // distance between rows, in vec4s: a constant, since CPU drivers divide by it slowly
override PARTS: u32 = WIDTH4; // invocations that share a row: a divisor of WIDTH4
override PART4: u32 = WIDTH4 / PARTS;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;
@group(0) @binding(2) var<storage, read> unique_rows: array<u32>;
@group(0) @binding(3) var<storage, read> shard_start: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let start = shard_start[parameters.shard];
    let count = (shard_start[parameters.shard + 1u] - start) * PARTS;
    for (var i = item(group, groups, lane); i < count; i += all_items(groups)) {
        let u = start + i / PARTS;
        let first4 = i % PARTS * PART4;
        let read = (unique_rows[u] - parameters.first_row) * WIDTH4 + first4;
        let written = u * WIDTH4 + first4;
        for (var col4 = 0u; col4 < PART4; col4++) { x[written + col4] = table[read + col4]; }
    }
}
