//! Raw click logs → prepared data set → batches.

mod arrow_file;
pub mod dataset;
pub mod examples;
pub mod flights;
pub mod loader;
pub mod planted;
pub mod schema;
pub mod source;
pub mod vocabulary;
