//! The options that say what is measured.

use crate::cli::settings::ModelFlags;
use crate::model::Config;
use crate::model::config::overlay;
use crate::train::bench::{Rows, Setup, Shape};
use anyhow::Context;
use clap::{Parser, ValueEnum};

/// What is measured.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SetupArgs {
    /// Tables and network: criteo (capped at 100,000 rows), criteo-full (33.8 million rows) or avazu (9.4 million)
    /// [default: criteo]
    #[arg(long, value_enum)]
    shape: Option<ShapeName>,
    /// The most rows of a table
    #[arg(long, value_name = "ROWS")]
    cap: Option<usize>,
    /// Multiplies the rows of every table, after the cap [default: 1]
    #[arg(long, value_name = "X")]
    scale_tables: Option<f64>,
    /// How an example's rows are drawn: uniform, or power (row ⌊n·u⁴⌋) [default: uniform]
    #[arg(long, value_enum)]
    rows: Option<RowsName>,
    #[command(flatten)]
    model: ModelFlags,
    /// A single layer, whatever --inner-dim says: for --against
    #[arg(long)]
    single: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShapeName {
    Criteo,
    CriteoFull,
    Avazu,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RowsName {
    Uniform,
    Power,
}

/// The words of `--against`.
#[derive(Debug, Parser)]
#[command(name = "--against", no_binary_name = true, disable_help_flag = true)]
struct Again {
    #[command(flatten)]
    setup: SetupArgs,
}

impl SetupArgs {
    /// These options with those of `text` on top.
    pub(super) fn with(&self, text: &str) -> anyhow::Result<Self> {
        let Again { setup: top } =
            Again::try_parse_from(text.split_whitespace()).with_context(|| format!("--against \"{text}\""))?;
        let single = top.single || (self.single && top.model.inner_dim.is_none());
        Ok(Self {
            shape: top.shape.or(self.shape),
            cap: top.cap.or(self.cap),
            scale_tables: top.scale_tables.or(self.scale_tables),
            rows: top.rows.or(self.rows),
            model: top.model.or(&self.model),
            single,
        })
    }

    fn flags(&self) -> ModelFlags {
        match self.single {
            true => self.model.single(),
            false => self.model.clone(),
        }
    }

    /// What the options mean.
    pub(super) fn resolve(&self) -> anyhow::Result<Setup> {
        let mut setup = Setup::new(match self.shape {
            None | Some(ShapeName::Criteo) => Shape::Criteo,
            Some(ShapeName::CriteoFull) => Shape::CriteoFull,
            Some(ShapeName::Avazu) => Shape::Avazu,
        });
        setup.cap = self.cap;
        setup.scale_tables = self.scale_tables.unwrap_or(1.0);
        setup.rows = match self.rows {
            None | Some(RowsName::Uniform) => Rows::Uniform,
            Some(RowsName::Power) => Rows::Power,
        };
        // As a run checks what it is given.
        let mut table = toml::Table::try_from(&setup.config).context("the settings")?;
        overlay(&mut table, self.flags().settings().0);
        setup.config = Config::from_table(table, "the options")?;
        setup.table_rows()?;
        Ok(setup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_against_lie_on_top() {
        let base = Again::try_parse_from(["--inner-dim", "64", "--batch-size", "32"])
            .unwrap()
            .setup;
        let single = base.with("--single").unwrap().resolve().unwrap();
        assert_eq!(
            (single.config.model.inner_dim, single.config.training.batch_size),
            (None, 32)
        );
        let large = base.with("--scale-tables 100 --device cpu").unwrap().resolve().unwrap();
        assert_eq!((large.scale_tables, large.config.model.inner_dim), (100.0, Some(64)));
        assert_eq!(
            base.with("--single")
                .unwrap()
                .with("--inner-dim 8")
                .unwrap()
                .resolve()
                .unwrap()
                .config
                .model
                .inner_dim,
            Some(8)
        );
        let error = format!("{:#}", base.with("--inner 3").unwrap_err());
        assert!(error.contains("--against") && error.contains("--inner"), "{error}");
        assert!(base.with("--batch-size 0").unwrap().resolve().is_err());
    }
}
