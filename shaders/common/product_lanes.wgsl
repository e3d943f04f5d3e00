
// ---- common/product_lanes.wgsl ---------------------------------------------------------------------------------------
// Matrix products for CPU drivers whose subgroups have eight invocations (Mesa's lavapipe: one vector register of lanes).
// There a load that is not the same for all lanes costs as much as fifty multiplications, and so does one that is: so the
// left matrix is loaded by all lanes together, each a part, and handed round with subgroupBroadcast. A workgroup is one
// subgroup and computes 32 rows × 32 columns, an invocation all rows of four columns. No workgroup memory, and nothing is
// indexed by a loop: then the sums stay out of indexed memory. Every lane stays to the end: a broadcast needs it.
//
// The same functions as common/product_tiled.wgsl. Sums run over k in ascending order.

const BLOCK_ROWS: u32 = 32u;
const BLOCK_COLS4: u32 = 1u;
const GROUP_ROWS: u32 = BLOCK_ROWS; // of a workgroup
override LANES: u32 = 8u;

var<private> sums: array<vec4f, 32>;
var<private> left_sum: vec4f;

fn place(group: vec3u, row_block: u32, lane: u32) -> vec2u {
    sums = array<vec4f, 32>();
    left_sum = vec4f();
    return vec2u(row_block * BLOCK_ROWS, group.x * LANES + lane);
}

// Two terms of four rows' sums, `apart` from each other; `at` and `apart` are constants. A sum gets both at once: there are
// more sums than registers, and each is fetched and put back.
fn add_four(at: u32, apart: u32, a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
    sums[at] = sums[at] + a.x * c + b.x * d;
    sums[at + apart] = sums[at + apart] + a.y * c + b.y * d;
    sums[at + 2u * apart] = sums[at + 2u * apart] + a.z * c + b.z * d;
    sums[at + 3u * apart] = sums[at + 3u * apart] + a.w * c + b.w * d;
}

// Two terms of every sum, a·c and b·d. Lane j has a and b of the rows j, j + 8, j + 16 and j + 24.
fn add_spread(a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
    add_four(0u, 8u, subgroupBroadcast(a, 0u), subgroupBroadcast(b, 0u), c, d);
    add_four(1u, 8u, subgroupBroadcast(a, 1u), subgroupBroadcast(b, 1u), c, d);
    add_four(2u, 8u, subgroupBroadcast(a, 2u), subgroupBroadcast(b, 2u), c, d);
    add_four(3u, 8u, subgroupBroadcast(a, 3u), subgroupBroadcast(b, 3u), c, d);
    add_four(4u, 8u, subgroupBroadcast(a, 4u), subgroupBroadcast(b, 4u), c, d);
    add_four(5u, 8u, subgroupBroadcast(a, 5u), subgroupBroadcast(b, 5u), c, d);
    add_four(6u, 8u, subgroupBroadcast(a, 6u), subgroupBroadcast(b, 6u), c, d);
    add_four(7u, 8u, subgroupBroadcast(a, 7u), subgroupBroadcast(b, 7u), c, d);
}

// Two terms of every sum. Lane j has a and b of the rows 4j to 4j + 3.
fn add_side_by_side(a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
    add_four(0u, 1u, subgroupBroadcast(a, 0u), subgroupBroadcast(b, 0u), c, d);
    add_four(4u, 1u, subgroupBroadcast(a, 1u), subgroupBroadcast(b, 1u), c, d);
    add_four(8u, 1u, subgroupBroadcast(a, 2u), subgroupBroadcast(b, 2u), c, d);
    add_four(12u, 1u, subgroupBroadcast(a, 3u), subgroupBroadcast(b, 3u), c, d);
    add_four(16u, 1u, subgroupBroadcast(a, 4u), subgroupBroadcast(b, 4u), c, d);
    add_four(20u, 1u, subgroupBroadcast(a, 5u), subgroupBroadcast(b, 5u), c, d);
    add_four(24u, 1u, subgroupBroadcast(a, 6u), subgroupBroadcast(b, 6u), c, d);
    add_four(28u, 1u, subgroupBroadcast(a, 7u), subgroupBroadcast(b, 7u), c, d);
}

// Where the rows `lane`, lane + 8, lane + 16 and lane + 24 of the block start. Rows past the last one are computed and not
// stored.
fn left_starts(p: Product, first: u32, lane: u32) -> vec4u {
    return vec4u(p.left) + min(vec4u(0u, 8u, 16u, 24u) + first + lane, vec4u(p.rows - 1u)) * p.left4;
}

// Terms 4·k4 to 4·k4 + 3 of those rows: column i is term i.
fn left_four(starts: vec4u, k4: u32) -> mat4x4f {
    return transpose(mat4x4f(left[starts.x + k4], left[starts.y + k4], left[starts.z + k4], left[starts.w + k4]));
}

// Where rows k to k + 3 of the right matrix start. Past `inner` the left matrix is zero; the right row is any that exists.
fn right_starts(p: Product, k: u32, col4: u32) -> vec4u {
    return vec4u(p.right + col4) + min(vec4u(0u, 1u, 2u, 3u) + k, vec4u(p.inner - 1u)) * p.right4;
}

// left·right: left (rows, inner), right (inner, cols).
fn product_plain(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let at = place(group, row_block, lane);
    if at.x >= p.rows { return at; }
    let starts = left_starts(p, at.x, lane);
    let col4 = min(at.y, p.result4 - 1u);
    for (var k = 0u; k < p.inner; k += 4u) {
        let a = left_four(starts, k / 4u);
        let b = right_starts(p, k, col4);
        add_spread(a[0], a[1], right[b.x], right[b.y]);
        add_spread(a[2], a[3], right[b.z], right[b.w]);
    }
    return at;
}

// left·rightᵀ: left (rows, inner), right (cols, inner).
fn product_right_transposed(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let at = place(group, row_block, lane);
    if at.x >= p.rows { return at; }
    let starts = left_starts(p, at.x, lane);
    let rows = vec4u(p.right) + min(vec4u(0u, 1u, 2u, 3u) + at.y * 4u, vec4u(p.cols - 1u)) * p.right4;
    for (var k4 = 0u; k4 < (p.inner + 3u) / 4u; k4++) {
        let a = left_four(starts, k4);
        let b = transpose(mat4x4f(right[rows.x + k4], right[rows.y + k4], right[rows.z + k4], right[rows.w + k4]));
        add_spread(a[0], a[1], b[0], b[1]);
        add_spread(a[2], a[3], b[2], b[3]);
    }
    return at;
}

// leftᵀ·right: left (inner, rows), right (inner, cols).
fn product_left_transposed(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let at = place(group, row_block, lane);
    if at.x >= p.rows { return at; }
    let row4 = p.left + min(at.x / 4u + lane, p.left4 - 1u);
    let col4 = min(at.y, p.result4 - 1u);
    for (var k = 0u; k < p.inner; k += 4u) {
        let a = vec4u(row4) + min(vec4u(0u, 1u, 2u, 3u) + k, vec4u(p.inner - 1u)) * p.left4;
        let b = right_starts(p, k, col4);
        let first = left[a.x];
        let second = select(vec4f(), left[a.y], k + 1u < p.inner);
        let third = select(vec4f(), left[a.z], k + 2u < p.inner);
        let fourth = select(vec4f(), left[a.w], k + 3u < p.inner);
        if LEFT_SUMS { left_sum = left_sum + first + second + third + fourth; }
        add_side_by_side(first, second, right[b.x], right[b.y]);
        add_side_by_side(third, fourth, right[b.z], right[b.w]);
    }
    return at;
}

// See common/product.wgsl.
fn left_sums(row_block: u32, lane: u32) -> LeftSums {
    return LeftSums(row_block * BLOCK_ROWS / 4u + lane, left_sum);
}
