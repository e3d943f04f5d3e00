
// ---- common/product_rows.wgsl ----------------------------------------------------------------------------------------
// Matrix products for CPU drivers: no workgroup memory. An invocation computes 16 rows × 8 columns, its workgroup the
// same rows, so that the left matrix is read once a workgroup and the right one once a lane.
//
// The same functions as common/product_tiled.wgsl. Both sum over k in ascending order.

const BLOCK_ROWS: u32 = 16u;
const BLOCK_COLS4: u32 = 2u;
override LANES: u32 = 8u;

var<private> sums: array<vec4f, 32>;

fn place(group: vec3u, row_block: u32, lane: u32) -> vec2u {
    for (var i = 0u; i < 32u; i++) { sums[i] = vec4f(); }
    return vec2u(row_block * BLOCK_ROWS, (group.x * LANES + lane) * BLOCK_COLS4);
}

// left·right: left (rows, inner), right (inner, cols).
fn product_plain(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let block = place(group, row_block, lane);
    if block.x >= p.rows || block.y >= p.result4 { return block; }
    let second = min(block.y + 1u, p.result4 - 1u);
    for (var k = 0u; k < p.inner; k += 4u) {
        var b: array<vec4f, 8>;
        for (var i = 0u; i < 4u; i++) {
            // Past `inner` the left matrix is zero; the right row is any that exists.
            let row = p.right + min(k + i, p.inner - 1u) * p.right4;
            b[2u * i] = right[row + block.y];
            b[2u * i + 1u] = right[row + second];
        }
        for (var r = 0u; r < BLOCK_ROWS; r++) {
            let a = left[p.left + min(block.x + r, p.rows - 1u) * p.left4 + k / 4u];
            sums[2u * r] += a.x * b[0] + a.y * b[2] + a.z * b[4] + a.w * b[6];
            sums[2u * r + 1u] += a.x * b[1] + a.y * b[3] + a.z * b[5] + a.w * b[7];
        }
    }
    return block;
}

// left·rightᵀ: left (rows, inner), right (cols, inner).
fn product_right_transposed(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let block = place(group, row_block, lane);
    if block.x >= p.rows || block.y >= p.result4 { return block; }
    for (var k4 = 0u; k4 < (p.inner + 3u) / 4u; k4++) {
        var b: array<vec4f, 8>;
        for (var j = 0u; j < 8u; j++) {
            b[j] = right[p.right + min(block.y * 4u + j, p.cols - 1u) * p.right4 + k4];
        }
        for (var r = 0u; r < BLOCK_ROWS; r++) {
            let a = left[p.left + min(block.x + r, p.rows - 1u) * p.left4 + k4];
            sums[2u * r] += vec4f(dot(a, b[0]), dot(a, b[1]), dot(a, b[2]), dot(a, b[3]));
            sums[2u * r + 1u] += vec4f(dot(a, b[4]), dot(a, b[5]), dot(a, b[6]), dot(a, b[7]));
        }
    }
    return block;
}

// leftᵀ·right: left (inner, rows), right (inner, cols).
fn product_left_transposed(p: Product, group: vec3u, row_block: u32, lane: u32) -> vec2u {
    let block = place(group, row_block, lane);
    if block.x >= p.rows || block.y >= p.result4 { return block; }
    let second = min(block.y + 1u, p.result4 - 1u);
    for (var k = 0u; k < p.inner; k++) {
        let b0 = right[p.right + k * p.right4 + block.y];
        let b1 = right[p.right + k * p.right4 + second];
        for (var q = 0u; q < BLOCK_ROWS / 4u; q++) {
            let a = left[p.left + k * p.left4 + min(block.x / 4u + q, p.left4 - 1u)];
            for (var i = 0u; i < 4u; i++) {
                sums[8u * q + 2u * i] += a[i] * b0;
                sums[8u * q + 2u * i + 1u] += a[i] * b1;
            }
        }
    }
    return block;
}
