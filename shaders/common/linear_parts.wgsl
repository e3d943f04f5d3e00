
// ---- common/linear_parts.wgsl ----------------------------------------------------------------------------------------
// The gradients of w and b in parts, for GPUs: see common/parts.wgsl. Behind the rows of w's part lies b's.

// Numbers of a part, in vec4s: the gradients of w and of b.
fn part_size() -> vec2u {
    return vec2u(parameters.rows * parameters.result4, (parameters.rows + 3u) / 4u);
}

@compute @workgroup_size(LANES)
fn gradient_part(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let q = parameters;
    let blocks = (q.rows + GROUP_ROWS - 1u) / GROUP_ROWS;
    let n = group.z * groups.y + group.y;
    let part = n / blocks;
    let terms = part_of(part, q.inner);
    let size = part_size();
    let start = part * (size.x + size.y);
    let p = Product(
        q.rows, q.cols, select(0u, terms.y, part < q.parts), terms.x * q.left4, terms.x * q.right4, start,
        q.left4, q.right4, q.result4,
    );
    let block = product_left_transposed(p, group, n % blocks, lane);
    if part >= q.parts { return; }
    store(p, block);
    if group.x != 0u { return; }
    let g = left_sums(n % blocks, lane);
    if g.col4 < size.y { result[start + size.x + g.col4] = g.sums; }
}

@compute @workgroup_size(WORKGROUP)
fn step_parts_sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let size = part_size();
    let i = item(group, groups, lane);
    let step = scalars[parameters.rate] * sum_of_parts(i, size.x + size.y);
    if i < size.x {
        result[i] -= step;
    } else if i < size.x + size.y {
        stepped_bias[i - size.x] -= step;
    }
}

@compute @workgroup_size(WORKGROUP)
fn step_parts_adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let size = part_size();
    let i = item(group, groups, lane);
    let rate = scalars[parameters.rate];
    let g = sum_of_parts(i, size.x + size.y);
    if i < size.x {
        adagrad_at(i, g, rate);
    } else if i < size.x + size.y {
        let s = bias_squares[i - size.x] + g * g;
        bias_squares[i - size.x] = s;
        stepped_bias[i - size.x] -= adagrad_step(g, s, rate);
    }
}
