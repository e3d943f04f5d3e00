//! `mlet devices`.

/// Arguments of `mlet devices`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `mlet devices`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
