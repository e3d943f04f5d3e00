
// ---- common/product_tiled.wgsl ---------------------------------------------------------------------------------------
// Matrix products for GPUs: a workgroup of 256 computes a tile of 4·R4 rows by C4 vec4s, in steps of 4·D4 terms of the sums. The
// matrices' parts for a step lie in workgroup memory with the term's index first; an invocation brings one block of 4 × 4
// numbers, transposed on the way where the sum runs along the rows, and reads the next step's while this one is computed.
//
// An invocation computes 4 × 4 numbers, or 8 × 8 in tiles of 128 × 128. Where a tile has fewer than 256 such blocks, SLICES
// invocations share one: each takes its part of a step's terms, and the slices are added in their order. So small products
// keep a GPU's multiprocessors busy, which a sum after the other would not.
//
// The same functions as common/product_rows.wgsl and common/product_lanes.wgsl.

override R4: u32 = 16u; // of a tile: rows / 4, columns / 4, and terms of a step / 4: (R4 + C4)·D4 ≤ 256
override C4: u32 = 16u;
override D4: u32 = 8u;
override BLOCK_ROWS: u32 = 4u + 4u * (R4 / 32u); // of an invocation: 4 by one vec4, or 8 by 2
override BLOCK_COLS4: u32 = 1u + C4 / 32u;
const LANES: u32 = 256u;
override GROUP_ROWS: u32 = 4u * R4; // of a workgroup
override ACROSS: u32 = C4 / BLOCK_COLS4; // blocks side by side
override BLOCKS: u32 = ACROSS * GROUP_ROWS / BLOCK_ROWS; // of a tile
override SLICES: u32 = LANES / BLOCKS;
override DEPTH4: u32 = D4 / SLICES; // terms of a step that a slice adds / 4

var<private> sums: array<vec4f, 16>;
var<private> left_sum: vec4f; // of every (256 / R4)th row of the left part
var<workgroup> terms: array<vec4f, 1024>; // [k][row / 4], then [k][column / 4]; after the last step the slices' sums

// Where vec4 `j` of term k's `n` lies. Blocks next to each other along the sum are written at once: so that they meet in no bank
// of the memory, the vec4s of every fourth term change places.
fn place(k: u32, j: u32, n: u32) -> u32 {
    return k * n + (j ^ ((k / 4u * (1u + 4u / D4)) % min(n, 8u)));
}

// Where vec4 j of the right part's term lies. Invocations of two vec4s have every second one: those come first.
fn right_place(k: u32, j: u32) -> u32 {
    let at = select(j, j / 2u + j % 2u * ACROSS, BLOCK_COLS4 == 2u);
    return 4u * D4 * R4 + place(k, at, C4);
}

// Block `n` of a part of `n4` vec4s: (block along the sum, block across it), neighbours next to each other in memory.
fn block_of(n: u32, n4: u32, along_sum: bool) -> vec2u {
    if along_sum { return vec2u(n % D4, n / D4); }
    return vec2u(n / n4, n % n4);
}

fn left_or_zero(p: Product, row: u32, col4: u32, limit: vec2u) -> vec4f {
    if row < limit.x && col4 < limit.y { return left_at(left_row(p, row) + col4); }
    return vec4f();
}

fn right_or_zero(p: Product, row: u32, col4: u32, limit: vec2u) -> vec4f {
    if row < limit.x && col4 < limit.y { return right_at(p.right + row * p.right4 + col4); }
    return vec4f();
}

// Four rows of the left matrix's block `at`, terms first; the sum runs along the rows unless `transposed`.
fn left_block(p: Product, row_block: u32, k: u32, at: vec2u, transposed: bool) -> mat4x4f {
    var first = (row_block * R4 + at.y) * 4u;
    var col4 = k / 4u + at.x;
    var limit = vec2u(p.rows, (p.inner + 3u) / 4u);
    if transposed {
        first = k + at.x * 4u;
        col4 = row_block * R4 + at.y;
        limit = vec2u(p.inner, p.left4);
    }
    let block = mat4x4f(
        left_or_zero(p, first, col4, limit), left_or_zero(p, first + 1u, col4, limit),
        left_or_zero(p, first + 2u, col4, limit), left_or_zero(p, first + 3u, col4, limit),
    );
    if transposed { return block; }
    return transpose(block);
}

// The same of the right matrix; the sum runs across the rows unless `transposed`.
fn right_block(p: Product, col_block: u32, k: u32, at: vec2u, transposed: bool) -> mat4x4f {
    var first = k + at.x * 4u;
    var col4 = col_block * C4 + at.y;
    var limit = vec2u(p.inner, p.result4);
    if transposed {
        first = (col_block * C4 + at.y) * 4u;
        col4 = k / 4u + at.x;
        limit = vec2u(p.cols, (p.inner + 3u) / 4u);
    }
    let block = mat4x4f(
        right_or_zero(p, first, col4, limit), right_or_zero(p, first + 1u, col4, limit),
        right_or_zero(p, first + 2u, col4, limit), right_or_zero(p, first + 3u, col4, limit),
    );
    if transposed { return transpose(block); }
    return block;
}

// What an invocation brings: a block of the left part, of the right one, or none.
struct Errand {
    at: vec2u,
    left: bool,
    right: bool,
}

fn errand(lane: u32, left_transposed: bool, right_transposed: bool) -> Errand {
    if lane < R4 * D4 { return Errand(block_of(lane, R4, !left_transposed), true, false); }
    let n = lane - R4 * D4;
    return Errand(block_of(n, C4, right_transposed), false, n < C4 * D4);
}

fn put(e: Errand, block: mat4x4f) {
    let k = e.at.x * 4u;
    if e.left {
        terms[place(k, e.at.y, R4)] = block[0];
        terms[place(k + 1u, e.at.y, R4)] = block[1];
        terms[place(k + 2u, e.at.y, R4)] = block[2];
        terms[place(k + 3u, e.at.y, R4)] = block[3];
    } else if e.right {
        terms[right_place(k, e.at.y)] = block[0];
        terms[right_place(k + 1u, e.at.y)] = block[1];
        terms[right_place(k + 2u, e.at.y)] = block[2];
        terms[right_place(k + 3u, e.at.y)] = block[3];
    }
}

// Adds what term k contributes to an invocation's block, the y-th from above and the x-th from the left.
fn add_products(k: u32, y: u32, x: u32) {
    if BLOCK_ROWS == 4u {
        let a = terms[place(k, y, R4)];
        let b = terms[right_place(k, x)];
        sums[0] += a.x * b;
        sums[1] += a.y * b;
        sums[2] += a.z * b;
        sums[3] += a.w * b;
        return;
    }
    let a = terms[place(k, 2u * y, R4)];
    let b = terms[right_place(k, 2u * x)];
    let c = terms[right_place(k, 2u * x + 1u)];
    let d = terms[place(k, 2u * y + 1u, R4)];
    sums[0] += a.x * b;
    sums[1] += a.x * c;
    sums[2] += a.y * b;
    sums[3] += a.y * c;
    sums[4] += a.z * b;
    sums[5] += a.z * c;
    sums[6] += a.w * b;
    sums[7] += a.w * c;
    sums[8] += d.x * b;
    sums[9] += d.x * c;
    sums[10] += d.y * b;
    sums[11] += d.y * c;
    sums[12] += d.z * b;
    sums[13] += d.z * c;
    sums[14] += d.w * b;
    sums[15] += d.w * c;
}

// Gives the first slice's invocations the sums of all slices.
fn add_slices(slice: u32, block: u32) {
    if slice > 0u {
        let at = (slice - 1u) * 4u * BLOCKS + block;
        terms[at] = sums[0];
        terms[at + BLOCKS] = sums[1];
        terms[at + 2u * BLOCKS] = sums[2];
        terms[at + 3u * BLOCKS] = sums[3];
    }
    workgroupBarrier();
    if slice > 0u { return; }
    for (var at = block; at < (SLICES - 1u) * 4u * BLOCKS; at += 4u * BLOCKS) {
        sums[0] += terms[at];
        sums[1] += terms[at + BLOCKS];
        sums[2] += terms[at + 2u * BLOCKS];
        sums[3] += terms[at + 3u * BLOCKS];
    }
}

fn multiply(p: Product, group: vec3u, row_block: u32, lane: u32, left_transposed: bool, right_transposed: bool) -> vec2u {
    let slice = lane / BLOCKS;
    let y = lane % BLOCKS / ACROSS;
    let x = lane % ACROSS;
    let e = errand(lane, left_transposed, right_transposed);
    sums = array<vec4f, 16>();
    left_sum = vec4f();
    var block: mat4x4f;
    for (var k = 0u; k < p.inner + 4u * D4; k += 4u * D4) {
        // One round more than steps: a round brings its own step's blocks and computes the step before.
        if k > 0u {
            put(e, block);
            workgroupBarrier();
        }
        if e.left { block = left_block(p, row_block, k, e.at, left_transposed); }
        if e.right { block = right_block(p, group.x, k, e.at, right_transposed); }
        if k == 0u { continue; }
        if LEFT_SUMS && left_transposed {
            for (var i = lane / R4; i < 4u * D4; i += LANES / R4) { left_sum += terms[place(i, lane % R4, R4)]; }
        }
        let first = slice * 4u * DEPTH4;
        for (var i = first; i < first + 4u * DEPTH4; i += 4u) {
            add_products(i, y, x);
            add_products(i + 1u, y, x);
            add_products(i + 2u, y, x);
            add_products(i + 3u, y, x);
        }
        workgroupBarrier();
    }
    if SLICES > 1u { add_slices(slice, lane % BLOCKS); }
    let first = vec2u(row_block * GROUP_ROWS + y * BLOCK_ROWS, group.x * C4 + x * BLOCK_COLS4);
    return select(first, vec2u(OUTSIDE, 0u), slice > 0u);
}

// A row that no result has: what the other slices' invocations would store is cut off.
const OUTSIDE: u32 = 0x80000000u;

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

// See common/product.wgsl. The terms are free once every slice was added.
fn left_sums(row_block: u32, lane: u32) -> LeftSums {
    workgroupBarrier();
    terms[lane] = left_sum;
    workgroupBarrier();
    if lane >= R4 { return LeftSums(0xffffffffu, vec4f()); }
    var all = vec4f();
    for (var at = lane; at < LANES; at += R4) { all += terms[at]; }
    return LeftSums(row_block * R4 + lane, all);
}
