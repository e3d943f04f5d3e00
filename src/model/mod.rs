//! What a DLRM with deep linear embeddings is: configuration, parameters, checkpoint files. No arithmetic, no device.

pub mod architecture;
pub mod checkpoint;
pub mod config;
pub mod tensor_file;

pub use architecture::Architecture;
pub use config::Config;

/// Renames a temporary file over its final name, with the permissions of an ordinary new file.
pub fn publish(beside: tempfile::NamedTempFile, path: &std::path::Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // By path, not by handle: the safetensors writer puts a private file of its own under this name.
        std::fs::set_permissions(beside.path(), std::fs::Permissions::from_mode(0o644))?;
    }
    beside.persist(path).map_err(|error| error.error)?;
    Ok(())
}
