//! `mlet prepare planted`.

use std::path::PathBuf;

use anyhow::Context;

use super::{BadRowsArg, OutArgs, run_source};
use crate::data::planted::{Planted, PlantedConfig, PlantedTable, Spectrum};

/// Arguments of `mlet prepare planted`. What is given here goes over the file, and the file over the defaults.
#[derive(Debug, clap::Args)]
pub(super) struct PlantedArgs {
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the data set in DIR, if there is one
    #[arg(long)]
    force: bool,
    /// Settings as TOML, under the names of these options with _ for -
    #[arg(long, value_name = "FILE.toml")]
    settings: Option<PathBuf>,
    /// Rows over all splits [default: 200000]
    #[arg(long)]
    rows: Option<u64>,
    /// Seed of everything drawn [default: 0]
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// The teacher's tables: categories and rank of each [default: 10:2,100:1,500:8,1000:4,5000:2,20000:3]
    #[arg(long, value_name = "N:RANK,…", value_delimiter = ',')]
    tables: Option<Vec<PlantedTable>>,
    /// Width of the teacher's tables [default: 8]
    #[arg(long, value_name = "D")]
    embedding_dim: Option<usize>,
    /// Exponent of the categories' Zipf distribution [default: 1.1]
    #[arg(long, value_name = "EXPONENT")]
    zipf: Option<f64>,
    /// Singular values of the tables: flat, geometric:RATIO or power:EXPONENT [default: geometric:0.7]
    #[arg(long)]
    spectrum: Option<Spectrum>,
    /// Dense features [default: 4]
    #[arg(long, value_name = "M")]
    num_dense_features: Option<usize>,
    /// Hidden widths of the teacher's bottom MLP [default: 16]
    #[arg(long, value_name = "WIDTHS", value_delimiter = ',')]
    bottom_mlp: Option<Vec<usize>>,
    /// Hidden widths of the teacher's top MLP [default: 16]
    #[arg(long, value_name = "WIDTHS", value_delimiter = ',')]
    top_mlp: Option<Vec<usize>>,
    /// Standard deviation of the teacher's logit: 0 is pure noise [default: 2]
    #[arg(long, value_name = "STD")]
    logit_std: Option<f64>,
    /// Mean of the teacher's probability [default: 0.3]
    #[arg(long, value_name = "P")]
    base_rate: Option<f64>,
}

/// Runs `mlet prepare planted`.
pub(super) fn run(args: PlantedArgs) -> anyhow::Result<()> {
    let config = args.config()?;
    let out = OutArgs {
        out: args.out,
        seed: config.seed,
        min_count: None, // the teacher has no row for categories thrown together
        max_rows_per_table: None,
        force: args.force,
    };
    run_source(&mut Planted::new(config)?, BadRowsArg::Fail, &out)
}

impl PlantedArgs {
    fn config(&self) -> anyhow::Result<PlantedConfig> {
        let mut config = match &self.settings {
            None => PlantedConfig::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                toml::from_str(&text)
                    .with_context(|| format!("{} holds no settings of planted data", path.display()))?
            }
        };
        macro_rules! over {
            ($($setting:ident),*) => {
                $(if let Some(value) = &self.$setting { config.$setting = value.clone(); })*
            };
        }
        over!(rows, seed, tables, embedding_dim, zipf, spectrum, num_dense_features);
        over!(bottom_mlp, top_mlp, logit_std, base_rate);
        Ok(config)
    }
}
