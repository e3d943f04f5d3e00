// A fully connected layer, w (out, in) as in PyTorch (Naumov et al. 2019, section 2.1).
//
//   forward              y (B, out) = act(x (B, in)·wᵀ + b (out)), act = max(0, ·) if RELU
//   backward_input       grad_x (B, in) = grad_y (B, out)·w, ⊙ [x > 0] where x is the output of a ReLU (GATED)
//   backward_weight_…    w (out, in) steps along grad_w = grad_yᵀ·x, and b (out) along grad_b = Σ_b grad_y[b], which the
//                        workgroups of the first columns add up; neither is stored
//   gradient_part        where the batch is long: grad_w and grad_b of `length` examples each, part behind part, into `result`
//                        (common/linear_parts.wgsl)
//   step_parts_…         w and b step along the sums of the parts, which `left` has
//
// … is sgd or adagrad (common/step.wgsl), with η = scalars[rate] and Adagrad's sums in `squares` and `bias_squares`.
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
    parts: u32, // of the sums, and the terms of each
    length: u32,
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
@group(0) @binding(8) var<storage, read_write> stepped_bias: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> bias_squares: array<vec4f>;

const LEFT_SUMS = true;

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
    let rate = scalars[parameters.rate];
    let row_block = group.z * groups.y + group.y;
    step_sgd(p, product_left_transposed(p, group, row_block, lane), rate);
    if group.x != 0u { return; }
    let g = left_sums(row_block, lane);
    if g.col4 < p.left4 { stepped_bias[g.col4] -= rate * g.sums; }
}

@compute @workgroup_size(LANES)
fn backward_weight_adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole();
    let rate = scalars[parameters.rate];
    let row_block = group.z * groups.y + group.y;
    step_adagrad(p, product_left_transposed(p, group, row_block, lane), rate);
    if group.x != 0u { return; }
    let g = left_sums(row_block, lane);
    if g.col4 >= p.left4 { return; }
    let s = bias_squares[g.col4] + g.sums * g.sums;
    bias_squares[g.col4] = s;
    stepped_bias[g.col4] -= adagrad_step(g.sums, s, rate);
}
