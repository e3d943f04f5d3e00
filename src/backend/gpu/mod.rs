//! The GPU, through wgpu.
