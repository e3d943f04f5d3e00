// The Gram matrix of a table's rows times a small matrix: G (m, m) = PᵀP, P (n, m) = A·X, A (n, k), X (k, m); or of A itself.
// The rows come in chunks that fit the scratch buffers, a chunk in blocks of `block` rows:
//
//   project  P[p] = A[first + p]·X for the rows of the chunk; left = A, right = X, result = P
//   partial  one Gram matrix a block, from P or from A: left = right = the rows, result = a (m, m) a block
//   squares  Σ a² of a block, by column mod 4: left = A, result = one vec4 a block; 64 lanes, then pairwise
//   add      the blocks' matrices, or their vec4s: left = the blocks', result = G, or Σ a²; one vec4 of it a workgroup:
//            lane l takes the blocks l, l+64, …, then the lanes' sums are added pairwise; onto result where `onto` is set
//
// A sum over the rows is thus one of `block` terms in f32, and then of few: nothing is compensated, since a compiler may
// take (a + b) − a for b.
// Twin: src/kernels/gram.rs.

struct Parameters {
    first: u32, // row of left that the chunk starts at
    rows: u32, // of the chunk
    inner: u32, // k
    cols: u32, // m
    left4: u32, // distances between rows, in vec4s
    right4: u32,
    result4: u32,
    right: u32, // where X starts, in vec4s
    result: u32, // where G starts, in vec4s
    block: u32, // rows a block
    tile: u32, // rows of a result that a workgroup computes
    length: u32, // vec4s that a block leaves (add)
    onto: u32, // 1: add to what is there (add)
}

const LEFT_SUMS = false;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> left: array<vec4f>;
@group(0) @binding(2) var<storage, read> right: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;

@compute @workgroup_size(LANES)
fn project(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let q = parameters;
    let p = Product(q.rows, q.cols, q.inner, q.first * q.left4, q.right, 0u, q.left4, q.right4, q.result4);
    store(p, product_plain(p, group, group.z * groups.y + group.y, lane));
}

@compute @workgroup_size(LANES)
fn partial(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let q = parameters;
    let n = group.z * groups.y + group.y;
    let tiles = (q.cols + q.tile - 1u) / q.tile;
    let start = (n / tiles) * q.block;
    if start >= q.rows { return; }
    let at = (q.first + start) * q.left4;
    let p = Product(
        q.cols, q.cols, min(q.block, q.rows - start), at, at, (n / tiles) * q.cols * q.result4,
        q.left4, q.left4, q.result4,
    );
    store(p, product_left_transposed(p, group, n % tiles, lane));
}

const STRIPS: u32 = 64u;

var<workgroup> strips: array<vec4f, STRIPS>;

// The lanes' numbers added pairwise; lane 0 has the sum.
fn pairwise(lane: u32, own: vec4f) -> vec4f {
    strips[lane] = own;
    workgroupBarrier();
    for (var half = STRIPS / 2u; half > 0u; half /= 2u) {
        if lane < half { strips[lane] += strips[lane + half]; }
        workgroupBarrier();
    }
    return strips[0];
}

@compute @workgroup_size(STRIPS)
fn squares(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let q = parameters;
    let n = group.y * groups.x + group.x;
    let start = n * q.block;
    if start >= q.rows { return; }
    let at = (q.first + start) * q.left4;
    var sum = vec4f();
    for (var i = lane; i < min(q.block, q.rows - start) * q.left4; i += STRIPS) { sum += left[at + i] * left[at + i]; }
    sum = pairwise(lane, sum);
    if lane == 0u { result[n] = sum; }
}

@compute @workgroup_size(STRIPS)
fn add(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let q = parameters;
    let n = group.y * groups.x + group.x;
    if n >= q.length { return; }
    let blocks = (q.rows + q.block - 1u) / q.block;
    var sum = vec4f();
    for (var b = lane; b < blocks; b += STRIPS) { sum += left[b * q.length + n]; }
    sum = pairwise(lane, sum);
    if lane == 0u { result[q.result + n] = select(vec4f(), result[q.result + n], q.onto == 1u) + sum; }
}

