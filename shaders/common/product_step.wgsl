
// ---- common/product_step.wgsl ----------------------------------------------------------------------------------------
// Products whose result is a gradient: instead of storing it, the parameter in `result` steps along it. Beside what
// common/product.wgsl needs, the main file binds `squares`, Adagrad's sums, laid out as the parameter.

// Vec4 c of row r of an invocation's block: where it lies, and whether it is part of the parameter.
fn place_of(p: Product, block: vec2u, r: u32, c: u32) -> vec2u {
    let col4 = block.y + c;
    return vec2u(result_row(p, block.x + r) + col4, u32(block.x + r < p.rows && col4 < p.result4));
}

// The gradient there: zero in the padding columns, which a step then leaves zero.
fn gradient(p: Product, block: vec2u, r: u32, c: u32) -> vec4f {
    let counts = vec4u(0u, 1u, 2u, 3u) + (block.y + c) * 4u < vec4u(p.cols);
    return select(vec4f(), sums[r * BLOCK_COLS4 + c], counts);
}

// Four rows of a block, from row `first` on.
fn sgd_rows(p: Product, block: vec2u, first: u32, rate: f32) {
    for (var r = first; r < first + 4u; r++) {
        for (var c = 0u; c < BLOCK_COLS4; c++) {
            let at = place_of(p, block, r, c);
            if at.y == 1u { result[at.x] -= rate * gradient(p, block, r, c); }
        }
    }
}

// Vec4 `i` of the parameter along its gradient.
fn adagrad_at(i: u32, g: vec4f, rate: f32) {
    let s = squares[i] + g * g;
    squares[i] = s;
    result[i] -= adagrad_step(g, s, rate);
}

fn adagrad_rows(p: Product, block: vec2u, first: u32, rate: f32) {
    for (var r = first; r < first + 4u; r++) {
        for (var c = 0u; c < BLOCK_COLS4; c++) {
            let at = place_of(p, block, r, c);
            if at.y == 1u { adagrad_at(at.x, gradient(p, block, r, c), rate); }
        }
    }
}

// Blocks have 4, 8, 16 or 32 rows. Fours are written out: Mesa does not unroll so long a loop, and where one is left to index
// the sums they live in memory all through the product, which then takes seven times as long.
fn step_sgd(p: Product, block: vec2u, rate: f32) {
    sgd_rows(p, block, 0u, rate);
    if BLOCK_ROWS == 4u { return; }
    sgd_rows(p, block, 4u, rate);
    if BLOCK_ROWS == 8u { return; }
    sgd_rows(p, block, 8u, rate);
    sgd_rows(p, block, 12u, rate);
    if BLOCK_ROWS == 16u { return; }
    sgd_rows(p, block, 16u, rate);
    sgd_rows(p, block, 20u, rate);
    sgd_rows(p, block, 24u, rate);
    sgd_rows(p, block, 28u, rate);
}

fn step_adagrad(p: Product, block: vec2u, rate: f32) {
    adagrad_rows(p, block, 0u, rate);
    if BLOCK_ROWS == 4u { return; }
    adagrad_rows(p, block, 4u, rate);
    if BLOCK_ROWS == 8u { return; }
    adagrad_rows(p, block, 8u, rate);
    adagrad_rows(p, block, 12u, rate);
    if BLOCK_ROWS == 16u { return; }
    adagrad_rows(p, block, 16u, rate);
    adagrad_rows(p, block, 20u, rate);
    adagrad_rows(p, block, 24u, rate);
    adagrad_rows(p, block, 28u, rate);
}
