//! A DLRM's shapes: its tables and their factors, its MLPs, the names of its parameters.

use super::config::{Config, Interaction};

/// One categorical feature's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// The feature's name.
    pub feature: String,
    /// n.
    pub num_embeddings: usize,
    /// The longest bag of the feature; 1 for a plain category.
    pub max_bag: usize,
}

/// A DLRM with deep linear embeddings (Naumov et al. 2019; Ghaemmaghami et al. 2020, Eq. 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// M.
    pub num_dense_features: usize,
    /// One a categorical feature.
    pub tables: Vec<TableShape>,
    /// d.
    pub embedding_dim: usize,
    /// Output widths of the factors, in the order of the product: `[d]`, `[k, d]`, `[k, k, d]`, ….
    pub factor_widths: Vec<usize>,
    /// Widths of the bottom MLP, input and output included.
    pub bottom_mlp: Vec<usize>,
    /// Widths of the top MLP, input and logit included.
    pub top_mlp: Vec<usize>,
    /// How the features meet.
    pub interaction: Interaction,
}

/// A parameter's name and shape, as it stands in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterShape {
    /// The checkpoint's name for it.
    pub name: String,
    /// One or two sizes.
    pub shape: Vec<usize>,
}

impl Architecture {
    /// The network of a configuration over a data set's features.
    pub fn new(config: &Config, num_dense_features: usize, tables: Vec<TableShape>) -> Self {
        let d = config.model.embedding_dim;
        let inner = config.model.inner_dim.unwrap_or(d);
        let mut factor_widths = vec![inner; config.depth() - 1];
        factor_widths.push(d);
        let features = tables.len();
        let interaction_width = match config.model.interaction {
            Interaction::Dot => d + features * (features + 1) / 2,
            Interaction::Cat => d * (features + 1),
        };
        let widths = |input: usize, hidden: &[usize], output: usize| {
            let mut widths = vec![input];
            widths.extend_from_slice(hidden);
            widths.push(output);
            widths
        };
        Self {
            num_dense_features,
            embedding_dim: d,
            factor_widths,
            bottom_mlp: widths(num_dense_features, &config.model.bottom_mlp, d),
            top_mlp: widths(interaction_width, &config.model.top_mlp, 1),
            interaction: config.model.interaction,
            tables,
        }
    }

    /// Width of the first factor: k, or d of a single layer.
    pub fn first_width(&self) -> usize {
        self.factor_widths[0]
    }

    /// Σn, the rows of all tables.
    pub fn total_rows(&self) -> usize {
        self.tables.iter().map(|table| table.num_embeddings).sum()
    }

    /// Shapes of table `t`'s factors: (n, k), (k, k), …, (k, d).
    pub fn factor_shapes(&self, t: usize) -> Vec<[usize; 2]> {
        let mut rows = self.tables[t].num_embeddings;
        let shapes = self.factor_widths.iter().map(|&cols| {
            let shape = [rows, cols];
            rows = cols;
            shape
        });
        shapes.collect()
    }

    /// Every parameter, in the order of the checkpoint.
    pub fn parameters(&self) -> Vec<ParameterShape> {
        let mut parameters = Vec::new();
        for (name, widths) in [("bottom_mlp", &self.bottom_mlp), ("top_mlp", &self.top_mlp)] {
            for (layer, pair) in widths.windows(2).enumerate() {
                parameters.push(ParameterShape {
                    name: mlp_name(name, layer, "weight"),
                    shape: vec![pair[1], pair[0]],
                });
                parameters.push(ParameterShape {
                    name: mlp_name(name, layer, "bias"),
                    shape: vec![pair[1]],
                });
            }
        }
        for (t, table) in self.tables.iter().enumerate() {
            for (j, shape) in self.factor_shapes(t).into_iter().enumerate() {
                parameters.push(ParameterShape {
                    name: factor_name(&table.feature, j),
                    shape: shape.to_vec(),
                });
            }
        }
        parameters
    }

    /// Number of parameters, frozen ones included.
    pub fn num_parameters(&self) -> u64 {
        let sizes = self.parameters();
        sizes
            .iter()
            .map(|parameter| parameter.shape.iter().product::<usize>() as u64)
            .sum()
    }

    /// Bytes of the tables as trained, all factors counted.
    pub fn table_bytes(&self) -> u64 {
        let factors = (0..self.tables.len()).flat_map(|t| self.factor_shapes(t));
        factors.map(|[rows, cols]| 4 * (rows * cols) as u64).sum()
    }

    /// Bytes of the tables after the collapse.
    pub fn collapsed_table_bytes(&self) -> u64 {
        4 * (self.total_rows() * self.embedding_dim) as u64
    }
}

/// `bottom_mlp.2.weight`: layers count by two, as in `nn.Sequential(Linear, ReLU, Linear, …)`.
pub fn mlp_name(mlp: &str, layer: usize, part: &str) -> String {
    format!("{mlp}.{}.{part}", 2 * layer)
}

/// `embedding.<feature>.factor.<j>`, j from 1; here `index` counts from 0.
pub fn factor_name(feature: &str, index: usize) -> String {
    format!("embedding.{feature}.factor.{}", index + 1)
}

/// `embedding.<feature>.weight`: a collapsed table.
pub fn collapsed_name(feature: &str) -> String {
    format!("embedding.{feature}.weight")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_tables(inner: Option<usize>, depth: Option<usize>) -> Architecture {
        let mut config = Config::default();
        config.model.inner_dim = inner;
        config.model.depth = depth;
        let table = |feature: &str, num_embeddings| TableShape {
            feature: feature.into(),
            num_embeddings,
            max_bag: 1,
        };
        Architecture::new(&config, 13, vec![table("C1", 100), table("C2", 3)])
    }

    #[test]
    fn factors_chain_from_n_to_d() {
        assert_eq!(two_tables(None, None).factor_shapes(0), [[100, 16]]);
        assert_eq!(two_tables(Some(64), None).factor_shapes(1), [[3, 64], [64, 16]]);
        assert_eq!(
            two_tables(Some(8), Some(3)).factor_shapes(0),
            [[100, 8], [8, 8], [8, 16]]
        );
    }

    #[test]
    fn names_are_those_of_a_sequential_module() {
        let names: Vec<String> = two_tables(Some(64), None)
            .parameters()
            .into_iter()
            .map(|p| p.name)
            .collect();
        assert_eq!(names[2], "bottom_mlp.2.weight");
        assert_eq!(names.last().unwrap(), "embedding.C2.factor.2");
    }

    #[test]
    fn dlrm_of_three_features_has_three_products() {
        assert_eq!(two_tables(None, None).top_mlp[0], 16 + 3);
    }
}
