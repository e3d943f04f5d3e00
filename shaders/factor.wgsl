// One further factor of every table's product, once a unique row (Ghaemmaghami et al. 2020, Eq. 2). The factors of all
// tables lie in one matrix W (F·inputs, outputs), table t's block in rows t·inputs..(t+1)·inputs; the unique rows are
// sorted by table, table t's are table_start[t]..table_start[t+1].
//
//   forward            y[u] (outputs) = x[u] (inputs)·W[table(u)]
//   backward_input     grad_x[u] (inputs) = grad_y[u] (outputs)·W[table(u)]ᵀ
//   backward_weight_…  W steps along grad_W[t] (inputs, outputs) = Σ_{u of t} x[u]ᵀ·grad_y[u], which is never stored
//   gradient_part      where tables may have many unique rows: grad_W of `length` of each table's, part behind part, into `result`
//                      (common/factor_parts.wgsl)
//   step_parts_…       W steps along the sums of the parts, which `left` has
//
// … is sgd or adagrad (common/step.wgsl), with η = scalars[rate] and Adagrad's sums in `squares`.
//
// The first two: a workgroup takes one block of rows of one table (common/tables.wgsl); blocks past the last table's have nothing
// to do. backward_weight and gradient_part: block `group.y` counts through the tables' blocks of W, part after part.
// Twin: src/kernels/factor.rs.

struct Parameters {
    block: u32, // rows of W a table: inputs
    rows: u32, // of the result a table (backward_weight)
    cols: u32, // of the result
    inner: u32, // length of the sums (but for backward_weight)
    left4: u32, // distances between rows, in vec4s
    right4: u32,
    result4: u32,
    rate: u32, // which scalar
    parts: u32, // of the sums, and the terms of each
    length: u32,
}

const LEFT_SUMS = false;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read> table_start: array<u32>;
@group(0) @binding(5) var<storage, read> scalars: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<vec4f>;

// Block `n` of the tables' blocks of rows times the table's factor.
fn rows_times_factor(n: u32) -> Product {
    let p = parameters;
    let piece = rows_of_one_table(n);
    let inner = select(0u, p.inner, piece.rows > 0u);
    return Product(
        piece.rows, p.cols, inner, piece.first * p.left4, piece.table * p.block * p.right4, piece.first * p.result4,
        p.left4, p.right4, p.result4,
    );
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = rows_times_factor(group.z * groups.y + group.y);
    store(p, product_plain(p, group, 0u, lane));
}

@compute @workgroup_size(LANES)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = rows_times_factor(group.z * groups.y + group.y);
    store(p, product_right_transposed(p, group, 0u, lane));
}

// Block `n` of the tables' blocks of W: which rows of x and grad_y, and the block's number within its table. `rows` is
// zero past the last table.
struct Weight {
    product: Product,
    block: u32,
}

fn weight_of_one_table(n: u32) -> Weight {
    let q = parameters;
    let blocks = (q.rows + GROUP_ROWS - 1u) / GROUP_ROWS;
    let part = n / (blocks * TABLES);
    let t = n / blocks % TABLES;
    let is_one = part < q.parts;
    let piece = part_of(part, table_start[t + 1u] - table_start[t]);
    let start = table_start[t] + piece.x;
    let p = Product(
        select(0u, q.rows, is_one), q.cols, select(0u, piece.y, is_one), start * q.left4, start * q.right4,
        (part * TABLES + t) * q.rows * q.result4, q.left4, q.right4, q.result4,
    );
    return Weight(p, n % blocks);
}

@compute @workgroup_size(LANES)
fn backward_weight_sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let w = weight_of_one_table(group.z * groups.y + group.y);
    step_sgd(w.product, product_left_transposed(w.product, group, w.block, lane), scalars[parameters.rate]);
}

@compute @workgroup_size(LANES)
fn backward_weight_adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let w = weight_of_one_table(group.z * groups.y + group.y);
    step_adagrad(w.product, product_left_transposed(w.product, group, w.block, lane), scalars[parameters.rate]);
}
