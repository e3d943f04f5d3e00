//! `mlet prepare` as a user runs it: the binary, on small files, its output read back cell by cell.

mod avazu;
mod bad_rows;
mod common;
mod criteo;
mod options;
mod parquet;
mod streams;
mod target;
mod threads;
