// Bags, summed (DLRM's EmbeddingBag): a segment i holds entries[offsets[i]..offsets[i+1]], each a row number.
//
//   forward   pooled[bag] = Σ_{entries of the bag} y[entry]; an empty bag is zero
//   backward  grad_y[u] = Σ_{bags that use u} grad_pooled[bag], in ascending order of bags, for the unique rows u
//
// rows (·, d), sums (segments, d). An invocation sums one vec4 of one segment, in the segment's order, eight entries at once
// where EIGHT says so; that and `backward` are in common/pool_items.wgsl, or in common/pool_together.wgsl for GPUs.
// Twin: src/kernels/pool.rs.

struct Parameters {
    segments: u32, // bags (forward), the most unique rows (backward)
}

const UNIQUE: u32 = 1u; // layout::UNIQUE

override WIDTH4: u32 = 1u; // distance between rows, in vec4s: a constant, since CPU drivers divide by it slowly

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> rows: array<vec4f>;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read> entries: array<u32>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec4f>;
@group(0) @binding(5) var<storage, read> counts: array<u32>;

fn entry(e: u32, col4: u32) -> vec4f {
    return rows[entries[e] * WIDTH4 + col4];
}

fn sum_segment(i: u32, segments: u32) {
    let segment = i / WIDTH4;
    if segment >= segments { return; }
    let col4 = i % WIDTH4;
    let end = offsets[segment + 1u];
    var sum = vec4f();
    var e = offsets[segment];
    for (; EIGHT && e + 8u <= end; e += 8u) {
        let a = entry(e, col4);
        let b = entry(e + 1u, col4);
        let c = entry(e + 2u, col4);
        let d = entry(e + 3u, col4);
        let f = entry(e + 4u, col4);
        let g = entry(e + 5u, col4);
        let h = entry(e + 6u, col4);
        sum = sum + a + b + c + d + f + g + h + entry(e + 7u, col4);
    }
    for (; e < end; e++) { sum += entry(e, col4); }
    sums[i] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    sum_segment(item(group, groups, lane), parameters.segments);
}
