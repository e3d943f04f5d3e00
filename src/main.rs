//! The `mlet` command: parse, dispatch, print the error chain.

use clap::Parser;

fn main() -> std::process::ExitCode {
    quiet_mesa();
    match mlet::cli::run(mlet::cli::Cli::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Mesa's device-select layer looks for a Wayland session while adapters are listed, and prints an error where there
/// is none (servers, containers). mlet chooses adapters itself, so the layer has nothing to do.
fn quiet_mesa() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: the first thing that main does; no other thread exists that could read the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
