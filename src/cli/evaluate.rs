//! `mlet evaluate`.

/// Arguments of `mlet evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `mlet evaluate`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
