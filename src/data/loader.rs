//! Prepared examples → sorted, de-duplicated batches.
