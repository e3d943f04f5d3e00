//! Where every parameter lies in a backend's memory, and under which name a checkpoint has it.

use crate::backend::{Allocate, Floats, Matrix, Shard, ShardedRows, stride};
use crate::data::loader::RowLayout;
use crate::kernels::{rule, update_rows};
use crate::model::Architecture;
use crate::model::architecture::{factor_name, mlp_name};
use crate::model::config::{Optimizer, Rule};
use std::ops::Range;

/// Consecutive rows of a padded matrix that may be cut into shards: where a named tensor lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// The matrix.
    pub matrix: ShardedRows,
    /// The tensor's rows of it.
    pub rows: Range<usize>,
}

impl Region {
    fn of(matrix: Matrix, rows: Range<usize>) -> Self {
        let shard = Shard {
            buffer: matrix.buffer,
            first_row: 0,
            rows: matrix.rows,
        };
        Self {
            matrix: ShardedRows {
                shards: vec![shard],
                cols: matrix.cols,
            },
            rows,
        }
    }

    /// The pieces of the region, one a shard: the buffer, the rows within it, the rows within the region.
    pub fn pieces(&self) -> impl Iterator<Item = (Floats, Range<usize>, Range<usize>)> + '_ {
        self.matrix.shards.iter().filter_map(|shard| {
            let from = self.rows.start.max(shard.first_row);
            let to = self.rows.end.min(shard.first_row + shard.rows);
            // Only then do the differences below exist: a shard before the region ends before the region starts.
            (from < to).then(|| {
                let within = from - shard.first_row..to - shard.first_row;
                (shard.buffer, within, from - self.rows.start..to - self.rows.start)
            })
        })
    }
}

/// A named tensor of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Where it lies.
    pub region: Region,
}

/// A fully connected layer's parameters and the optimiser's sums beside them.
#[derive(Debug, Clone, Copy)]
pub struct Layer {
    /// (out, in)
    pub weight: Matrix,
    /// (1, out)
    pub bias: Matrix,
    /// How the weight steps.
    pub weight_rule: rule::Rule,
    /// How the bias steps.
    pub bias_rule: rule::Rule,
}

/// One of the factors 2…N of all tables.
#[derive(Debug, Clone, Copy)]
pub struct Factor {
    /// (F·k, k) or (F·k, d): table t's block in rows t·k…
    pub weight: Matrix,
    /// How it steps; absent: it is frozen.
    pub rule: Option<rule::Rule>,
}

/// Every parameter of a DLRM in a backend's memory.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// The bottom MLP.
    pub bottom: Vec<Layer>,
    /// The top MLP.
    pub top: Vec<Layer>,
    /// The first factors of all tables, behind one another: (Σn, k).
    pub tables: ShardedRows,
    /// How their rows step.
    pub tables_rule: update_rows::Rule,
    /// The factors 2…N.
    pub factors: Vec<Factor>,
    /// (F+1): the global row at which each table begins.
    pub base: Vec<usize>,
    /// The parameters by name.
    pub named: Vec<Named>,
    /// The optimiser's sums by name.
    pub sums: Vec<Named>,
}

impl Parameters {
    /// Makes room for all parameters and the optimiser's sums; every number is zero. What is frozen has no sums.
    pub fn allocate<A: Allocate>(
        architecture: &Architecture,
        optimizer: &Optimizer,
        memory: &mut A,
    ) -> Result<Self, A::Error> {
        let mut room = Room {
            memory,
            rule: optimizer.rule,
            named: Vec::new(),
            sums: Vec::new(),
        };
        let bottom = room.mlp("bottom_mlp", &architecture.bottom_mlp)?;
        let top = room.mlp("top_mlp", &architecture.top_mlp)?;
        let mut base = vec![0];
        for table in &architecture.tables {
            base.push(base[base.len() - 1] + table.num_embeddings);
        }
        let (tables, tables_rule) = room.tables(architecture, &base)?;
        let factors = room.factors(architecture, optimizer.freeze_further_factors)?;
        Ok(Self {
            bottom,
            top,
            tables,
            tables_rule,
            factors,
            base,
            named: room.named,
            sums: room.sums,
        })
    }
}

impl Parameters {
    /// Where the tables and their shards begin, for the loader.
    pub fn row_layout(&self) -> RowLayout {
        RowLayout {
            base: self.base.clone(),
            shard_first: self.tables.shards.iter().map(|shard| shard.first_row).collect(),
        }
    }
}

/// What allocation needs at hand.
struct Room<'a, A> {
    memory: &'a mut A,
    rule: Rule,
    named: Vec<Named>,
    sums: Vec<Named>,
}

impl<A: Allocate> Room<'_, A> {
    fn matrix(&mut self, rows: usize, cols: usize) -> Result<Matrix, A::Error> {
        let buffer = self.memory.allocate_floats(rows * stride(cols))?;
        Ok(Matrix { buffer, rows, cols })
    }

    /// A dense parameter's rule, with room for its sum.
    fn rule(&mut self, of: Matrix) -> Result<(rule::Rule, Option<Matrix>), A::Error> {
        Ok(match self.rule {
            Rule::Sgd => (rule::Rule::Sgd, None),
            Rule::Adagrad | Rule::RowwiseAdagrad => {
                let sum = self.matrix(of.rows, of.cols)?;
                (rule::Rule::Adagrad { sum: sum.buffer }, Some(sum))
            }
        })
    }

    fn name(&mut self, name: String, shape: Vec<usize>, at: Region, sum: Option<Region>) {
        if let Some(region) = sum {
            let rows_and_cols = [region.rows.len(), region.matrix.cols];
            let one_column = region.matrix.cols == 1 && shape.last() != Some(&1);
            self.sums.push(Named {
                name: format!("optimizer.{name}.sum"),
                shape: if one_column {
                    rows_and_cols.to_vec()
                } else {
                    shape.clone()
                },
                region,
            });
        }
        self.named.push(Named {
            name,
            shape,
            region: at,
        });
    }

    fn mlp(&mut self, name: &str, widths: &[usize]) -> Result<Vec<Layer>, A::Error> {
        let mut layers = Vec::new();
        for (index, pair) in widths.windows(2).enumerate() {
            let (inputs, outputs) = (pair[0], pair[1]);
            let weight = self.matrix(outputs, inputs)?;
            let (weight_rule, weight_sum) = self.rule(weight)?;
            let bias = self.matrix(1, outputs)?;
            let (bias_rule, bias_sum) = self.rule(bias)?;
            let all = |m: Matrix| Region::of(m, 0..m.rows);
            let weight_shape = vec![outputs, inputs];
            self.name(
                mlp_name(name, index, "weight"),
                weight_shape,
                all(weight),
                weight_sum.map(all),
            );
            self.name(
                mlp_name(name, index, "bias"),
                vec![outputs],
                all(bias),
                bias_sum.map(all),
            );
            layers.push(Layer {
                weight,
                bias,
                weight_rule,
                bias_rule,
            });
        }
        Ok(layers)
    }

    /// The first factors. The sums of a row lie in the same shard as the row.
    fn tables(
        &mut self,
        architecture: &Architecture,
        base: &[usize],
    ) -> Result<(ShardedRows, update_rows::Rule), A::Error> {
        let cols = architecture.first_width();
        let total = architecture.total_rows();
        let cuts = ShardedRows::cut(total, cols, self.memory.max_shard_elements());
        let tables = self.sharded(&cuts, cols)?;
        let rule = match self.rule {
            Rule::Sgd => update_rows::Rule::Sgd,
            Rule::Adagrad => update_rows::Rule::Adagrad {
                sum: self.sharded(&cuts, cols)?,
            },
            Rule::RowwiseAdagrad => update_rows::Rule::RowwiseAdagrad {
                sum: self.sharded(&cuts, 1)?,
            },
        };
        for (t, table) in architecture.tables.iter().enumerate() {
            let at = |matrix: &ShardedRows| Region {
                matrix: matrix.clone(),
                rows: base[t]..base[t + 1],
            };
            let shape = vec![table.num_embeddings, cols];
            self.name(factor_name(&table.feature, 0), shape, at(&tables), rule.sum().map(at));
        }
        Ok((tables, rule))
    }

    fn sharded(&mut self, cuts: &[Range<usize>], cols: usize) -> Result<ShardedRows, A::Error> {
        let mut shards = Vec::new();
        for rows in cuts {
            shards.push(Shard {
                buffer: self.memory.allocate_floats(rows.len() * stride(cols))?,
                first_row: rows.start,
                rows: rows.len(),
            });
        }
        Ok(ShardedRows { shards, cols })
    }

    fn factors(&mut self, architecture: &Architecture, frozen: bool) -> Result<Vec<Factor>, A::Error> {
        let mut factors = Vec::new();
        for (index, pair) in architecture.factor_widths.windows(2).enumerate() {
            let (inputs, outputs) = (pair[0], pair[1]);
            let weight = self.matrix(architecture.tables.len() * inputs, outputs)?;
            let (rule, sum) = if frozen {
                (None, None)
            } else {
                let (rule, sum) = self.rule(weight)?;
                (Some(rule), sum)
            };
            for (t, table) in architecture.tables.iter().enumerate() {
                let block = |m: Matrix| Region::of(m, t * inputs..(t + 1) * inputs);
                let name = factor_name(&table.feature, index + 1);
                self.name(name, vec![inputs, outputs], block(weight), sum.map(block));
            }
            factors.push(Factor { weight, rule });
        }
        Ok(factors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Memory;

    /// Run with overflow checks (`cargo test`): a region has shards before it, behind it and across its ends.
    #[test]
    fn a_region_is_cut_where_its_shards_are() {
        let mut memory = Memory::<f32>::new();
        let mut shard = |first_row| {
            let Ok(buffer) = memory.allocate_floats(12);
            let rows = 3;
            Shard {
                buffer,
                first_row,
                rows,
            }
        };
        let shards = vec![shard(0), shard(3), shard(6)];
        let buffers: Vec<Floats> = shards.iter().map(|shard| shard.buffer).collect();
        let pieces = |rows: Range<usize>| {
            let matrix = ShardedRows {
                shards: shards.clone(),
                cols: 4,
            };
            Region { matrix, rows }.pieces().collect::<Vec<_>>()
        };
        assert_eq!(pieces(2..5), [(buffers[0], 2..3, 0..1), (buffers[1], 0..2, 1..3)]);
        assert_eq!(pieces(7..9), [(buffers[2], 1..3, 0..2)]);
        assert_eq!(pieces(3..6), [(buffers[1], 0..3, 0..3)]);
        assert_eq!(pieces(4..4), []);
    }
}
