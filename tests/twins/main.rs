//! Every WGSL entry point against its CPU twin, and both against the same code in f64, on every driver of this machine.

#[path = "../drivers/mod.rs"]
mod drivers;

mod dense;
mod gram;
mod plan;
mod sparse;

use mlet::backend::gpu::{Family, Gpu, Options, shaders};
use plan::Plan;

#[test]
fn every_entry_point_agrees_with_its_twin() {
    let plans: Vec<Plan> = dense::plans()
        .into_iter()
        .chain(sparse::plans())
        .chain(gram::plans())
        .collect();
    drivers::on_each(None, |driver, mut gpu| {
        let worst = plans.iter().map(|plan| match plan.check(driver, &mut gpu) {
            Ok(ratio) => (ratio, &plan.name),
            Err(difference) => panic!("{difference}"),
        });
        let worst = worst.max_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, name) = worst.expect("there are plans");
        eprintln!("  {} plans, worst error {ratio:.2} of the bound: {name}", plans.len());
        let own = format!("/{:?}", gpu.family()).to_lowercase();
        let compiled = gpu.compiled();
        for shader in shaders::ALL {
            if shader.name.contains('/') && !shader.name.ends_with(&own) {
                continue;
            }
            let module = naga::front::wgsl::parse_str(shader.source).expect("tests/shaders.rs checks this");
            for entry in module.entry_points {
                let name = format!("{} {}", shader.name, entry.name);
                assert!(compiled.contains(&name), "{name} was not run on {driver}");
            }
        }
    });
}

/// Faults that a shader might have: the family of products, the plans that must notice, this text, replaced by that.
const FAULTS: [(Family, &str, &str, &str); 59] = [
    (
        Family::Rows,
        "gram",
        "b < blocks; b += STRIPS",
        "b + 1u < blocks; b += STRIPS",
    ),
    (
        Family::Rows,
        "gram",
        "min(q.block, q.rows - start), at, at",
        "q.block, at, at",
    ),
    (
        Family::Tiled,
        "gram",
        "q.first * q.left4, q.right, 0u",
        "q.first * q.left4, 0u, 0u",
    ),
    (Family::Rows, "gram", "q.onto == 1u", "q.onto == 2u"),
    (Family::Rows, "linear", "k < p.inner; k++", "k + 1u < p.inner; k++"),
    (Family::Rows, "linear", "k4 < (p.inner + 3u) / 4u", "k4 < p.inner / 4u"),
    (Family::Rows, "linear", "min(row + 1u, last)", "min(row, last)"),
    (
        Family::Rows,
        "linear",
        "select(vec4f(), sums[r * BLOCK_COLS4 + c], counts)",
        "sums[r * BLOCK_COLS4 + c] + 1.0",
    ),
    (
        Family::Tiled,
        "linear",
        "limit = vec2u(p.cols, (p.inner + 3u) / 4u)",
        "limit = vec2u(p.cols, p.inner / 4u)",
    ),
    (
        Family::Tiled,
        "linear",
        "i < first + 4u * DEPTH4;",
        "i < first + 4u * DEPTH4 - 4u;",
    ),
    (
        Family::Tiled,
        "linear",
        "(SLICES - 1u) * 4u * BLOCKS;",
        "(SLICES - 2u) * 4u * BLOCKS;",
    ),
    (
        Family::Tiled,
        "linear",
        "select(first, vec2u(OUTSIDE, 0u), slice > 0u)",
        "first",
    ),
    (
        Family::Tiled,
        "linear backward_weight",
        "part < parameters.parts; part++",
        "part + 1u < parameters.parts; part++",
    ),
    (
        Family::Tiled,
        "factor backward_weight",
        "rest, part + 1u == parameters.parts",
        "0u, part + 1u == parameters.parts",
    ),
    (Family::Tiled, "pool", "+ g + h +", "+ g + g +"),
    (
        Family::Tiled,
        "pool backward",
        "at < STRIPS * COLUMNS4;",
        "at + COLUMNS4 < STRIPS * COLUMNS4;",
    ),
    (
        Family::Tiled,
        "pool backward",
        "e + 3u * STRIPS < end",
        "e + 2u * STRIPS < end",
    ),
    (Family::Tiled, "pool backward", "n < count; n++", "n + 1u < count; n++"),
    (
        Family::Tiled,
        "embedding backward",
        "weight[i] = right[i]",
        "weight[i] = 2.0 * right[i]",
    ),
    (
        Family::Tiled,
        "embedding backward",
        "n - parameters.row_blocks, group",
        "n, group",
    ),
    (Family::Tiled, "linear", "sums[15] += d.w * c", "sums[15] += d.w * b"),
    (Family::Tiled, "linear", "k < p.inner + 4u * D4;", "k < p.inner + 4u;"),
    (
        Family::Tiled,
        "factor",
        "if transposed { return transpose(block); }",
        "",
    ),
    (
        Family::Tiled,
        "factor",
        "min(GROUP_ROWS, end - first)",
        "max(GROUP_ROWS, end - first)",
    ),
    (Family::Rows, "linear", "gate[at] <= vec4f()", "gate[at] < vec4f()"),
    (Family::Rows, "linear", "result[at.x] -= rate", "result[at.x] += rate"),
    (Family::Rows, "factor", "piece.table * p.block * p.right4", "0u"),
    (
        Family::Tiled,
        "embedding forward",
        "x[p.left * p.left4 + i] =",
        "x[p.left * p.left4] =",
    ),
    (
        Family::Tiled,
        "embedding backward",
        "row_of(p.result + row, p.result4)",
        "row_of(row, p.result4)",
    ),
    (Family::Rows, "pool", "counts[UNIQUE]", "max(counts[UNIQUE], 1u) - 1u"),
    (Family::Rows, "interaction", "j <= FEATURES; j++", "j < FEATURES; j++"),
    (Family::Rows, "loss", "q * (1.0 / 7.0", "q * (1.0 / 70.0"),
    (Family::Rows, "loss", "b < n", "b < parameters.batch"),
    (
        Family::Rows,
        "linear backward_weight",
        "(sqrt(s) + EPSILON)",
        "sqrt(s + 1.0)",
    ),
    (
        Family::Rows,
        "update_rows rowwise",
        "/ f32(parameters.cols)",
        "/ f32(4u * WIDTH4)",
    ),
    (
        Family::Rows,
        "gather",
        "unique_rows[u] - parameters.first_row",
        "unique_rows[u]",
    ),
    (
        Family::Lanes,
        "linear",
        "subgroupBroadcast(a, 6u)",
        "subgroupBroadcast(a, 7u)",
    ),
    (
        Family::Lanes,
        "linear",
        "left[a.w], k + 3u < p.inner)",
        "left[a.w], true)",
    ),
    (
        Family::Lanes,
        "linear",
        "vec4u(p.cols - 1u)) * p.right4",
        "vec4u(p.cols - 2u)) * p.right4",
    ),
    (
        Family::Lanes,
        "factor",
        "vec4u(0u, 8u, 16u, 24u) + first",
        "vec4u(0u, 8u, 16u, 23u) + first",
    ),
    (
        Family::Lanes,
        "linear backward_weight",
        "_rows(p, block, 28u, rate)",
        "_rows(p, block, 24u, rate)",
    ),
    (
        Family::Lanes,
        "interaction forward",
        "subgroupBroadcast(other, 7u)",
        "subgroupBroadcast(other, 6u)",
    ),
    (
        Family::Lanes,
        "interaction forward",
        "out[b * OUT_STRIDE + col] = 0.0",
        "out[b * OUT_STRIDE + col] = 1.0",
    ),
    (
        Family::Lanes,
        "interaction backward",
        "i == j || max(i, j)",
        "max(i, j)",
    ),
    (
        Family::Lanes,
        "interaction backward",
        "put_gradient(b, i, col4 + 2u, sums[2]);",
        "",
    ),
    (
        Family::Lanes,
        "interaction backward",
        "subgroupBroadcast(v[3], 5u)",
        "subgroupBroadcast(v[3], 4u)",
    ),
    (Family::Tiled, "linear", "n < C4 * D4)", "n + 1u < C4 * D4)"),
    (
        Family::Tiled,
        "linear",
        "row_block * GROUP_ROWS + y",
        "row_block * 64u + y",
    ),
    (
        Family::Tiled,
        "linear backward_weight",
        "left_sum += terms[place(i, lane % R4, R4)]",
        "left_sum += terms[place(i, 0u, R4)]",
    ),
    (
        Family::Tiled,
        "linear backward_weight",
        "all += terms[at]",
        "all += terms[lane]",
    ),
    (
        Family::Rows,
        "linear backward_weight",
        "select(a3, a2, lane == 2u)",
        "a2",
    ),
    (
        Family::Rows,
        "linear backward_weight",
        "min(at.y, p.result4 - 1u);",
        "at.y; if at.y >= p.result4 { return at; }",
    ),
    (Family::Lanes, "linear backward_weight", "third + fourth; }", "third; }"),
    (
        Family::Lanes,
        "linear backward_weight",
        "if group.x != 0u { return; }",
        "",
    ),
    (
        Family::Rows,
        "gather",
        "i < count; i += all_items(groups)",
        "i < min(count, all_items(groups)); i += all_items(groups)",
    ),
    (Family::Rows, "gather", "col4 < PART4", "col4 + 1u < PART4"),
    (Family::Tiled, "gather", "i % PARTS * PART4", "0u"),
    (Family::Lanes, "update_rows", "% PARTS * PART4", "% PARTS + 1u"),
    (
        Family::Lanes,
        "update_rows",
        "i += all_items(groups)",
        "i += 2u * all_items(groups)",
    ),
];

#[test]
fn a_fault_in_a_shader_is_noticed() {
    let _turn = drivers::turn();
    let plans: Vec<Plan> = dense::plans()
        .into_iter()
        .chain(sparse::plans())
        .chain(gram::plans())
        .collect();
    let adapters = drivers::all();
    for (family, plan_name, this, by) in FAULTS {
        let used = shaders::ALL.iter().any(|shader| shader.source.contains(this));
        assert!(used, "no shader has the text: {this}");
        let options = Options {
            family: Some(family),
            break_shaders: Some((this, by)),
            ..Options::default()
        };
        let open = |adapter| Gpu::open(adapter, options).expect("it opened before");
        // Not every device has every family.
        let Some(mut gpu) = adapters.iter().map(open).find(|gpu| gpu.family() == family) else {
            continue;
        };
        let mut concerned = plans.iter().filter(|plan| plan.name.starts_with(plan_name));
        let noticed = concerned.find_map(|plan| plan.check("the device", &mut gpu).err());
        let noticed = noticed.unwrap_or_else(|| panic!("nothing noticed that '{this}' became '{by}'"));
        eprintln!("'{this}' → '{by}': {noticed}");
    }
}
