//! The drivers that a test runs on: every adapter of the machine that can be opened. One that is missing is named, and is a
//! failure where MLET_REQUIRE_DRIVERS (set by tests/run) lists it.

use mlet::backend::gpu::{Adapter, Family, Gpu, Options, adapters};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What tests/run can install.
const KNOWN: [&str; 3] = ["lavapipe", "llvmpipe-gl", "swiftshader"];

/// One driver at a time: a test that waits for another's device measures nothing and may run out of memory.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every adapter here that can be opened: some machines list one that cannot (a GL driver without a display, say).
pub fn all() -> Vec<Adapter> {
    let opens = |adapter: &Adapter| match Gpu::open(adapter, Options::default()) {
        Ok(_) => true,
        Err(error) => {
            let label = adapter.description.label();
            eprintln!("driver CANNOT BE OPENED, not tested: {label}: {error}");
            false
        }
    };
    let found: Vec<Adapter> = adapters().into_iter().filter(opens).collect();
    let has = |known| found.iter().any(|adapter| adapter.description.known_as == Some(known));
    let required = std::env::var("MLET_REQUIRE_DRIVERS").unwrap_or_default();
    for known in KNOWN.into_iter().filter(|known| !has(known)) {
        let is_required = required.split(',').any(|required| required == known);
        assert!(!is_required, "the driver {known} is required and missing");
        eprintln!("driver MISSING, not tested: {known} (tests/run installs it)");
    }
    found
}

/// Runs a test on every driver, with every family of products that it has.
#[allow(dead_code, reason = "not every test file uses it")]
pub fn on_each(max_shard_bytes: Option<u64>, mut test: impl FnMut(&str, Gpu)) {
    let _turn = turn();
    for adapter in all() {
        for family in Family::ALL {
            let options = Options {
                family: Some(family),
                max_shard_bytes,
                ..Options::default()
            };
            let name = format!("{} {family:?}", adapter.description.label());
            eprintln!("driver {name}");
            let gpu = Gpu::open(&adapter, options).unwrap_or_else(|error| panic!("{name}: {error}"));
            // What a device cannot do is another family there, and that has its own turn.
            if gpu.family() == family {
                test(&name, gpu);
            }
        }
    }
}
