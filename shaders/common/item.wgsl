
// ---- common/item.wgsl ------------------------------------------------------------------------------------------------
// The number of this invocation in a one-dimensional grid that is split in y (`grid` in src/backend/gpu/pipeline.rs).

override WORKGROUP: u32 = 64u;

fn item(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

// How many invocations the grid has: where it may be smaller than the work, an invocation takes every such item.
fn all_items(groups: vec3u) -> u32 {
    return groups.x * groups.y * WORKGROUP;
}
