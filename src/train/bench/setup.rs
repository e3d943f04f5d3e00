//! What is measured: the shapes of public data sets, and what is put on top of them.

use crate::model::architecture::TableShape;
use crate::model::config::ConfigError;
use crate::model::{Architecture, Config};
use serde::{Deserialize, Serialize};

/// Rows of Criteo-Kaggle's 26 tables, 33,762,577 together.
const CRITEO: [usize; 26] = [
    1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992, 5461306, 10, 5652,
    2173, 4, 7046547, 18, 15, 286181, 105, 142572,
];

/// Rows of Avazu's 21 tables, 9,449,205 together.
const AVAZU: [usize; 21] = [
    7, 7, 4737, 7745, 26, 8552, 559, 36, 2686408, 6729486, 8251, 5, 4, 2626, 8, 9, 435, 4, 68, 172, 60,
];

/// The shapes of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Criteo-Kaggle, tables capped at 100,000 rows: M = 13, bottom MLP 512-256-128, top MLP 512-256.
    Criteo,
    /// Criteo-Kaggle with all 33.8 million rows.
    CriteoFull,
    /// Avazu with all 9.4 million rows: M = 1, bottom MLP 256-128, top MLP 512-256.
    Avazu,
}

impl Shape {
    /// n of every table, before [`Setup::cap`].
    fn tables(self) -> &'static [usize] {
        match self {
            Self::Criteo | Self::CriteoFull => &CRITEO,
            Self::Avazu => &AVAZU,
        }
    }

    /// The cap that is meant by the name.
    fn cap(self) -> Option<usize> {
        (self == Self::Criteo).then_some(100_000)
    }

    /// M.
    fn num_dense(self) -> usize {
        match self {
            Self::Criteo | Self::CriteoFull => 13,
            Self::Avazu => 1,
        }
    }

    /// Hidden widths of the paper's bottom MLP (Ghaemmaghami et al. 2020, section 3).
    pub fn bottom_mlp(self) -> Vec<usize> {
        match self {
            Self::Criteo | Self::CriteoFull => vec![512, 256, 128],
            Self::Avazu => vec![256, 128],
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Criteo => "criteo",
            Self::CriteoFull => "criteo-full",
            Self::Avazu => "avazu",
        }
    }
}

/// How an example's rows are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rows {
    /// Every row of a table as likely as another.
    Uniform,
    /// Row ⌊n·u⁴⌋ for a uniform u: few rows have most of the uses.
    Power,
}

/// One thing to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The tables' sizes and M.
    pub shape: Shape,
    /// The most rows of a table; absent: the shape's own.
    pub cap: Option<usize>,
    /// Multiplies every table's rows, after the cap.
    pub scale_tables: f64,
    /// How rows are drawn.
    pub rows: Rows,
    /// The network, the optimiser, the batch, the device, the seed.
    pub config: Config,
}

/// The learning rate of steps that are measured: the parameters step and hardly move. What the CPU leaves out for zeros of
/// ReLUs (about half, as on real data) then stays the same for as long as is measured; random labels, learnt by heart, would
/// make more and more of them.
const LEARNING_RATE: f64 = 1e-6;

impl Setup {
    /// The paper's setting at a shape: batch 128, SGD, a single layer d = 16; at a learning rate of nearly zero.
    pub fn new(shape: Shape) -> Self {
        let mut config = Config::default();
        config.optimizer.learning_rate = LEARNING_RATE;
        config.model.bottom_mlp = shape.bottom_mlp();
        Self {
            shape,
            cap: None,
            scale_tables: 1.0,
            rows: Rows::Uniform,
            config,
        }
    }

    /// n of every table.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for sizes that leave no row or more than 2³² − 1 in all.
    pub fn table_rows(&self) -> Result<Vec<usize>, ConfigError> {
        let bad = |key, value: String, problem| Err(ConfigError::Value { key, value, problem });
        if !(self.scale_tables.is_finite() && self.scale_tables > 0.0) {
            let problem = "must be a number above 0";
            return bad("--scale-tables", self.scale_tables.to_string(), problem);
        }
        let cap = self.cap.or(self.shape.cap()).unwrap_or(usize::MAX);
        if cap == 0 {
            return bad("--cap", "0".into(), "must be at least 1");
        }
        let scaled = |&n: &usize| ((n.min(cap) as f64 * self.scale_tables).round() as usize).max(1);
        let rows: Vec<usize> = self.shape.tables().iter().map(scaled).collect();
        let total = rows.iter().fold(0, |sum: usize, &n| sum.saturating_add(n));
        if total > u32::MAX as usize {
            let problem = "more than 4,294,967,295 rows in all, which 32-bit numbers do not count";
            return bad("--scale-tables", self.scale_tables.to_string(), problem);
        }
        Ok(rows)
    }

    /// The network.
    ///
    /// # Errors
    /// As [`Setup::table_rows`].
    pub fn architecture(&self) -> Result<Architecture, ConfigError> {
        let tables = (1..)
            .zip(self.table_rows()?)
            .map(|(number, num_embeddings)| TableShape {
                feature: format!("C{number}"),
                num_embeddings,
                max_bag: 1,
            });
        Ok(Architecture::new(
            &self.config,
            self.shape.num_dense(),
            tables.collect(),
        ))
    }

    /// The set-up in a line: `criteo, single layer d = 16, batch 128`, and what is not as usual.
    pub fn words(&self) -> String {
        let (config, model) = (&self.config, &self.config.model);
        let mut words = vec![self.shape.name().to_owned()];
        words.push(match (model.inner_dim, config.depth()) {
            (None, _) => format!("single layer d = {}", model.embedding_dim),
            (Some(k), 2) => format!("two layers k = {k}, d = {}", model.embedding_dim),
            (Some(k), depth) => format!("{depth} layers k = {k}, d = {}", model.embedding_dim),
        });
        words.push(format!("batch {}", config.training.batch_size));
        if let Some(cap) = self.cap {
            words.push(format!("tables capped at {cap} rows"));
        }
        if self.scale_tables != 1.0 {
            words.push(format!("tables × {}", self.scale_tables));
        }
        if self.rows == Rows::Power {
            words.push("rows from a power law".into());
        }
        match config.optimizer.rule {
            crate::model::config::Rule::Sgd => {}
            crate::model::config::Rule::Adagrad => words.push("adagrad".into()),
            crate::model::config::Rule::RowwiseAdagrad => words.push("rowwise-adagrad".into()),
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_of_the_data_sets() {
        let total = |setup: &Setup| setup.table_rows().unwrap().iter().sum::<usize>();
        assert_eq!(total(&Setup::new(Shape::CriteoFull)), 33_762_577);
        assert_eq!(total(&Setup::new(Shape::Criteo)), 840_543);
        assert_eq!(total(&Setup::new(Shape::Avazu)), 9_449_205);
        let mut scaled = Setup::new(Shape::Criteo);
        (scaled.cap, scaled.scale_tables) = (Some(10), 2.0);
        assert_eq!(scaled.table_rows().unwrap()[..9], [20, 20, 20, 20, 20, 20, 20, 20, 6]);
        scaled.scale_tables = 1e9;
        assert!(scaled.table_rows().unwrap_err().to_string().contains("--scale-tables"));
    }
}
