
// ---- common/product_rows.wgsl ----------------------------------------------------------------------------------------
// Matrix products for CPU drivers: no workgroup memory. An invocation computes 16 rows × 8 columns, its workgroup the
// same rows, so that the left matrix is read once a workgroup and the right one once a lane. Everything is written out,
// nothing is indexed by a loop: then the sums stay in registers.
//
// The same functions as common/product_tiled.wgsl. Sums run over k in ascending order.

const BLOCK_ROWS: u32 = 16u;
const BLOCK_COLS4: u32 = 2u;
const GROUP_ROWS: u32 = BLOCK_ROWS; // of a workgroup
override LANES: u32 = 8u;

var<private> sums: array<vec4f, 32>;
var<private> left_sum: vec4f; // the first four lanes'

fn place(group: vec3u, row_block: u32, lane: u32) -> vec2u {
    sums = array<vec4f, 32>();
    left_sum = vec4f();
    return vec2u(row_block * BLOCK_ROWS, (group.x * LANES + lane) * BLOCK_COLS4);
}

// One term of every sum of four rows: `a` a number of each row, `b` and `c` eight columns; `at` is a constant.
fn add_four(at: u32, a: vec4f, b: vec4f, c: vec4f) {
    sums[at] += a.x * b;
    sums[at + 1u] += a.x * c;
    sums[at + 2u] += a.y * b;
    sums[at + 3u] += a.y * c;
    sums[at + 4u] += a.z * b;
    sums[at + 5u] += a.z * c;
    sums[at + 6u] += a.w * b;
    sums[at + 7u] += a.w * c;
}

fn add_term(a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f, b: vec4f, c: vec4f) {
    add_four(0u, a0, b, c);
    add_four(8u, a1, b, c);
    add_four(16u, a2, b, c);
    add_four(24u, a3, b, c);
}

// Four terms k..k+3 of the rows `row`..`row`+3 of the left matrix: column i of the result is term k+i. Rows past the
// last one are computed and not stored.
fn left_four(p: Product, row: u32, k4: u32) -> mat4x4f {
    let last = p.rows - 1u;
    let start = p.left + k4;
    return transpose(mat4x4f(
        left[start + min(row, last) * p.left4],
        left[start + min(row + 1u, last) * p.left4],
        left[start + min(row + 2u, last) * p.left4],
        left[start + min(row + 3u, last) * p.left4],
    ));
}

// Four terms of four columns of the result, the rows `col`..`col`+3 of a right matrix that is used transposed.
fn right_four(p: Product, col: u32, k4: u32) -> mat4x4f {
    let last = p.cols - 1u;
    let start = p.right + k4;
    return transpose(mat4x4f(
        right[start + min(col, last) * p.right4],
        right[start + min(col + 1u, last) * p.right4],
        right[start + min(col + 2u, last) * p.right4],
        right[start + min(col + 3u, last) * p.right4],
    ));
}

// left·right: left (rows, inner), right (inner, cols).
fn product_plain(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let at = place(group, row_block, lane);
    if at.x >= p.rows || at.y >= p.result4 { return at; }
    let second = min(at.y + 1u, p.result4 - 1u);
    for (var k = 0u; k < p.inner; k += 4u) {
        let a0 = left_four(p, at.x, k / 4u);
        let a1 = left_four(p, at.x + 4u, k / 4u);
        let a2 = left_four(p, at.x + 8u, k / 4u);
        let a3 = left_four(p, at.x + 12u, k / 4u);
        // Past `inner` the left matrix is zero; the right row is any that exists.
        let rows = vec4u(p.right) + min(vec4u(0u, 1u, 2u, 3u) + k, vec4u(p.inner - 1u)) * p.right4;
        add_term(a0[0], a1[0], a2[0], a3[0], right[rows.x + at.y], right[rows.x + second]);
        add_term(a0[1], a1[1], a2[1], a3[1], right[rows.y + at.y], right[rows.y + second]);
        add_term(a0[2], a1[2], a2[2], a3[2], right[rows.z + at.y], right[rows.z + second]);
        add_term(a0[3], a1[3], a2[3], a3[3], right[rows.w + at.y], right[rows.w + second]);
    }
    return at;
}

// left·rightᵀ: left (rows, inner), right (cols, inner).
fn product_right_transposed(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let at = place(group, row_block, lane);
    if at.x >= p.rows || at.y >= p.result4 { return at; }
    for (var k4 = 0u; k4 < (p.inner + 3u) / 4u; k4++) {
        let a0 = left_four(p, at.x, k4);
        let a1 = left_four(p, at.x + 4u, k4);
        let a2 = left_four(p, at.x + 8u, k4);
        let a3 = left_four(p, at.x + 12u, k4);
        let b = right_four(p, at.y * 4u, k4);
        let c = right_four(p, at.y * 4u + 4u, k4);
        add_term(a0[0], a1[0], a2[0], a3[0], b[0], c[0]);
        add_term(a0[1], a1[1], a2[1], a3[1], b[1], c[1]);
        add_term(a0[2], a1[2], a2[2], a3[2], b[2], c[2]);
        add_term(a0[3], a1[3], a2[3], a3[3], b[3], c[3]);
    }
    return at;
}

// leftᵀ·right: left (inner, rows), right (inner, cols).
fn product_left_transposed(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let at = place(group, row_block, lane);
    if at.x >= p.rows { return at; }
    // A lane past the last column may still have sums of the left matrix.
    let first = min(at.y, p.result4 - 1u);
    let second = min(at.y + 1u, p.result4 - 1u);
    let cols = vec4u(p.left) + min(vec4u(0u, 1u, 2u, 3u) + at.x / 4u, vec4u(p.left4 - 1u));
    for (var k = 0u; k < p.inner; k++) {
        let row = p.right + k * p.right4;
        let a = cols + k * p.left4;
        let a0 = left[a.x];
        let a1 = left[a.y];
        let a2 = left[a.z];
        let a3 = left[a.w];
        add_term(a0, a1, a2, a3, right[row + first], right[row + second]);
        if LEFT_SUMS { left_sum += select(select(a3, a2, lane == 2u), select(a1, a0, lane == 0u), lane < 2u); }
    }
    return at;
}

// See common/product.wgsl.
fn left_sums(row_block: u32, lane: u32) -> LeftSums {
    return LeftSums(select(0xffffffffu, row_block * BLOCK_ROWS / 4u + lane, lane < 4u), left_sum);
}
