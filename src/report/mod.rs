//! Records → JSON, CSV, HTML, plots.
//!
//! - [`record`]: what a spectrum report says.
//! - [`words`]: the same in words.
//! - [`plots`]: each plot as SVG and PNG.
//! - [`page`]: the one self-contained HTML file.
//! - [`run`]: from paths to a report on disk; joins a run's start and its row frequencies to its tables.

pub mod page;
pub mod plots;
pub mod record;
pub mod run;
pub mod words;
