
// ---- common/item.wgsl ------------------------------------------------------------------------------------------------
// The number of this invocation in a one-dimensional grid that is split in y (`grid` in src/backend/gpu/pipeline.rs).

override WORKGROUP: u32 = 64u;

fn item(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}
