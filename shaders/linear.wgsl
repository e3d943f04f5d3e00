// A fully connected layer, w (out, in) as in PyTorch (Naumov et al. 2019, section 2.1).
//
//   forward              y (B, out) = act(x (B, in)·wᵀ + b (out)), act = max(0, ·) if RELU
//   backward_input       grad_x (B, in) = grad_y (B, out)·w, ⊙ [x > 0] where x is the output of a ReLU (GATED)
//   backward_weight_…    w (out, in) steps along grad_w = grad_yᵀ·x, which is never stored
//   backward_bias_…      b (out) steps along grad_b = Σ_b grad_y[b]                 8 × 4 columns a workgroup
//
// … is sgd or adagrad (common/step.wgsl), with η = scalars[rate] and Adagrad's sums in `squares`.
// A product's workgroup computes rows of block `group.y` and columns of block `group.x` (common/product_*.wgsl).
// Twin: src/kernels/linear.rs.

struct Parameters {
    rows: u32, // of the result
    cols: u32,
    inner: u32, // length of the sums
    left4: u32, // distances between rows, in vec4s
    right4: u32,
    result4: u32,
    rate: u32, // which scalar
}

override RELU: bool = false;
override GATED: bool = false;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> gate: array<vec4f>;
@group(0) @binding(6) var<storage, read> scalars: array<f32>;
@group(0) @binding(7) var<storage, read_write> squares: array<vec4f>;

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
    let block = product_plain(p, group, group.z * groups.y + group.y, lane);
    if GATED {
        for (var r = 0u; r < BLOCK_ROWS; r++) {
            for (var c = 0u; c < BLOCK_COLS4; c++) {
                let at = min(block.x + r, p.rows - 1u) * p.result4 + min(block.y + c, p.result4 - 1u);
                let i = r * BLOCK_COLS4 + c;
                sums[i] = select(sums[i], vec4f(), gate[at] <= vec4f());
            }
        }
    }
    store(p, block);
}

@compute @workgroup_size(LANES)
fn backward_weight_sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole();
    let block = product_left_transposed(p, group, group.z * groups.y + group.y, lane);
    step_sgd(p, block, scalars[parameters.rate]);
}

@compute @workgroup_size(LANES)
fn backward_weight_adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole();
    let block = product_left_transposed(p, group, group.z * groups.y + group.y, lane);
    step_adagrad(p, block, scalars[parameters.rate]);
}

override STRIPS: u32 = 32u; // a power of two; 1 on CPU drivers, where a barrier costs more than the sum

var<workgroup> partial: array<vec4f, 8u * STRIPS>;

// left = grad_y: STRIPS strips of the batch beside each other, added pairwise. Lanes 0 to 7 have the sums.
fn column_sums(group: vec3u, lane: u32) -> vec4f {
    let col4 = group.x * 8u + lane % 8u;
    var sum = vec4f();
    if col4 < parameters.left4 {
        for (var b = lane / 8u; b < parameters.inner; b += STRIPS) { sum += left[b * parameters.left4 + col4]; }
    }
    if STRIPS == 1u { return sum; }
    partial[lane] = sum;
    workgroupBarrier();
    for (var half = 4u * STRIPS; half >= 8u; half /= 2u) {
        if lane < half { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    return partial[lane];
}

// result = b.
@compute @workgroup_size(8u * STRIPS)
fn backward_bias_sgd(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let g = column_sums(group, lane);
    let col4 = group.x * 8u + lane;
    if lane < 8u && col4 < parameters.left4 { result[col4] -= scalars[parameters.rate] * g; }
}

@compute @workgroup_size(8u * STRIPS)
fn backward_bias_adagrad(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let g = column_sums(group, lane);
    let col4 = group.x * 8u + lane;
    if lane >= 8u || col4 >= parameters.left4 { return; }
    let s = squares[col4] + g * g;
    squares[col4] = s;
    result[col4] -= adagrad_step(g, s, scalars[parameters.rate]);
}
