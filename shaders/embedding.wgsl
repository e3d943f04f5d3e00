// A gather and a factor in one, and a factor's backward pass with the step of the rows, where all tables lie in one shard. The
// factors of all tables lie in one matrix W (F·inputs, outputs), table t's block in rows t·inputs..(t+1)·inputs; the unique rows
// are sorted by table, table t's are table_start[t]..table_start[t+1].
//
//   forward     x[u] (inputs) = W1[unique_rows[u]]; y[u] (outputs) = x[u]·W[table(u)]
//   backward_…  W1[unique_rows[u]] steps along grad_x[u] (inputs) = grad_y[u] (outputs)·W[table(u)]ᵀ, which is never stored
//
// … is sgd or adagrad (common/step.wgsl), with η = scalars[rate] and Adagrad's sums in `squares`, laid out as W1. The step of W
// itself is factor.wgsl's: it takes x as it was.
//
// A workgroup takes one block of rows of one table (common/tables.wgsl).
// Twin: src/kernels/embedding.rs.

struct Parameters {
    block: u32, // rows of W a table: inputs
    cols: u32, // of the result
    inner: u32, // length of the sums
    left4: u32, // distances between rows, in vec4s
    right4: u32,
    result4: u32,
    rate: u32, // which scalar
}

// The rows that `left` (forward) or `result` (backward) has are W1's, in the order of unique_rows.
override FORWARD: bool = false;

const LEFT_SUMS = false;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read> table_start: array<u32>;
@group(0) @binding(5) var<storage, read> unique_rows: array<u32>;
@group(0) @binding(6) var<storage, read> scalars: array<f32>;
@group(0) @binding(7) var<storage, read_write> squares: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> x: array<vec4f>;

// Where W1's row of the unique row u starts, its rows `width4` apart.
fn row_of(u: u32, width4: u32) -> u32 {
    return unique_rows[u] * width4;
}

fn left_row(p: Product, row: u32) -> u32 {
    if FORWARD { return row_of(p.left + row, p.left4); }
    return (p.left + row) * p.left4;
}

fn result_row(p: Product, row: u32) -> u32 {
    if FORWARD { return (p.result + row) * p.result4; }
    return row_of(p.result + row, p.result4);
}

// The product of a block of rows; left and result start at a unique row.
fn whole(n: u32) -> Product {
    let p = parameters;
    let piece = rows_of_one_table(n);
    let inner = select(0u, p.inner, piece.rows > 0u);
    return Product(
        piece.rows, p.cols, inner, piece.first, piece.table * p.block * p.right4, piece.first,
        p.left4, p.right4, p.result4,
    );
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole(group.z * groups.y + group.y);
    store(p, product_plain(p, group, 0u, lane));
    if group.x != 0u { return; }
    for (var i = lane; i < p.rows * p.left4; i += LANES) {
        x[p.left * p.left4 + i] = left[left_row(p, i / p.left4) + i % p.left4];
    }
}

@compute @workgroup_size(LANES)
fn backward_sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole(group.z * groups.y + group.y);
    step_sgd(p, product_right_transposed(p, group, 0u, lane), scalars[parameters.rate]);
}

@compute @workgroup_size(LANES)
fn backward_adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = whole(group.z * groups.y + group.y);
    step_adagrad(p, product_right_transposed(p, group, 0u, lane), scalars[parameters.rate]);
}
