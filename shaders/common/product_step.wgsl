
// ---- common/product_step.wgsl ----------------------------------------------------------------------------------------
// Products whose result is a gradient: instead of storing it, the parameter in `result` steps along it. Beside what
// common/product.wgsl needs, the main file binds `squares`, Adagrad's sums, laid out as the parameter.

// Vec4 c of row r of an invocation's block: where it lies, and whether it is part of the parameter.
fn place_of(p: Product, block: vec2u, r: u32, c: u32) -> vec2u {
    let col4 = block.y + c;
    return vec2u(p.result + (block.x + r) * p.result4 + col4, u32(block.x + r < p.rows && col4 < p.result4));
}

// The gradient there: zero in the padding columns, which a step then leaves zero.
fn gradient(p: Product, block: vec2u, r: u32, c: u32) -> vec4f {
    let counts = vec4u(0u, 1u, 2u, 3u) + (block.y + c) * 4u < vec4u(p.cols);
    return select(vec4f(), sums[r * BLOCK_COLS4 + c], counts);
}

fn step_sgd(p: Product, block: vec2u, rate: f32) {
    for (var r = 0u; r < BLOCK_ROWS; r++) {
        for (var c = 0u; c < BLOCK_COLS4; c++) {
            let at = place_of(p, block, r, c);
            if at.y == 1u { result[at.x] -= rate * gradient(p, block, r, c); }
        }
    }
}

fn step_adagrad(p: Product, block: vec2u, rate: f32) {
    for (var r = 0u; r < BLOCK_ROWS; r++) {
        for (var c = 0u; c < BLOCK_COLS4; c++) {
            let at = place_of(p, block, r, c);
            if at.y == 0u { continue; }
            let g = gradient(p, block, r, c);
            let s = squares[at.x] + g * g;
            squares[at.x] = s;
            result[at.x] -= adagrad_step(g, s, rate);
        }
    }
}
