//! What every target does: a file of these bytes is opened and all of its tables are read.
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz parquet tests/sources/corpus -- -max_total_time=600 -malloc_limit_mb=128
//! ```
//!
//! `-malloc_limit_mb` makes a single allocation that a header merely claims a finding; `-rss_limit_mb=2048` is libFuzzer's own.

use mlet::spectrum::sources::{Options, open_with};

/// Reads `bytes` as a file of that extension.
pub fn read(bytes: &[u8], extension: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(format!("file.{extension}"));
    std::fs::write(&path, bytes).expect("a temporary file");
    let options = Options {
        include: vec!["*".into()],
        exclude: Vec::new(),
    };
    let Ok(source) = open_with(&path, &options) else {
        return;
    };
    for factor in source.tables.iter().flat_map(|table| &table.factors) {
        if factor.len() < 1 << 20 {
            let mut sum = 0.0;
            factor.with_rows(0..factor.rows(), |entries| entries.each(|_, x| sum += x));
            std::hint::black_box(sum);
        }
    }
}
