
// ---- common/product.wgsl ---------------------------------------------------------------------------------------------
// What a product works on. `left`, `right` and `result` are the main file's bindings, array<vec4f>; starts and strides
// count vec4s. Where row r of left and of the result starts, `left_row` and `result_row` say, and what lies there `left_at` and
// `right_at` (common/rows_in_order.wgsl). A product leaves an invocation's block of BLOCK_ROWS × BLOCK_COLS4 vec4s in `sums` and
// returns its first (row, column / 4); blocks may reach outside the result, `store` cuts them off.
//
// Where the main file sets LEFT_SUMS, a workgroup that has computed a left transposed product also has the sums of its
// columns of the left matrix: `left_sums`, for all invocations of a workgroup at once.

struct Product {
    rows: u32, // of the result
    cols: u32, // of the result, without padding
    inner: u32, // length of the sums
    left: u32, // where the left matrix starts …
    right: u32,
    result: u32,
    left4: u32, // … and how far its rows lie apart
    right4: u32,
    result4: u32,
}

// The sums of four columns of the left matrix; past its last column where an invocation has none.
struct LeftSums {
    col4: u32,
    sums: vec4f,
}

// Writes an invocation's block, zeros into the padding columns.
fn store(p: Product, block: vec2u) {
    for (var r = 0u; r < BLOCK_ROWS; r++) {
        for (var c = 0u; c < BLOCK_COLS4; c++) {
            let col4 = block.y + c;
            if block.x + r >= p.rows || col4 >= p.result4 { continue; }
            let counts = vec4u(0u, 1u, 2u, 3u) + col4 * 4u < vec4u(p.cols);
            result[result_row(p, block.x + r) + col4] = select(vec4f(), sums[r * BLOCK_COLS4 + c], counts);
        }
    }
}
