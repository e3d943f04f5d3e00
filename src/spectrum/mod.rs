//! Tables → singular values and rank measures.
//!
//! - [`table`]: an embedding table as a list of factors, each kept in the type it was stored in.
//! - [`sources`]: `.safetensors`, `.npy`, `.npz` and run folders → tables.
//! - [`decompose`]: SVD and QR of dense matrices in f32 and f64, for the whole crate.
//! - [`singular_values`], [`leading`]: the spectrum of the product of the factors, without ever forming a tall product.
//! - [`rows`]: row norms, rows that are zero, untrained or equal, centred and weighted spectra.
//! - [`measures`]: every rank measure, with its definition and source.
//! - [`partial`]: what a part of a table's rows adds to its spectrum, in a file; parts of tables on many machines, merged.
//! - [`advice`]: how narrow a table could be, and the bytes that saves.
//!
//! Nothing here knows how a table was trained: what a run's tables were at the start, and which rows were seen often, is
//! joined to them in [`crate::report`].

pub mod advice;
mod certified;
pub mod decompose;
pub mod exact;
pub mod gram;
pub mod measures;
pub mod partial;
pub mod rows;
pub mod sources;
pub mod table;
pub mod truncate;
mod values;

pub use certified::{Accuracy, CertifiedSpectrum, Route, certified_from_gram, certified_values};
pub use values::{Leading, SpectrumError, leading, singular_values};
