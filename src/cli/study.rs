//! `mlet study`.

/// Arguments of `mlet study`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `mlet study`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
