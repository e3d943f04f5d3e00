
// ---- common/pool_items.wgsl ------------------------------------------------------------------------------------------
// Backward for CPU drivers: an invocation sums one vec4 of one segment.

// A CPU driver goes through the body of a loop once even if no lane has so many entries.
const EIGHT = false;

@compute @workgroup_size(WORKGROUP)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    sum_segment(item(group, groups, lane), min(counts[UNIQUE], parameters.segments));
}
