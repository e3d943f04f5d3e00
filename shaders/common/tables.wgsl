
// ---- common/tables.wgsl ----------------------------------------------------------------------------------------------
// Which rows a workgroup takes where each table's unique rows are cut into blocks of GROUP_ROWS: so that a block's rows share
// a factor. The main file binds `table_start`.

// F, a constant: Mesa unrolls the search up to 32 tables, and each round of one left in a loop takes it 1.5 µs.
override TABLES: u32 = 1u;

struct Rows {
    table: u32,
    first: u32, // unique row
    rows: u32, // zero past the last block
}

// Block `n`. Nothing leaves the search early: then it can be unrolled.
fn rows_of_one_table(n: u32) -> Rows {
    var before = 0u; // blocks of the tables before t
    var start = table_start[0];
    var found = vec3u();
    for (var t = 0u; t < TABLES; t++) {
        let end = table_start[t + 1u];
        let blocks = (end - start + GROUP_ROWS - 1u) / GROUP_ROWS;
        let first = start + (n - before) * GROUP_ROWS;
        // Where n < before the difference wraps round and is far too large.
        found = select(found, vec3u(t, first, min(GROUP_ROWS, end - first)), n - before < blocks);
        before += blocks;
        start = end;
    }
    return Rows(found.x, found.y, found.z);
}
