//! Tables → singular values and rank measures.
//!
//! - [`table`]: an embedding table as a list of factors, each kept in the type it was stored in.
//! - [`sources`]: `.safetensors`, `.npy`, `.npz` and run folders → tables.
//! - [`singular_values`]: the spectrum of the product of the factors, without ever forming a tall product.
//! - [`measures`]: every rank measure, with its definition and source.
//!
//! Nothing here knows how a table was trained: what a run's tables were at the start, and which rows were seen often, is
//! joined to them in [`crate::report`].

pub mod measures;
mod qr;
mod small;
pub mod sources;
pub mod table;
mod values;

pub use values::{SpectrumError, singular_values};
