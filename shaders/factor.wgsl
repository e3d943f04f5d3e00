// One further factor of every table's product, once a unique row (Ghaemmaghami et al. 2020, Eq. 2). The factors of all
// tables lie in one matrix W (F·inputs, outputs), table t's block in rows t·inputs..(t+1)·inputs; the unique rows are
// sorted by table, table t's are table_start[t]..table_start[t+1].
//
//   forward            y[u] (outputs) = x[u] (inputs)·W[table(u)]
//   backward_input     grad_x[u] (inputs) = grad_y[u] (outputs)·W[table(u)]ᵀ
//   backward_weight_…  W steps along grad_W[t] (inputs, outputs) = Σ_{u of t} x[u]ᵀ·grad_y[u], which is never stored
//
// … is sgd or adagrad (common/step.wgsl), with η = scalars[rate] and Adagrad's sums in `squares`.
//
// The first two: a workgroup takes one block of rows of one table, so that its rows share a factor; blocks past the last
// table's have nothing to do. The third: block `group.y` counts through the tables' blocks of W.
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
}

// F, a constant: Mesa unrolls the search up to 32 tables, and each round of one left in a loop takes it 1.5 µs.
override TABLES: u32 = 1u;

const LEFT_SUMS = false;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(4) var<storage, read> table_start: array<u32>;
@group(0) @binding(5) var<storage, read> scalars: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<vec4f>;

// Block `n` of the tables' blocks of rows: which rows times which factor. `rows` is zero past the last. Nothing leaves the
// search early: then it can be unrolled.
fn rows_of_one_table(n: u32) -> Product {
    let p = parameters;
    var before = 0u; // blocks of the tables before t
    var start = table_start[0];
    var found = vec3u(); // table, first row, rows
    for (var t = 0u; t < TABLES; t++) {
        let end = table_start[t + 1u];
        let blocks = (end - start + GROUP_ROWS - 1u) / GROUP_ROWS;
        let first = start + (n - before) * GROUP_ROWS;
        // Where n < before the difference wraps round and is far too large.
        found = select(found, vec3u(t, first, min(GROUP_ROWS, end - first)), n - before < blocks);
        before += blocks;
        start = end;
    }
    return Product(
        found.z, p.cols, select(0u, p.inner, found.z > 0u), found.y * p.left4, found.x * p.block * p.right4, found.y * p.result4,
        p.left4, p.right4, p.result4,
    );
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = rows_of_one_table(group.z * groups.y + group.y);
    store(p, product_plain(p, group, 0u, lane));
}

@compute @workgroup_size(LANES)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = rows_of_one_table(group.z * groups.y + group.y);
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
    let t = min(n / blocks, TABLES - 1u);
    let start = table_start[t];
    let p = Product(
        select(0u, q.rows, n / blocks < TABLES), q.cols, table_start[t + 1u] - start,
        start * q.left4, start * q.right4, t * q.rows * q.result4, q.left4, q.right4, q.result4,
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
