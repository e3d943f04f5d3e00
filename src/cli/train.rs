//! `mlet train`.

/// Arguments of `mlet train`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `mlet train`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
