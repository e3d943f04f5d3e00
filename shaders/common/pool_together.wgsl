
// ---- common/pool_together.wgsl ---------------------------------------------------------------------------------------
// Backward for GPUs. The rows of a small table have thousands of uses, of which one invocation would add up one after the other: a
// workgroup takes SEGMENTS segments, an invocation a vec4 of those with at most FEW entries, and all of them together the
// longer ones, strip by strip, the strips added in their order.

const EIGHT = true; // on their way at once: the rows of a small table have thousands of uses
const TOGETHER: u32 = 256u;
const SEGMENTS: u32 = 64u;
const FEW: u32 = 16u;
override COLUMNS4: u32 = min(WIDTH4, TOGETHER); // vec4s of a segment at a time
override STRIPS: u32 = TOGETHER / COLUMNS4;

var<workgroup> long_count: atomic<u32>;
var<workgroup> long_segments: array<u32, SEGMENTS>; // in any order: each is summed by itself
var<workgroup> strip_sums: array<vec4f, TOGETHER>;

// One long segment.
fn sum_together(segment: u32, lane: u32) {
    let start = offsets[segment];
    let end = offsets[segment + 1u];
    let strip = lane / COLUMNS4;
    for (var first = 0u; first < WIDTH4; first += COLUMNS4) {
        let col4 = first + lane % COLUMNS4;
        var sum = vec4f();
        if strip < STRIPS && col4 < WIDTH4 {
            var e = start + strip;
            for (; e + 3u * STRIPS < end; e += 4u * STRIPS) {
                let a = entry(e, col4);
                let b = entry(e + STRIPS, col4);
                let c = entry(e + 2u * STRIPS, col4);
                sum = sum + a + b + c + entry(e + 3u * STRIPS, col4);
            }
            for (; e < end; e += STRIPS) { sum += entry(e, col4); }
        }
        strip_sums[lane] = sum;
        workgroupBarrier();
        if lane < COLUMNS4 && col4 < WIDTH4 {
            for (var at = lane + COLUMNS4; at < STRIPS * COLUMNS4; at += COLUMNS4) { sum += strip_sums[at]; }
            sums[segment * WIDTH4 + col4] = sum;
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(TOGETHER)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let segments = min(counts[UNIQUE], parameters.segments);
    let first = (group.y * groups.x + group.x) * SEGMENTS;
    if lane == 0u { atomicStore(&long_count, 0u); }
    workgroupBarrier();
    for (var i = lane; i < SEGMENTS * WIDTH4; i += TOGETHER) {
        let segment = first + i / WIDTH4;
        if segment >= segments { break; }
        if offsets[segment + 1u] - offsets[segment] <= FEW {
            sum_segment(first * WIDTH4 + i, segments);
        } else if i % WIDTH4 == 0u {
            long_segments[atomicAdd(&long_count, 1u)] = segment;
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&long_count);
    for (var n = 0u; n < count; n++) { sum_together(long_segments[n], lane); }
}
