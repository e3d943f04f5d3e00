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
    let rows = unique();
    let count = rows.y * PARTS;
    for (var i = item(group, groups, lane); i < count; i += all_items(groups)) {
        let at = part(i, rows.x);
        for (var col4 = 0u; col4 < PART4; col4++) { x[at.y + col4] = table[at.x + col4]; }
    }
}
