//! The `mlet` command: parse, dispatch, print the error chain.

use clap::Parser;

fn main() -> std::process::ExitCode {
    match mlet::cli::run(mlet::cli::Cli::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
