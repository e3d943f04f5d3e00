
// ---- common/rows_in_order.wgsl ---------------------------------------------------------------------------------------
// Where the rows of a product's left matrix and of its result lie: one behind the other; and its matrices are the bindings of
// their names. (shaders/embedding.wgsl has others.)

fn left_row(p: Product, row: u32) -> u32 {
    return p.left + row * p.left4;
}

fn result_row(p: Product, row: u32) -> u32 {
    return p.result + row * p.result4;
}

fn left_at(i: u32) -> vec4f {
    return left[i];
}

fn right_at(i: u32) -> vec4f {
    return right[i];
}
