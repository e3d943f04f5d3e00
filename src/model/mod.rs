//! What a DLRM is: configuration, parameters, checkpoint files. No arithmetic, no device.
