//! The CPU's memory.
