//! Every WGSL entry point against its CPU twin, and both against the same code in f64, on every driver of this machine.

#[path = "../drivers/mod.rs"]
mod drivers;

mod dense;
mod plan;
mod sparse;

use mlet::backend::gpu::{Family, shaders};
use plan::Plan;

#[test]
fn every_entry_point_agrees_with_its_twin() {
    let plans: Vec<Plan> = dense::plans().into_iter().chain(sparse::plans()).collect();
    drivers::on_each(None, |driver, mut gpu| {
        let worst = plans.iter().map(|plan| (plan.check(driver, &mut gpu), &plan.name));
        let worst = worst.max_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, name) = worst.expect("there are plans");
        eprintln!("  {} plans, worst error {ratio:.2} of the bound: {name}", plans.len());
        let other = if gpu.family() == Family::Rows {
            "/tiled"
        } else {
            "/rows"
        };
        let compiled = gpu.compiled();
        for shader in shaders::ALL.iter().filter(|shader| !shader.name.ends_with(other)) {
            let module = naga::front::wgsl::parse_str(shader.source).expect("tests/shaders.rs checks this");
            for entry in module.entry_points {
                let name = format!("{} {}", shader.name, entry.name);
                assert!(compiled.contains(&name), "{name} was not run on {driver}");
            }
        }
    });
}
