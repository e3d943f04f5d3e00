//! Records → JSON, CSV, HTML, plots.
