//! Flags that are settings: those that several commands share, and settings by section and key.

use clap::ValueEnum;
use toml::{Table, Value};

/// What every command that sets a model up can be told.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ModelFlags {
    /// auto, cpu, or a part of an adapter's name (see `mlet devices`) [default: auto]
    #[arg(long)]
    device: Option<String>,
    /// Threads of the CPU backend; 0: all. No number that is computed depends on it [default: 0]
    #[arg(long)]
    threads: Option<usize>,
    /// Seed of the initial values and of the examples' order [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// d, the width of the tables [default: 16]
    #[arg(long, value_name = "D")]
    embedding_dim: Option<usize>,
    /// k, the inner width of the factors; absent: a single layer
    #[arg(long, value_name = "K")]
    pub inner_dim: Option<usize>,
    /// N, the number of factors [default: 2 with --inner-dim, else 1]
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// How parameters step [default: sgd]
    #[arg(long, value_enum, value_name = "RULE")]
    optimizer: Option<Optimizer>,
    /// Examples a batch [default: 128]
    #[arg(long, value_name = "B")]
    batch_size: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Optimizer {
    Sgd,
    Adagrad,
    RowwiseAdagrad,
}

impl ModelFlags {
    /// These, and where one was not given that of `below`.
    pub fn or(&self, below: &Self) -> Self {
        Self {
            device: self.device.clone().or_else(|| below.device.clone()),
            threads: self.threads.or(below.threads),
            seed: self.seed.or(below.seed),
            embedding_dim: self.embedding_dim.or(below.embedding_dim),
            inner_dim: self.inner_dim.or(below.inner_dim),
            depth: self.depth.or(below.depth),
            optimizer: self.optimizer.or(below.optimizer),
            batch_size: self.batch_size.or(below.batch_size),
        }
    }

    /// These for a single layer.
    pub fn single(&self) -> Self {
        Self {
            inner_dim: None,
            depth: None,
            ..self.clone()
        }
    }

    /// Those that were given, as settings.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        let optimizer = self.optimizer.and_then(|rule| rule.to_possible_value());
        settings.put("", "device", text(self.device.as_ref()));
        settings.put("", "threads", integer(self.threads));
        settings.put("", "seed", integer(self.seed));
        settings.put("model", "embedding_dim", integer(self.embedding_dim));
        settings.put("model", "inner_dim", integer(self.inner_dim));
        settings.put("model", "depth", integer(self.depth));
        settings.put(
            "optimizer",
            "rule",
            text(optimizer.as_ref().map(|rule| rule.get_name())),
        );
        settings.put("training", "batch_size", integer(self.batch_size));
        settings
    }
}

/// Settings that were given.
#[derive(Debug, Default)]
pub struct Settings(pub Table);

impl Settings {
    /// A setting, if it was given; the section "" is the top.
    pub fn put(&mut self, section: &str, key: &str, value: Option<Value>) {
        let Some(value) = value else { return };
        let table = match section {
            "" => Some(&mut self.0),
            _ => self
                .0
                .entry(section)
                .or_insert_with(|| Table::new().into())
                .as_table_mut(),
        };
        table.and_then(|table| table.insert(key.into(), value));
    }
}

/// A number that TOML can hold: larger ones become the largest, which no setting allows.
pub fn integer<T: TryInto<i64>>(value: Option<T>) -> Option<Value> {
    value.map(|value| Value::Integer(value.try_into().unwrap_or(i64::MAX)))
}

/// A word.
pub fn text(value: Option<impl ToString>) -> Option<Value> {
    value.map(|value| Value::String(value.to_string()))
}
