
// ---- common/factor_parts.wgsl ----------------------------------------------------------------------------------------
// The gradient of W in parts, for GPUs: see common/parts.wgsl. A part has all tables' blocks.

@compute @workgroup_size(LANES)
fn gradient_part(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let w = weight_of_one_table(group.z * groups.y + group.y);
    store(w.product, product_left_transposed(w.product, group, w.block, lane));
}

@compute @workgroup_size(WORKGROUP)
fn step_parts_sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let size = TABLES * parameters.rows * parameters.result4;
    let i = item(group, groups, lane);
    if i < size { result[i] -= scalars[parameters.rate] * sum_of_parts(i, size); }
}

@compute @workgroup_size(WORKGROUP)
fn step_parts_adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let size = TABLES * parameters.rows * parameters.result4;
    let i = item(group, groups, lane);
    if i < size { adagrad_at(i, sum_of_parts(i, size), scalars[parameters.rate]); }
}
