//! The GPU, through wgpu: adapters, an opened device with its buffers and compiled shaders, and programs of dispatches
//! that are made once and replayed every step.

mod adapter;
mod blocks;
mod buffer;
mod choice;
mod device;
mod error;
mod family;
mod hint;
mod pipeline;
mod program;
pub mod shaders;
mod submit;
mod timing;

pub use adapter::{Adapter, Description, Kind, adapters};
pub use blocks::Blocks;
pub use buffer::Handle;
pub use choice::{choose, pick};
pub use device::{Gpu, Options};
pub use error::GpuError;
pub use family::Family;
pub use pipeline::{Call, MAX_WORKGROUPS, grid};
pub use program::{Dispatch, Program, Upload};

/// Why no adapter was found, as far as it can be told, in one sentence with what to install.
pub fn why_no_adapter() -> String {
    hint::missing()
}
