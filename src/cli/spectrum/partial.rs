//! `mlet spectrum --partial` and `--merge`: tables spread over files or machines.

use crate::cli::say::say;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::report::merged;
use crate::report::record::Report;
use crate::report::run::Options;
use crate::spectrum::partial::Partial;
use crate::spectrum::sources;

/// The flags for tables in parts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Instead of a report, write what INPUT, one part of the rows of all tables, adds to their spectra
    #[arg(long, value_name = "FILE", conflicts_with = "exact")]
    partial: Option<PathBuf>,
    /// The inputs are files of --partial: report on the tables whose parts they are (or, with --partial, add them up in one file)
    #[arg(long, conflicts_with_all = ["include", "exclude", "exact"])]
    merge: bool,
}

/// What is left to be done.
pub enum Next {
    /// Nothing.
    Done,
    /// To measure the inputs.
    Measure,
    /// To show a report.
    Show(Box<Report>),
}

impl Args {
    /// Does what the flags say.
    pub fn run(self, inputs: &[PathBuf], names: &[String], options: &Options) -> anyhow::Result<Next> {
        let sum = match (self.merge, &self.partial) {
            (false, None) => return Ok(Next::Measure),
            (true, _) => Partial::merge(inputs)?,
            (false, Some(_)) => match inputs {
                [input] => {
                    let mut source = sources::open_with(input, &options.tables)?;
                    if let [name] = names {
                        let count = source.tables.len();
                        let [table] = source.tables.as_mut_slice() else {
                            bail!(
                                "--name names the one table of a part, but {} has {count}",
                                input.display()
                            );
                        };
                        table.name.clone_from(name);
                    }
                    Partial::of(&source)?
                }
                _ => bail!("--partial takes one INPUT; make a file for each and add them up with --merge"),
            },
        };
        ensure!(names.len() <= 1, "give --name at most once with --partial or --merge");
        if let Some(path) = self.partial {
            return write(&sum, &path);
        }
        let name = names.first().cloned().unwrap_or_else(|| "merged".into());
        let path = inputs.first().map_or(Path::new(""), PathBuf::as_path);
        let models = vec![merged::model(sum, name, path, options)?];
        Ok(Next::Show(Box::new(Report {
            models,
            taus: options.taus.clone(),
            min_frequency: options.min_frequency,
        })))
    }
}

fn write(sum: &Partial, path: &Path) -> anyhow::Result<Next> {
    sum.write(path)?;
    let rows: Vec<String> = (sum.tables.iter())
        .map(|table| format!("{} ({} rows)", table.name, table.gram.rows))
        .collect();
    say!("{}: {}", path.display(), rows.join(", "));
    let failed: Vec<&str> = sum.failed.iter().map(|table| table.reason.as_str()).collect();
    ensure!(
        failed.is_empty(),
        "not all tables could be measured: {}",
        failed.join("; ")
    );
    Ok(Next::Done)
}
