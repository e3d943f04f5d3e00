//! The configuration of a run, as TOML: defaults, then a file, then `a.b=c` settings on top. Every default is the paper's
//! setting (Ghaemmaghami et al. 2020, section 3) or, where it is silent, DLRM's.

mod check;
mod table;

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub use table::{overlay, read_table, set};

/// Everything that decides a run's result, and where it is computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The prepared data set's directory.
    pub data: PathBuf,
    /// Seed of the initial values and of the order of examples.
    pub seed: u64,
    /// `auto`, `cpu`, or a part of an adapter's name.
    pub device: String,
    /// Threads of the CPU backend; 0: all. The result does not depend on it.
    pub threads: usize,
    /// The network.
    pub model: Model,
    /// Its initial values.
    pub initialization: Initialization,
    /// How parameters step.
    pub optimizer: Optimizer,
    /// What is trained on, in which order, for how long.
    pub training: Training,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Hidden widths of the bottom MLP; the layer to `embedding_dim` is added.
    pub bottom_mlp: Vec<usize>,
    /// Hidden widths of the top MLP; the layer to the logit is added.
    pub top_mlp: Vec<usize>,
    /// d.
    pub embedding_dim: usize,
    /// k; absent for a single layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_dim: Option<usize>,
    /// N, the number of factors; absent: 2 with an inner dimension, 1 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// How the features meet.
    pub interaction: Interaction,
}

/// How the features meet behind the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interaction {
    /// All dot products of the F+1 vectors, behind the dense one.
    Dot,
    /// The F+1 vectors side by side.
    Cat,
}

/// How the tables' factors start (theory.md, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// The authors' released code: the first factor U(±1/√n), as DLRM starts a table, the others N(0, std²).
    Paper,
    /// The paper's text read literally: every factor N(0, std²).
    Gaussian,
    /// The end-to-end table U(±1/√n), its factors balanced: W_jᵀW_j = W_{j+1}W_{j+1}ᵀ (theory.md, E8).
    Balanced,
}

/// Initial values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Initialization {
    /// How the tables' factors start.
    pub scheme: Scheme,
    /// s, the standard deviation of the normal factors. The paper's 0.0625 is the variance.
    pub std: f64,
    /// Multiplies the end-to-end tables at the start (through the first factor).
    pub embedding_scale: f64,
}

/// How parameters step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Plain gradient steps.
    Sgd,
    /// Adagrad for every parameter.
    Adagrad,
    /// Adagrad; for the first factors one sum a row.
    RowwiseAdagrad,
}

/// The optimiser and its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
    /// How parameters step.
    pub rule: Rule,
    /// η.
    pub learning_rate: f64,
    /// Multiplies η for every factor of the tables.
    pub embedding_lr_scale: f64,
    /// Leaves the factors W2…WN as they start and trains the first alone: a random projection in place of a learnt one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub freeze_further_factors: bool,
    /// Steps over which η rises linearly to its value; 0: none.
    pub warmup_steps: u64,
    /// The step at which decay begins.
    pub decay_start_step: u64,
    /// Steps over which η falls to `decay_end_scale`·η; 0: no decay.
    pub decay_steps: u64,
    /// Power of the polynomial decay.
    pub decay_power: f64,
    /// What is left of η after the decay.
    pub decay_end_scale: f64,
}

/// In which order the examples come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A new seeded permutation every epoch.
    Shuffled,
    /// As they lie in the file.
    Sequential,
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Mean binary cross-entropy.
    Bce,
    /// Mean squared error of the probability.
    Mse,
}

/// What is trained on, in which order, for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// B.
    pub batch_size: usize,
    /// Passes over the training split.
    pub epochs: u64,
    /// Stop after this many steps; 0 writes the initial checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// In which order the examples come.
    pub order: Order,
    /// What is minimised.
    pub loss: Loss,
    /// Steps between lines of `metrics.jsonl`.
    pub log_every: u64,
    /// Steps between checkpoints; 0: only at the end and on Ctrl-C.
    pub checkpoint_every: u64,
    /// Steps between looks at the singular values of every table, written to `metrics.jsonl`; 0: never. Does not change the result.
    pub spectrum_every: u64,
    /// Steps between looks at how singular values move, written to `metrics.jsonl`; 0: never. Does not change the result.
    pub monitor_dynamics: u64,
    /// The features looked at; none named: the three with the largest tables.
    pub monitor_features: Vec<String>,
    /// The leading singular values looked at, of each feature.
    pub monitor_values: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::new(),
            seed: 0,
            device: "auto".into(),
            threads: 0,
            model: Model::default(),
            initialization: Initialization::default(),
            optimizer: Optimizer::default(),
            training: Training::default(),
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self {
            bottom_mlp: vec![512, 256, 128],
            top_mlp: vec![512, 256],
            embedding_dim: 16,
            inner_dim: None,
            depth: None,
            interaction: Interaction::Dot,
        }
    }
}

impl Default for Initialization {
    fn default() -> Self {
        Self {
            scheme: Scheme::Paper,
            std: 0.25,
            embedding_scale: 1.0,
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            rule: Rule::Sgd,
            learning_rate: 0.2,
            embedding_lr_scale: 1.0,
            freeze_further_factors: false,
            warmup_steps: 0,
            decay_start_step: 0,
            decay_steps: 0,
            decay_power: 2.0,
            decay_end_scale: 0.0,
        }
    }
}

impl Default for Training {
    fn default() -> Self {
        Self {
            batch_size: 128,
            epochs: 1,
            max_steps: None,
            order: Order::Shuffled,
            loss: Loss::Bce,
            log_every: 100,
            checkpoint_every: 0,
            spectrum_every: 0,
            monitor_dynamics: 0,
            monitor_features: Vec::new(),
            monitor_values: 3,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file
        path: PathBuf,
        /// Why
        source: std::io::Error,
    },
    /// It is not TOML, or a key is unknown or of the wrong type.
    #[error("{origin}: {message}")]
    Parse {
        /// The file or the setting
        origin: String,
        /// What is wrong
        message: String,
    },
    /// A value makes no sense.
    #[error("{key} = {value}: {problem}")]
    Value {
        /// The key
        key: &'static str,
        /// What it was
        value: String,
        /// What to do
        problem: &'static str,
    },
}

impl Config {
    /// Reads a configuration file; what it leaves out has its default.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::from_table(read_table(path)?, &path.display().to_string())
    }

    /// Defaults, overlaid by a table.
    pub fn from_table(table: toml::Table, origin: &str) -> Result<Self, ConfigError> {
        let config: Self = table.try_into().map_err(|error: toml::de::Error| ConfigError::Parse {
            origin: origin.into(),
            message: error.to_string().trim().replace('\n', " "),
        })?;
        config.check()?;
        Ok(config)
    }

    /// N, the number of factors.
    pub fn depth(&self) -> usize {
        let default = if self.model.inner_dim.is_some() { 2 } else { 1 };
        self.model.depth.unwrap_or(default)
    }

    /// A warning that the user should see, if any.
    pub fn warning(&self) -> Option<String> {
        let (k, d) = (self.model.inner_dim?, self.model.embedding_dim);
        (k < d).then(|| {
            format!(
                "inner dimension k = {k} is below the embedding dimension d = {d}: by Theorem 2.2 (Ghaemmaghami et al. \
                 2020) a table with more than {k} rows then has rank at most {k}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_lie_on_top_of_defaults() {
        let mut table = toml::Table::new();
        set(&mut table, "model.inner_dim=64").unwrap();
        set(&mut table, "optimizer.learning_rate=0.1").unwrap();
        set(&mut table, "device=cpu").unwrap();
        let config = Config::from_table(table, "test").unwrap();
        assert_eq!(config.model.inner_dim, Some(64));
        assert_eq!(config.depth(), 2);
        assert_eq!(config.optimizer.learning_rate, 0.1);
        assert_eq!(config.device, "cpu");
        assert_eq!(config.training.batch_size, 128);
    }

    #[test]
    fn unknown_keys_and_contradictions_are_refused() {
        for bad in [
            "model.innerdim=3",
            "model.depth=2",
            "model.embedding_dim=0",
            "optimizer.learning_rate=-1",
            "optimizer.freeze_further_factors=true",
            "optimizer.freeze_further_factors=1",
        ] {
            let mut table = toml::Table::new();
            set(&mut table, bad).unwrap();
            assert!(Config::from_table(table, "test").is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn frozen_factors_have_no_monitor() {
        let mut table = toml::Table::new();
        for setting in [
            "model.inner_dim=8",
            "optimizer.freeze_further_factors=true",
            "training.monitor_dynamics=10",
        ] {
            set(&mut table, setting).unwrap();
        }
        let error = Config::from_table(table.clone(), "test").unwrap_err().to_string();
        assert!(error.contains("monitor_dynamics = 10"), "{error}");
        set(&mut table, "optimizer.freeze_further_factors=false").unwrap();
        assert!(Config::from_table(table, "test").is_ok());
    }

    #[test]
    fn a_resolved_configuration_reads_back() {
        let mut config = Config::default();
        config.model.inner_dim = Some(8);
        let unsaid = toml::to_string(&config).unwrap();
        assert!(
            !unsaid.contains("freeze"),
            "a setting at rest changes the bytes of old checkpoints"
        );
        config.optimizer.freeze_further_factors = true;
        let text = toml::to_string(&config).unwrap();
        assert_eq!(Config::from_table(text.parse().unwrap(), "test").unwrap(), config);
    }

    #[test]
    fn a_narrow_inner_dimension_warns() {
        let mut config = Config::default();
        config.model.inner_dim = Some(4);
        assert!(config.warning().unwrap().contains("Theorem 2.2"));
        config.model.inner_dim = Some(16);
        assert_eq!(config.warning(), None);
    }
}
