//! `mlet collapse`: every table's factors multiplied into one table.

use crate::cli::say::say;
use crate::data::dataset::Dataset;
use crate::model::Config;
use crate::train::collapse;
use crate::train::run::RunFolder;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Arguments of `mlet collapse`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's folder
    run: PathBuf,
    /// The collapsed model: one table `embedding.<feature>.weight` (n, d) a feature, and the MLPs
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
}

/// The checkpoint that a run's folder or a file means.
pub(super) fn checkpoint_of(model: &Path) -> PathBuf {
    if model.is_dir() {
        RunFolder(model.to_path_buf()).checkpoint()
    } else {
        model.to_path_buf()
    }
}

/// Runs `mlet collapse`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let result = collapse::collapse(&checkpoint_of(&args.run), &args.out)?;
    say!(
        "{}: {} tables, {} → {} bytes",
        args.out.display(),
        result.tables,
        result.bytes_before,
        result.bytes_after
    );
    let config = RunFolder(args.run.clone()).config();
    let vocabulary = args.out.with_extension("vocabulary");
    match Config::load(&config).map(|config| Dataset::open(&config.data)) {
        Ok(Ok(dataset)) => {
            copy_vocabulary(&dataset, &vocabulary)
                .with_context(|| format!("cannot write the vocabulary to {}", vocabulary.display()))?;
            say!("{}: row → raw value, a file a feature", vocabulary.display());
        }
        _ => eprintln!("warning: the run's data set is gone, so no vocabulary was put beside the tables"),
    }
    Ok(())
}

fn copy_vocabulary(dataset: &Dataset, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(dataset.path.join("vocabulary"))? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
