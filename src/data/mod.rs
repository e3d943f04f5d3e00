//! Raw click logs → prepared data set → batches.

pub mod loader;
