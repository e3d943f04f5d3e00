
// ---- common/unique_rows.wgsl ----------------------------------------------------------------------------------------
// The batch's unique rows in one shard of the tables, shard_start[shard]..shard_start[shard+1], which invocations copy or step in
// parts. The main file binds `unique_rows` and `shard_start`; its `parameters` have `shard`, and `first_row`, the global number of
// the shard's first row.

override WIDTH4: u32 = 1u; // distance between rows, in vec4s: a constant, since CPU drivers divide by it slowly
override PARTS: u32 = WIDTH4; // invocations that share a row: a divisor of WIDTH4
override PART4: u32 = WIDTH4 / PARTS;

// The first one, and how many.
fn unique() -> vec2u {
    let start = shard_start[parameters.shard];
    return vec2u(start, shard_start[parameters.shard + 1u] - start);
}

// Where part i begins, counted from unique row `first` on: in the table, and in a matrix of unique rows.
fn part(i: u32, first: u32) -> vec2u {
    let u = first + i / PARTS;
    let row = unique_rows[u] - parameters.first_row;
    return vec2u(row, u) * WIDTH4 + i % PARTS * PART4;
}
