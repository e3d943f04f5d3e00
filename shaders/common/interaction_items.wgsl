
// ---- common/interaction_items.wgsl ----------------------------------------------------------------------------------
// Forward: an invocation computes one column of out; backward: one vec4 of one grad_vᵢ.

// The row of the strict lower triangle in which its element p lies.
fn triangle_row(p: u32) -> u32 {
    var i = u32((1.0 + sqrt(1.0 + 8.0 * f32(p))) * 0.5);
    // The root is rounded, and drivers may be off by more than half a unit.
    if triangle(i) > p { i -= 1u; }
    if triangle(i + 1u) <= p { i += 1u; }
    return i;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = item(group, groups, lane);
    let b = at / OUT_STRIDE;
    if b >= parameters.batch { return; }
    let col = at % OUT_STRIDE;
    if col < parameters.cols {
        out[at] = bottom[b * WIDTH4 + col / 4u][col % 4u];
        return;
    }
    let p = col - parameters.cols;
    if p >= triangle(FEATURES + 1u) {
        out[at] = 0.0;
        return;
    }
    let i = triangle_row(p);
    let j = p - triangle(i);
    var sum = vec4f();
    for (var col4 = 0u; col4 < WIDTH4; col4++) { sum += vector(b, i, col4) * vector(b, j, col4); }
    out[at] = (sum.x + sum.y) + (sum.z + sum.w);
}

@compute @workgroup_size(WORKGROUP)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = item(group, groups, lane);
    let col4 = at % WIDTH4;
    let i = at / WIDTH4 % (FEATURES + 1u);
    let b = at / WIDTH4 / (FEATURES + 1u);
    if b >= parameters.batch { return; }
    var sum = vec4f();
    if i == 0u { sum = head_gradient(b, col4); }
    for (var j = 0u; j < i; j++) { sum += grad_out[product_at(b, i, j)] * vector(b, j, col4); }
    for (var j = i + 1u; j <= FEATURES; j++) { sum += grad_out[product_at(b, j, i)] * vector(b, j, col4); }
    store_gradient(b, i, col4, sum);
}
