//! Exact arithmetic over the rationals: nothing here rounds.

pub mod strategies;
