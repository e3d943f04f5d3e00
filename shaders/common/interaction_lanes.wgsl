
// ---- common/interaction_lanes.wgsl ----------------------------------------------------------------------------------
// For CPU drivers whose subgroups have eight invocations (Mesa's lavapipe). A load costs them as much as fifty
// multiplications: so every lane loads the vectors of its own, and hands them round with subgroupBroadcast. A workgroup is one
// subgroup and computes one example, eight rows of the products by eight columns at a time. Every lane stays to the end: a
// broadcast needs it.

const LANES: u32 = 8u;

fn example(group: vec3u, groups: vec3u) -> u32 {
    return group.y * groups.x + group.x;
}

// vec4 `col4` of vᵢ, and of the last one past it.
fn some_vector(b: u32, i: u32, col4: u32) -> vec4f {
    return vector(b, min(i, FEATURES), min(col4, WIDTH4 - 1u));
}

fn put(b: u32, i: u32, j: u32, product: f32) {
    if i <= FEATURES && j < i { out[product_at(b, i, j)] = product; }
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let b = example(group, groups);
    if b >= parameters.batch { return; }
    for (var first_i = 0u; first_i <= FEATURES; first_i += LANES) {
        let i = first_i + lane;
        for (var j = 0u; j <= first_i; j += LANES) {
            var low = vec4f(); // ⟨vᵢ, vⱼ⟩ to ⟨vᵢ, vⱼ₊₃⟩
            var high = vec4f();
            for (var col4 = 0u; col4 < WIDTH4; col4++) {
                let v = some_vector(b, i, col4);
                let other = some_vector(b, j + lane, col4);
                low.x += dot(v, subgroupBroadcast(other, 0u));
                low.y += dot(v, subgroupBroadcast(other, 1u));
                low.z += dot(v, subgroupBroadcast(other, 2u));
                low.w += dot(v, subgroupBroadcast(other, 3u));
                high.x += dot(v, subgroupBroadcast(other, 4u));
                high.y += dot(v, subgroupBroadcast(other, 5u));
                high.z += dot(v, subgroupBroadcast(other, 6u));
                high.w += dot(v, subgroupBroadcast(other, 7u));
            }
            put(b, i, j, low.x);
            put(b, i, j + 1u, low.y);
            put(b, i, j + 2u, low.z);
            put(b, i, j + 3u, low.w);
            put(b, i, j + 4u, high.x);
            put(b, i, j + 5u, high.y);
            put(b, i, j + 6u, high.z);
            put(b, i, j + 7u, high.w);
        }
    }
    for (var col = lane; col < parameters.cols; col += LANES) {
        out[b * OUT_STRIDE + col] = bottom[b * WIDTH4 + col / 4u][col % 4u];
    }
    for (var col = parameters.cols + triangle(FEATURES + 1u) + lane; col < OUT_STRIDE; col += LANES) {
        out[b * OUT_STRIDE + col] = 0.0;
    }
}

// g_{ij} = g_{ji}, zero on the diagonal and outside: there any number is loaded, since a branch costs more.
fn grad_product(b: u32, i: u32, j: u32) -> f32 {
    let high = min(max(i, j), FEATURES);
    let g = grad_out[product_at(b, high, min(min(i, j), high - 1u))];
    return select(g, 0.0, i == j || max(i, j) > FEATURES);
}

// Writes vec4 `col4` of grad_vᵢ, if there is one, from the products' part of it.
fn put_gradient(b: u32, i: u32, col4: u32, sum: vec4f) {
    if i > FEATURES || col4 >= WIDTH4 { return; }
    var head = vec4f();
    if i == 0u { head = head_gradient(b, col4); }
    store_gradient(b, i, col4, head + sum);
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let b = example(group, groups);
    if b >= parameters.batch { return; }
    for (var first_i = 0u; first_i <= FEATURES; first_i += LANES) {
        let i = first_i + lane;
        for (var col4 = 0u; col4 < WIDTH4; col4 += 2u) {
            var sum = vec4f();
            var next = vec4f();
            for (var j = 0u; j <= FEATURES; j += LANES) {
                let v = some_vector(b, j + lane, col4);
                let w = some_vector(b, j + lane, col4 + 1u);
                let g0 = grad_product(b, i, j);
                sum += g0 * subgroupBroadcast(v, 0u);
                next += g0 * subgroupBroadcast(w, 0u);
                let g1 = grad_product(b, i, j + 1u);
                sum += g1 * subgroupBroadcast(v, 1u);
                next += g1 * subgroupBroadcast(w, 1u);
                let g2 = grad_product(b, i, j + 2u);
                sum += g2 * subgroupBroadcast(v, 2u);
                next += g2 * subgroupBroadcast(w, 2u);
                let g3 = grad_product(b, i, j + 3u);
                sum += g3 * subgroupBroadcast(v, 3u);
                next += g3 * subgroupBroadcast(w, 3u);
                let g4 = grad_product(b, i, j + 4u);
                sum += g4 * subgroupBroadcast(v, 4u);
                next += g4 * subgroupBroadcast(w, 4u);
                let g5 = grad_product(b, i, j + 5u);
                sum += g5 * subgroupBroadcast(v, 5u);
                next += g5 * subgroupBroadcast(w, 5u);
                let g6 = grad_product(b, i, j + 6u);
                sum += g6 * subgroupBroadcast(v, 6u);
                next += g6 * subgroupBroadcast(w, 6u);
                let g7 = grad_product(b, i, j + 7u);
                sum += g7 * subgroupBroadcast(v, 7u);
                next += g7 * subgroupBroadcast(w, 7u);
            }
            put_gradient(b, i, col4, sum);
            put_gradient(b, i, col4 + 1u, next);
        }
    }
}
