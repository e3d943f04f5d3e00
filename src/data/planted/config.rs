//! Settings of the planted data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is wrong with the settings of the planted data.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlantedError {
    /// A value cannot be used.
    #[error("planted data: {setting} = {value}: {reason}")]
    Setting {
        /// The setting's name, as in the TOML file.
        setting: &'static str,
        /// What was given.
        value: String,
        /// Why it cannot be used, or what can.
        reason: String,
    },
    /// The teacher gives every example the same answer, so it cannot be brought to scale.
    #[error(
        "planted data: with these layers and this seed the teacher's logit is constant; take another seed or wider layers"
    )]
    ConstantTeacher,
}

fn setting(setting: &'static str, value: impl fmt::Display, reason: impl Into<String>) -> PlantedError {
    PlantedError::Setting {
        setting,
        value: value.to_string(),
        reason: reason.into(),
    }
}

/// A table of the teacher; written `n:rank`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlantedTable {
    /// Categories that are drawn from, n.
    pub num_embeddings: usize,
    /// Rank of the teacher's n×d table, at most min(n, d).
    pub rank: usize,
}

impl FromStr for PlantedTable {
    type Err = PlantedError;

    fn from_str(text: &str) -> Result<Self, PlantedError> {
        let wrong = || setting("tables", text, "a table is written n:rank, such as 1000:4");
        let (n, rank) = text.trim().split_once(':').ok_or_else(wrong)?;
        let number = |part: &str| part.trim().parse::<usize>().map_err(|_| wrong());
        Ok(Self {
            num_embeddings: number(n)?,
            rank: number(rank)?,
        })
    }
}

impl fmt::Display for PlantedTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.num_embeddings, self.rank)
    }
}

/// The shape of a teacher table's non-zero singular values; the first is the largest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Spectrum {
    /// All the same: `flat`.
    Flat,
    /// σᵢ ∝ ratio^(i−1): `geometric:0.7`.
    Geometric(f64),
    /// σᵢ ∝ i^−exponent: `power:1`.
    Power(f64),
}

impl Spectrum {
    /// The first `rank` singular values, scaled so that their squares sum to 1.
    pub fn values(self, rank: usize) -> Vec<f64> {
        let mut values: Vec<f64> = (0..rank)
            .map(|i| match self {
                Spectrum::Flat => 1.0,
                Spectrum::Geometric(ratio) => libm::pow(ratio, i as f64),
                Spectrum::Power(exponent) => libm::pow((i + 1) as f64, -exponent),
            })
            .collect();
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        values.iter_mut().for_each(|v| *v /= norm);
        values
    }
}

impl FromStr for Spectrum {
    type Err = PlantedError;

    fn from_str(text: &str) -> Result<Self, PlantedError> {
        let wrong = || {
            let reason = "one of flat, geometric:RATIO with 0 < RATIO <= 1, power:EXPONENT with EXPONENT >= 0";
            setting("spectrum", text, reason)
        };
        let (kind, value) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
        let number = || value.trim().parse::<f64>().map_err(|_| wrong());
        match kind {
            "flat" if value.is_empty() => Ok(Spectrum::Flat),
            "geometric" => Some(number()?)
                .filter(|v| *v > 0.0 && *v <= 1.0)
                .map(Spectrum::Geometric)
                .ok_or_else(wrong),
            "power" => Some(number()?)
                .filter(|v| *v >= 0.0 && v.is_finite())
                .map(Spectrum::Power)
                .ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Spectrum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spectrum::Flat => write!(formatter, "flat"),
            Spectrum::Geometric(ratio) => write!(formatter, "geometric:{ratio}"),
            Spectrum::Power(exponent) => write!(formatter, "power:{exponent}"),
        }
    }
}

macro_rules! string_conversions {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = PlantedError;
            fn try_from(text: String) -> Result<Self, PlantedError> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
string_conversions!(PlantedTable);
string_conversions!(Spectrum);

/// Settings of the planted data. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlantedConfig {
    /// Rows over all splits; the first 8/10 train, the next 1/10 validates, the rest tests.
    pub rows: u64,
    /// Seed of everything drawn.
    pub seed: u64,
    /// The teacher's tables, `n:rank`.
    pub tables: Vec<PlantedTable>,
    /// d.
    pub embedding_dim: usize,
    /// Exponent of the categories' Zipf distribution: P(i) ∝ (i + 1)^−zipf.
    pub zipf: f64,
    /// Shape of every table's singular values.
    pub spectrum: Spectrum,
    /// M, the number of dense features, each standard normal.
    pub num_dense_features: usize,
    /// Hidden widths of the teacher's bottom MLP; the last layer, of width d, comes on top.
    pub bottom_mlp: Vec<usize>,
    /// Hidden widths of the teacher's top MLP; the last layer, of width 1, comes on top.
    pub top_mlp: Vec<usize>,
    /// Standard deviation of the teacher's logit: 0 is pure noise, large is no noise.
    pub logit_std: f64,
    /// Mean of the teacher's probability.
    pub base_rate: f64,
}

impl Default for PlantedConfig {
    fn default() -> Self {
        let table = |num_embeddings, rank| PlantedTable { num_embeddings, rank };
        Self {
            rows: 200_000,
            seed: 0,
            tables: vec![
                table(10, 2),
                table(100, 1),
                table(500, 8),
                table(1000, 4),
                table(5000, 2),
                table(20_000, 3),
            ],
            embedding_dim: 8,
            zipf: 1.1,
            spectrum: Spectrum::Geometric(0.7),
            num_dense_features: 4,
            bottom_mlp: vec![16],
            top_mlp: vec![16],
            logit_std: 2.0,
            base_rate: 0.3,
        }
    }
}

impl PlantedConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`PlantedError::Setting`] for the first that cannot be used.
    pub fn check(&self) -> Result<(), PlantedError> {
        let some = |name, values: &[usize]| match values.contains(&0) {
            true => Err(setting(name, format!("{values:?}"), "a layer needs at least one unit")),
            false => Ok(()),
        };
        let at_least = |name, value: usize, least: usize| match value < least {
            true => Err(setting(name, value, format!("must be at least {least}"))),
            false => Ok(()),
        };
        at_least("rows", self.rows.min(10) as usize, 10)?;
        at_least("tables", self.tables.len(), 1)?;
        at_least("embedding_dim", self.embedding_dim, 1)?;
        at_least("num_dense_features", self.num_dense_features, 1)?;
        some("bottom_mlp", &self.bottom_mlp)?;
        some("top_mlp", &self.top_mlp)?;
        for table in &self.tables {
            let most = table.num_embeddings.min(self.embedding_dim);
            if table.rank == 0 || table.rank > most {
                return Err(setting(
                    "tables",
                    table,
                    format!("the rank must be from 1 to min(n, d) = {most}"),
                ));
            }
            if u32::try_from(table.num_embeddings).is_err() {
                return Err(setting("tables", table, "a row number must fit into 32 bits"));
            }
        }
        let real = |name, value: f64, good: bool, reason: &str| match good {
            true => Ok(()),
            false => Err(setting(name, value, reason)),
        };
        real(
            "zipf",
            self.zipf,
            self.zipf.is_finite() && self.zipf >= 0.0,
            "must be 0 or more",
        )?;
        real(
            "logit_std",
            self.logit_std,
            self.logit_std.is_finite() && self.logit_std >= 0.0,
            "must be 0 or more",
        )?;
        real(
            "base_rate",
            self.base_rate,
            self.base_rate > 0.0 && self.base_rate < 1.0,
            "must be between 0 and 1",
        )
    }
}
