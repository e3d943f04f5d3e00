//! `mlet prepare`.

/// Arguments of `mlet prepare`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `mlet prepare`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
