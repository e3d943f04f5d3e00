
// ---- common/product_tiled.wgsl ---------------------------------------------------------------------------------------
// Matrix products for GPUs: a workgroup of 256 computes 64 × 64 numbers (SIDE4 = 16), or one of 64 computes 32 × 32 (8) where
// the larger ones would be too few or too wide; an invocation 4 × 4, in steps of 32 along the sum. Both tiles lie in workgroup
// memory with the sum's index first, 16 KiB together at most; 4 × 4 blocks of them are brought by the invocations in turn,
// transposed on the way where the sum runs along the rows.
//
// The same functions as common/product_rows.wgsl and common/product_lanes.wgsl. Sums run over k in ascending order, so the
// size of a tile does not change a bit of them.

const BLOCK_ROWS: u32 = 4u;
const BLOCK_COLS4: u32 = 1u;
const DEPTH: u32 = 32u;
override SIDE4: u32 = 16u; // of a tile across the sum, in vec4s: 16 or 8
override LANES: u32 = SIDE4 * SIDE4;
override GROUP_ROWS: u32 = 4u * SIDE4; // of a workgroup

var<private> sums: array<vec4f, 4>;
var<private> left_sum: vec4f; // of every SIDE4th row of the left tiles
var<workgroup> left_tile: array<vec4f, DEPTH * SIDE4>; // [k][row / 4]
var<workgroup> right_tile: array<vec4f, DEPTH * SIDE4>; // [k][column / 4]

// Block `n` of a tile's 8 · SIDE4: (block along the sum, block across it), neighbours next to each other in memory.
fn block_of(n: u32, along_sum: bool) -> vec2u {
    if along_sum { return vec2u(n % 8u, n / 8u); }
    return vec2u(n / SIDE4, n % SIDE4);
}

// Brings block n of the left tile; the sum runs along the rows unless `transposed`.
fn bring_left(p: Product, row_block: u32, k: u32, n: u32, transposed: bool) {
    let at = block_of(n, !transposed);
    var first = (row_block * SIDE4 + at.y) * 4u;
    var col4 = k / 4u + at.x;
    var limit = vec2u(p.rows, (p.inner + 3u) / 4u);
    if transposed {
        first = k + at.x * 4u;
        col4 = row_block * SIDE4 + at.y;
        limit = vec2u(p.inner, p.left4);
    }
    var block: mat4x4f;
    for (var i = 0u; i < 4u; i++) {
        if first + i < limit.x && col4 < limit.y { block[i] = left[p.left + (first + i) * p.left4 + col4]; }
    }
    if !transposed { block = transpose(block); }
    for (var i = 0u; i < 4u; i++) { left_tile[(at.x * 4u + i) * SIDE4 + at.y] = block[i]; }
}

// Brings block n of the right tile; the sum runs across the rows unless `transposed`.
fn bring_right(p: Product, col_block: u32, k: u32, n: u32, transposed: bool) {
    let at = block_of(n, transposed);
    var first = k + at.x * 4u;
    var col4 = col_block * SIDE4 + at.y;
    var limit = vec2u(p.inner, p.result4);
    if transposed {
        first = (col_block * SIDE4 + at.y) * 4u;
        col4 = k / 4u + at.x;
        limit = vec2u(p.cols, (p.inner + 3u) / 4u);
    }
    var block: mat4x4f;
    for (var i = 0u; i < 4u; i++) {
        if first + i < limit.x && col4 < limit.y { block[i] = right[p.right + (first + i) * p.right4 + col4]; }
    }
    if transposed { block = transpose(block); }
    for (var i = 0u; i < 4u; i++) { right_tile[(at.x * 4u + i) * SIDE4 + at.y] = block[i]; }
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
    let y = lane / SIDE4;
    let x = lane % SIDE4;
    sums = array<vec4f, 4>();
    left_sum = vec4f();
    for (var k = 0u; k < p.inner; k += DEPTH) {
        for (var n = lane; n < 16u * SIDE4; n += LANES) {
            if n < 8u * SIDE4 {
                bring_left(p, row_block, k, n, left_transposed);
            } else {
                bring_right(p, group.x, k, n - 8u * SIDE4, right_transposed);
            }
        }
        workgroupBarrier();
        if LEFT_SUMS && left_transposed {
            for (var i = x; i < DEPTH; i += SIDE4) { left_sum += left_tile[i * SIDE4 + y]; }
        }
        // Four at a time: naga counts every round of a loop, so that none runs for ever.
        for (var i = 0u; i < DEPTH; i += 4u) {
            add_products((i + 0u) * SIDE4, y, x);
            add_products((i + 1u) * SIDE4, y, x);
            add_products((i + 2u) * SIDE4, y, x);
            add_products((i + 3u) * SIDE4, y, x);
        }
        workgroupBarrier();
    }
    return vec2u((row_block * SIDE4 + y) * 4u, group.x * SIDE4 + x);
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

// See common/product.wgsl. The right tile is free after the product.
fn left_sums(row_block: u32, lane: u32) -> LeftSums {
    right_tile[lane] = left_sum;
    workgroupBarrier();
    if lane >= SIDE4 { return LeftSums(0xffffffffu, vec4f()); }
    var all = vec4f();
    for (var x = 0u; x < SIDE4; x++) { all += right_tile[lane * SIDE4 + x]; }
    return LeftSums(row_block * SIDE4 + lane, all);
}
