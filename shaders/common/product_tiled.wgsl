
// ---- common/product_tiled.wgsl ---------------------------------------------------------------------------------------
// Matrix products for GPUs: a workgroup of 256 computes 64 × 64 numbers, an invocation 4 × 4, in steps of 32 along the
// sum. Both tiles lie in workgroup memory with the sum's index first, 16 KiB together; every invocation brings one 4 × 4
// block of one of them, transposed on the way where the sum runs along the rows.
//
// The same functions as common/product_rows.wgsl. Sums run over k in ascending order.

const BLOCK_ROWS: u32 = 4u;
const BLOCK_COLS4: u32 = 1u;
const DEPTH: u32 = 32u;
override LANES: u32 = 256u;

var<private> sums: array<vec4f, 4>;
var<workgroup> left_tile: array<vec4f, 512>; // [k][row / 4], 32 × 16
var<workgroup> right_tile: array<vec4f, 512>; // [k][column / 4], 32 × 16

// Block `n` of 128 of a tile: (block along the sum, block across it), neighbours next to each other in memory.
fn block_of(n: u32, along_sum: bool) -> vec2u {
    if along_sum { return vec2u(n % 8u, n / 8u); }
    return vec2u(n / 16u, n % 16u);
}

// Brings block n of the left tile; the sum runs along the rows unless `transposed`.
fn bring_left(p: Product, row_block: u32, k: u32, n: u32, transposed: bool) {
    let at = block_of(n, !transposed);
    var first = row_block * 64u + at.y * 4u;
    var col4 = k / 4u + at.x;
    var limit = vec2u(p.rows, (p.inner + 3u) / 4u);
    if transposed {
        first = k + at.x * 4u;
        col4 = row_block * 16u + at.y;
        limit = vec2u(p.inner, p.left4);
    }
    var block: mat4x4f;
    for (var i = 0u; i < 4u; i++) {
        if first + i < limit.x && col4 < limit.y { block[i] = left[p.left + (first + i) * p.left4 + col4]; }
    }
    if !transposed { block = transpose(block); }
    for (var i = 0u; i < 4u; i++) { left_tile[(at.x * 4u + i) * 16u + at.y] = block[i]; }
}

// Brings block n of the right tile; the sum runs across the rows unless `transposed`.
fn bring_right(p: Product, col_block: u32, k: u32, n: u32, transposed: bool) {
    let at = block_of(n, transposed);
    var first = k + at.x * 4u;
    var col4 = col_block * 16u + at.y;
    var limit = vec2u(p.inner, p.result4);
    if transposed {
        first = col_block * 64u + at.y * 4u;
        col4 = k / 4u + at.x;
        limit = vec2u(p.cols, (p.inner + 3u) / 4u);
    }
    var block: mat4x4f;
    for (var i = 0u; i < 4u; i++) {
        if first + i < limit.x && col4 < limit.y { block[i] = right[p.right + (first + i) * p.right4 + col4]; }
    }
    if transposed { block = transpose(block); }
    for (var i = 0u; i < 4u; i++) { right_tile[(at.x * 4u + i) * 16u + at.y] = block[i]; }
}

// Adds what row `k` of both tiles contributes to an invocation's 4 × 4 numbers.
fn add_products(k: u32, y: u32, x: u32) {
    let a = left_tile[k + y];
    let b = right_tile[k + x];
    sums[0] += a.x * b;
    sums[1] += a.y * b;
    sums[2] += a.z * b;
    sums[3] += a.w * b;
}

fn multiply(p: Product, group: vec3u, row_block: u32, lane: u32, left_transposed: bool, right_transposed: bool) -> vec2u {
    let y = lane / 16u;
    let x = lane % 16u;
    sums = array<vec4f, 4>();
    for (var k = 0u; k < p.inner; k += DEPTH) {
        if lane < 128u {
            bring_left(p, row_block, k, lane, left_transposed);
        } else {
            bring_right(p, group.x, k, lane - 128u, right_transposed);
        }
        workgroupBarrier();
        // Four at a time: naga counts every round of a loop, so that none runs for ever.
        for (var i = 0u; i < DEPTH; i += 4u) {
            add_products((i + 0u) * 16u, y, x);
            add_products((i + 1u) * 16u, y, x);
            add_products((i + 2u) * 16u, y, x);
            add_products((i + 3u) * 16u, y, x);
        }
        workgroupBarrier();
    }
    return vec2u(row_block * 64u + y * 4u, group.x * 16u + x);
}

// left·right: left (rows, inner), right (inner, cols).
fn product_plain(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    return multiply(p, group, row_block, lane, false, false);
}

// left·rightᵀ: left (rows, inner), right (cols, inner).
fn product_right_transposed(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    return multiply(p, group, row_block, lane, false, true);
}

// leftᵀ·right: left (inner, rows), right (inner, cols).
fn product_left_transposed(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    return multiply(p, group, row_block, lane, true, false);
}
