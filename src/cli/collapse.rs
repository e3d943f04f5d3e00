//! `mlet collapse`.

/// Arguments of `mlet collapse`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `mlet collapse`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
