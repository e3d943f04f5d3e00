// A fully connected layer, w (out, in) as in PyTorch (Naumov et al. 2019, section 2.1).
//
//   forward              y (B, out) = act(x (B, in)·wᵀ + b (out)), act = max(0, ·) if RELU
//   backward_activation  grad_y (B, out) ⊙= [y > 0], in place                       one vec4 an invocation
//   backward_input       grad_x (B, in) = grad_y (B, out)·w
//   backward_weight      grad_w (out, in) = grad_yᵀ·x
//   backward_bias        grad_b (out) = Σ_b grad_y[b]                               8 × 4 columns a workgroup of 256
//
// A product's workgroup computes rows of block `group.y` and columns of block `group.x` (common/product_*.wgsl).
// Twin: src/kernels/linear.rs.

struct Parameters {
    rows: u32, // of the result
    cols: u32,
    inner: u32, // length of the sums
    left4: u32, // distances between rows, in vec4s
    right4: u32,
    result4: u32,
    count: u32, // vec4s of backward_activation
}

override RELU: bool = false;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;

fn whole() -> Product {
    let p = parameters;
    return Product(p.rows, p.cols, p.inner, 0u, 0u, 0u, p.left4, p.right4, p.result4);
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole();
    let block = product_right_transposed(p, group, group.z * groups.y + group.y, lane);
    for (var c = 0u; c < BLOCK_COLS4; c++) {
        let b = bias[min(block.y + c, p.result4 - 1u)];
        for (var r = 0u; r < BLOCK_ROWS; r++) {
            let y = sums[r * BLOCK_COLS4 + c] + b;
            sums[r * BLOCK_COLS4 + c] = select(y, max(y, vec4f()), RELU);
        }
    }
    store(p, block);
}

@compute @workgroup_size(LANES)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole();
    store(p, product_plain(p, group, group.z * groups.y + group.y, lane));
}

@compute @workgroup_size(LANES)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole();
    store(p, product_left_transposed(p, group, group.z * groups.y + group.y, lane));
}

// left = y, result = grad_y.
@compute @workgroup_size(WORKGROUP)
fn backward_activation(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = item(group, groups, lane);
    if i < parameters.count { result[i] = select(result[i], vec4f(), left[i] <= vec4f()); }
}

var<workgroup> partial: array<vec4f, 256>;

// left = grad_y, result = grad_b: 32 strips of the batch beside each other, added pairwise.
@compute @workgroup_size(256)
fn backward_bias(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let col4 = group.x * 8u + lane % 8u;
    var sum = vec4f();
    if col4 < parameters.left4 {
        for (var b = lane / 8u; b < parameters.inner; b += 32u) { sum += left[b * parameters.left4 + col4]; }
    }
    partial[lane] = sum;
    workgroupBarrier();
    for (var half = 128u; half >= 8u; half /= 2u) {
        if lane < half { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    if lane < 8u && col4 < parameters.left4 { result[col4] = partial[lane]; }
}
