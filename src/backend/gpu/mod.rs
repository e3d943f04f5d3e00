//! The GPU, through wgpu: adapters, and later the device, its buffers and its programs.

mod adapter;
mod error;
mod hint;

pub use adapter::{Adapter, Description, Kind, adapters, choose, pick};
pub use error::GpuError;

/// Why no adapter was found, as far as it can be told, in one sentence with what to install.
pub fn why_no_adapter() -> String {
    hint::missing()
}
