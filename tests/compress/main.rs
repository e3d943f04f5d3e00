//! Advice, budgets, and `mlet compress`.

#[path = "../common/mod.rs"]
mod common;

mod budget;
mod file;
mod models;
mod report;
