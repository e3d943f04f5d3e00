//! `mlet spectrum`.

/// Arguments of `mlet spectrum`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `mlet spectrum`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
