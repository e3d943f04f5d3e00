
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

// Four vec4s of vᵢ from `col4` on: a number of the gradient is loaded for all of them. Zero where no vector is so long, which
// is known when this is compiled.
fn some_vectors(b: u32, i: u32, col4: u32) -> mat4x4f {
    var v = mat4x4f();
    v[0] = some_vector(b, i, col4);
    if WIDTH4 > 1u { v[1] = some_vector(b, i, col4 + 1u); }
    if WIDTH4 > 2u { v[2] = some_vector(b, i, col4 + 2u); }
    if WIDTH4 > 3u { v[3] = some_vector(b, i, col4 + 3u); }
    return v;
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
        for (var col4 = 0u; col4 < WIDTH4; col4 += 4u) {
            var sums = mat4x4f(); // four vec4s
            for (var j = 0u; j <= FEATURES; j += LANES) {
                let v = some_vectors(b, j + lane, col4);
                sums += grad_product(b, i, j) * mat4x4f(
                    subgroupBroadcast(v[0], 0u), subgroupBroadcast(v[1], 0u), subgroupBroadcast(v[2], 0u), subgroupBroadcast(v[3], 0u),
                );
                sums += grad_product(b, i, j + 1u) * mat4x4f(
                    subgroupBroadcast(v[0], 1u), subgroupBroadcast(v[1], 1u), subgroupBroadcast(v[2], 1u), subgroupBroadcast(v[3], 1u),
                );
                sums += grad_product(b, i, j + 2u) * mat4x4f(
                    subgroupBroadcast(v[0], 2u), subgroupBroadcast(v[1], 2u), subgroupBroadcast(v[2], 2u), subgroupBroadcast(v[3], 2u),
                );
                sums += grad_product(b, i, j + 3u) * mat4x4f(
                    subgroupBroadcast(v[0], 3u), subgroupBroadcast(v[1], 3u), subgroupBroadcast(v[2], 3u), subgroupBroadcast(v[3], 3u),
                );
                sums += grad_product(b, i, j + 4u) * mat4x4f(
                    subgroupBroadcast(v[0], 4u), subgroupBroadcast(v[1], 4u), subgroupBroadcast(v[2], 4u), subgroupBroadcast(v[3], 4u),
                );
                sums += grad_product(b, i, j + 5u) * mat4x4f(
                    subgroupBroadcast(v[0], 5u), subgroupBroadcast(v[1], 5u), subgroupBroadcast(v[2], 5u), subgroupBroadcast(v[3], 5u),
                );
                sums += grad_product(b, i, j + 6u) * mat4x4f(
                    subgroupBroadcast(v[0], 6u), subgroupBroadcast(v[1], 6u), subgroupBroadcast(v[2], 6u), subgroupBroadcast(v[3], 6u),
                );
                sums += grad_product(b, i, j + 7u) * mat4x4f(
                    subgroupBroadcast(v[0], 7u), subgroupBroadcast(v[1], 7u), subgroupBroadcast(v[2], 7u), subgroupBroadcast(v[3], 7u),
                );
            }
            put_gradient(b, i, col4, sums[0]);
            if WIDTH4 > 1u { put_gradient(b, i, col4 + 1u, sums[1]); }
            if WIDTH4 > 2u { put_gradient(b, i, col4 + 2u, sums[2]); }
            if WIDTH4 > 3u { put_gradient(b, i, col4 + 3u, sums[3]); }
        }
    }
}
