//! What can go wrong with an adapter or a device.

/// An error of the GPU backend. Every message says what to do next where there is something to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GpuError {
    /// Nothing was enumerated at all.
    #[error("no GPU adapter was found: {hint}. `--device cpu` needs none")]
    NoAdapter {
        /// What is missing, as far as it can be told from outside the loader.
        hint: String,
    },
    /// A name that fits no adapter.
    #[error("no adapter matches '{name}'; there is {}", list(.present))]
    NoMatch {
        /// What was asked for.
        name: String,
        /// The adapters that exist.
        present: Vec<String>,
    },
    /// A name that fits several adapters.
    #[error("'{name}' matches several adapters: {}; use its number (such as #{index}) or more of its name", list(.matches), index = .first)]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The adapters that match.
        matches: Vec<String>,
        /// The number of the first of them.
        first: usize,
    },
    /// The adapter exists but cannot run the shaders.
    #[error(
        "{adapter} cannot run mlet's shaders: {limit} is {has}, {need} needed; choose another device (`mlet devices`)"
    )]
    TooSmall {
        /// The adapter.
        adapter: String,
        /// The limit's name.
        limit: &'static str,
        /// What the adapter offers.
        has: u64,
        /// What the shaders need.
        need: u64,
    },
    /// The driver refused to open a device.
    #[error("{adapter} could not be opened: {reason}")]
    Open {
        /// The adapter.
        adapter: String,
        /// The driver's reason.
        reason: String,
    },
    /// The device went away (driver reset, unplugged, destroyed).
    #[error("the device was lost: {reason}; the last checkpoint is whole, continue with --resume")]
    Lost {
        /// The driver's reason.
        reason: String,
    },
    /// The device has no memory left.
    #[error("the device is out of memory: {reason}; a smaller --batch-size or --embedding-dim needs less")]
    OutOfMemory {
        /// What was being done.
        reason: String,
    },
    /// The driver or wgpu rejected something: a fault in mlet or in the driver.
    #[error("the device reported an error while {doing}: {reason}")]
    Device {
        /// What was being done.
        doing: String,
        /// The report.
        reason: String,
    },
    /// A buffer greater than the adapter allows.
    #[error("a buffer of {bytes} bytes is more than the {limit} bytes that {adapter} binds at once")]
    BufferTooLarge {
        /// The adapter.
        adapter: String,
        /// The bytes asked for.
        bytes: u64,
        /// The greatest size that can be bound.
        limit: u64,
    },
    /// A range outside a buffer, or an unknown handle.
    #[error("elements {start}..{end} lie outside buffer {buffer} of {len} elements")]
    OutOfRange {
        /// The handle's number.
        buffer: usize,
        /// First element.
        start: usize,
        /// One past the last element.
        end: usize,
        /// The buffer's length, zero if there is no such buffer.
        len: usize,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names.join("; ")
}
