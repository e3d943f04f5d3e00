// A gather and a factor in one, and a factor's backward pass with the step of the rows, where all tables lie in one shard. The
// factors of all tables lie in one matrix W (F·inputs, outputs), table t's block in rows t·inputs..(t+1)·inputs; the unique rows
// are sorted by table, table t's are table_start[t]..table_start[t+1].
//
//   forward     x[u] (inputs) = W1[unique_rows[u]]; y[u] (outputs) = x[u]·W[table(u)]; and a copy of W
//   backward_…  W1[unique_rows[u]] steps along grad_x[u] (inputs) = grad_y[u] (outputs)·W[table(u)]ᵀ, which is never stored
//   both_sgd    the same, and in the same dispatch W along grad_W[t] = Σ_{u of t} x[u]ᵀ·grad_y[u]: each takes the other as it was
//               in the forward pass, x and the copy of W
//
// … is sgd or adagrad (common/step.wgsl), with η = scalars[rate] and Adagrad's sums in `squares`, laid out as W1.
//
// A workgroup takes one block of rows of one table (common/tables.wgsl); both_sgd's behind `row_blocks` a block of rows of W.
// Twin: src/kernels/embedding.rs.

struct Parameters {
    block: u32, // rows of W a table: inputs
    cols: u32, // of the result
    inner: u32, // length of the sums
    left4: u32, // distances between rows, in vec4s
    right4: u32,
    result4: u32,
    rate: u32, // which scalar
    row_blocks: u32,
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
@group(0) @binding(8) var<storage, read_write> x: array<vec4f>; // forward writes it …
@group(0) @binding(9) var<storage, read> kept_x: array<vec4f>; // … and both_sgd reads it
@group(0) @binding(10) var<storage, read_write> weight: array<vec4f>; // forward: the copy of W; both_sgd: W

// The product at hand is a gradient of W: left is x, right grad_y, the result W.
var<private> of_weight: bool = false;

// Where W1's row of the unique row u starts, its rows `width4` apart.
fn row_of(u: u32, width4: u32) -> u32 {
    return unique_rows[u] * width4;
}

fn left_row(p: Product, row: u32) -> u32 {
    if FORWARD { return row_of(p.left + row, p.left4); }
    return (p.left + row) * p.left4;
}

fn left_at(i: u32) -> vec4f {
    if of_weight { return kept_x[i]; }
    return left[i];
}

fn right_at(i: u32) -> vec4f {
    if of_weight { return left[i]; }
    return right[i];
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

// The gradient of block `n` of the tables' blocks of W.
fn weight_of_one_table(n: u32) -> Product {
    let q = parameters;
    let blocks = (q.block + GROUP_ROWS - 1u) / GROUP_ROWS;
    let t = min(n / blocks, TABLES - 1u);
    let start = table_start[t];
    let rows = select(0u, q.block, n / blocks < TABLES);
    let inner = select(0u, table_start[t + 1u] - start, rows > 0u);
    return Product(rows, q.inner, inner, start, start * q.left4, t * q.block * q.right4, q.result4, q.left4, q.right4);
}

fn step_weight(n: u32, group: vec3u, lane: u32) {
    of_weight = true;
    let blocks = (parameters.block + GROUP_ROWS - 1u) / GROUP_ROWS;
    let p = weight_of_one_table(n);
    let block = product_left_transposed(p, group, n % blocks, lane);
    for (var r = 0u; r < BLOCK_ROWS; r++) {
        for (var c = 0u; c < BLOCK_COLS4; c++) {
            if block.x + r >= p.rows || block.y + c >= p.result4 { continue; }
            let at = p.result + (block.x + r) * p.result4 + block.y + c;
            weight[at] -= scalars[parameters.rate] * gradient(p, block, r, c);
        }
    }
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = group.z * groups.y + group.y;
    let p = whole(n);
    store(p, product_plain(p, group, 0u, lane));
    if group.x != 0u { return; }
    for (var i = lane; i < p.rows * p.left4; i += LANES) {
        x[p.left * p.left4 + i] = left[left_row(p, i / p.left4) + i % p.left4];
    }
    let all = TABLES * parameters.block * p.right4;
    for (var i = n * LANES + lane; i < all; i += groups.y * groups.z * LANES) { weight[i] = right[i]; }
}

fn step_rows(n: u32, group: vec3u, lane: u32) {
    let p = whole(n);
    step_sgd(p, product_right_transposed(p, group, 0u, lane), scalars[parameters.rate]);
}

@compute @workgroup_size(LANES)
fn backward_sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    step_rows(group.z * groups.y + group.y, group, lane);
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

@compute @workgroup_size(LANES)
fn both_sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = group.z * groups.y + group.y;
    if n >= parameters.row_blocks {
        step_weight(n - parameters.row_blocks, group, lane);
    } else {
        step_rows(n, group, lane);
    }
}
