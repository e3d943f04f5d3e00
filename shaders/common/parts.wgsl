
// ---- common/parts.wgsl -----------------------------------------------------------------------------------------------
// A gradient whose sums are long is cut into `parts` of `length` terms each, so that there is work for every multiprocessor: one
// entry point computes the parts' sums, another adds them up in their order and steps. The main file's parameters have both
// numbers; `left` are the parts, one behind the other.

// Of `terms` terms, those of a part: the first, and how many. The last part has the rest.
fn part_of(part: u32, terms: u32) -> vec2u {
    let first = min(part * parameters.length, terms);
    let rest = terms - first;
    return vec2u(first, select(min(parameters.length, rest), rest, part + 1u == parameters.parts));
}

// The sum of vec4 `i` of parts of `size` vec4s; zero past them.
fn sum_of_parts(i: u32, size: u32) -> vec4f {
    var sum = vec4f();
    if i >= size { return sum; }
    for (var part = 0u; part < parameters.parts; part++) { sum += left[part * size + i]; }
    return sum;
}
