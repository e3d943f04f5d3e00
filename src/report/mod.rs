//! Records → JSON, CSV, Parquet, HTML, plots.
//!
//! - [`record`]: what a spectrum report says.
//! - [`words`]: the same in words.
//! - [`row_words`]: what is worth saying of a table's rows.
//! - [`plots`]: each plot as SVG and PNG.
//! - `csv`: the measures a line a feature, and the singular values a line each.
//! - [`parquet`]: the records in typed columns.
//! - [`page`]: the one self-contained HTML file.
//! - [`exact`]: counts that intervals leave open, decided over the integers (`--exact`).
//! - [`history`]: a run's start, its row frequencies and its spectra while it trained.
//! - [`quality`]: what compressing a model did, and its quality against bytes.
//! - [`merged`]: a table that was measured in parts, from their sums.
//! - [`run`]: from paths to a report on disk.
//! - [`runtime`]: a study of time on disk.
//! - [`study`]: a study's results on disk; [`study_ranks`]: planted ranks beside recovered ones.

mod csv;
pub mod exact;
pub mod history;
pub mod merged;
pub mod page;
pub mod parquet;
pub mod plots;
pub mod quality;
pub mod record;
pub mod row_words;
mod rows;
pub mod run;
pub mod runtime;
pub mod study;
pub mod study_ranks;
pub mod words;
