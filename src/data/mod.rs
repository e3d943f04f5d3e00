//! Raw click logs → prepared data set → batches.

mod arrow_file;
pub mod avazu;
pub mod criteo;
pub mod dataset;
pub mod examples;
pub mod flights;
mod hashing;
pub mod loader;
pub mod parquet;
pub mod planted;
pub mod prepare;
pub mod schema;
pub mod source;
mod text;
pub mod vocabulary;
