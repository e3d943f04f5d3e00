// The step of the touched rows of one shard of the tables, with rate η = scalars[rate]: the unique rows u of the shard,
// shard_start[shard]..shard_start[shard+1], each written once.
//
//   sgd              p −= η·g[u]
//   adagrad          s += g²; p −= η·g / (√s + ε), element by element        (Duchi et al. 2011, as in PyTorch)
//   rowwise_adagrad  s += mean(g²) of the row; p −= η·g / (√s + ε)           (FBGEMM's EXACT_ROWWISE_ADAGRAD)
//
// table (rows, width), g (capacity, width), s (rows, width), or (rows, 1) four numbers apart. sgd and adagrad: PARTS
// invocations share a row; rowwise_adagrad: one a row, since its step needs the whole row's gradient; several rows a grid apart
// where it is small.
// Twin: src/kernels/update_rows.rs.

struct Parameters {
    shard: u32,
    first_row: u32, // global number of the shard's first row
    cols: u32, // numbers of a row, without padding
    rate: u32, // which scalar
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> table: array<vec4f>;
@group(0) @binding(2) var<storage, read> unique_rows: array<u32>;
@group(0) @binding(3) var<storage, read> shard_start: array<u32>;
@group(0) @binding(4) var<storage, read> grad: array<vec4f>;
@group(0) @binding(5) var<storage, read> scalars: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let rows = unique();
    let rate = scalars[parameters.rate];
    for (var i = item(group, groups, lane); i < rows.y * PARTS; i += all_items(groups)) {
        let at = part(i, rows.x);
        for (var col4 = 0u; col4 < PART4; col4++) { table[at.x + col4] -= rate * grad[at.y + col4]; }
    }
}

@compute @workgroup_size(WORKGROUP)
fn adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let rows = unique();
    let rate = scalars[parameters.rate];
    for (var i = item(group, groups, lane); i < rows.y * PARTS; i += all_items(groups)) {
        let at = part(i, rows.x);
        for (var col4 = 0u; col4 < PART4; col4++) {
            let g = grad[at.y + col4];
            let s = squares[at.x + col4] + g * g;
            squares[at.x + col4] = s;
            table[at.x + col4] -= adagrad_step(g, s, rate);
        }
    }
}

// What a row's gradient adds to the sum of its squares.
fn mean_of_squares(start: u32) -> f32 {
    var sum = vec4f();
    for (var col4 = 0u; col4 < WIDTH4; col4++) { sum += grad[start + col4] * grad[start + col4]; }
    return ((sum.x + sum.y) + (sum.z + sum.w)) / f32(parameters.cols);
}

@compute @workgroup_size(WORKGROUP)
fn rowwise_adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let rows = unique();
    for (var i = item(group, groups, lane); i < rows.y; i += all_items(groups)) {
        let start = (rows.x + i) * WIDTH4;
        let row = unique_rows[rows.x + i] - parameters.first_row;
        let s = squares[row].x + mean_of_squares(start);
        squares[row] = vec4f(s, 0.0, 0.0, 0.0);
        let rate = scalars[parameters.rate] / (sqrt(s) + EPSILON);
        for (var col4 = 0u; col4 < WIDTH4; col4++) { table[row * WIDTH4 + col4] -= rate * grad[start + col4]; }
    }
}
