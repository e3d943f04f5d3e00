//! The layers a step is put together from: each adds its forward operations and, when training, its backward operations
//! and updates.

use super::parameters::{Factor, Layer, Parameters};
use crate::backend::{Allocate, Floats, Ints, Matrix, SparseBatch, stride};
use crate::kernels::{Operation, concat, factor, gather, interaction, linear, loss, pool, update_rows};
use crate::model::Architecture;
use crate::model::config::{Interaction, Loss};

/// `scalars[MLP_RATE]`: the learning rate of the MLPs.
pub const MLP_RATE: usize = 0;
/// `scalars[TABLE_RATE]`: the learning rate of every factor of the tables.
pub const TABLE_RATE: usize = 1;
/// Losses kept on the device between two readings.
pub const LOSS_SLOTS: usize = 1024;

/// The buffers that a batch is written to (docs/architecture.md, "A batch").
#[derive(Debug, Clone, Copy)]
pub struct BatchBuffers {
    /// (B, M)
    pub dense: Matrix,
    /// (B)
    pub label: Floats,
    /// (4)
    pub scalars: Floats,
    /// Which rows the batch uses
    pub sparse: SparseBatch,
}

/// A layer's output and, when training, the gradient that comes back to it.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    /// What it is
    pub value: Matrix,
    /// ∂loss/∂value; absent for inputs and when only the forward pass is built
    pub grad: Option<Matrix>,
    /// It is the output of a ReLU: who writes `grad` writes what passes back through it, `grad ⊙ [value > 0]`
    pub relu: bool,
}

/// The operations as they are put together.
pub struct Network<'a, A> {
    memory: &'a mut A,
    training: bool,
    /// Forward operations, in order.
    pub forward: Vec<Operation>,
    /// Backward operations and updates, a group a layer; run from the last group to the first.
    backward: Vec<Vec<Operation>>,
}

impl<'a, A: Allocate> Network<'a, A> {
    /// An empty network over a memory.
    pub fn new(memory: &'a mut A, training: bool) -> Self {
        Self {
            memory,
            training,
            forward: Vec::new(),
            backward: Vec::new(),
        }
    }

    /// The backward operations and updates, in the order they run.
    pub fn into_backward(self) -> Vec<Operation> {
        self.backward.into_iter().rev().flatten().collect()
    }

    fn matrix(&mut self, rows: usize, cols: usize) -> Result<Matrix, A::Error> {
        let buffer = self.memory.allocate_floats(rows * stride(cols))?;
        Ok(Matrix { buffer, rows, cols })
    }

    fn value(&mut self, rows: usize, cols: usize) -> Result<Value, A::Error> {
        let value = self.matrix(rows, cols)?;
        let grad = if self.training {
            Some(self.matrix(rows, cols)?)
        } else {
            None
        };
        let relu = false;
        Ok(Value { value, grad, relu })
    }

    fn ints(&mut self, len: usize) -> Result<Ints, A::Error> {
        self.memory.allocate_ints(len)
    }

    /// Room for a batch of `batch_size` examples.
    pub fn batch(
        &mut self,
        architecture: &Architecture,
        parameters: &Parameters,
        batch_size: usize,
    ) -> Result<BatchBuffers, A::Error> {
        let num_tables = architecture.tables.len();
        let num_bags = batch_size * num_tables;
        let num_dense = architecture.num_dense_features;
        let entries: usize = architecture.tables.iter().map(|table| table.max_bag).sum();
        let capacity = (batch_size * entries).max(1);
        Ok(BatchBuffers {
            dense: Matrix {
                buffer: self.memory.allocate_input(batch_size * stride(num_dense))?,
                rows: batch_size,
                cols: num_dense,
            },
            label: self.memory.allocate_input(stride(batch_size))?,
            scalars: self.memory.allocate_input(4)?,
            sparse: SparseBatch {
                num_tables,
                num_bags,
                capacity,
                counts: self.ints(4)?,
                table_start: self.ints(num_tables + 1)?,
                shard_start: self.ints(parameters.tables.shards.len() + 1)?,
                unique_rows: self.ints(capacity)?,
                unique_table: self.ints(capacity)?,
                bag_offsets: self.ints(num_bags + 1)?,
                bag_entries: self.ints(capacity)?,
                use_offsets: self.ints(capacity + 1)?,
                uses: self.ints(capacity)?,
            },
        })
    }

    /// y = ReLU(x·wᵀ + b) layer by layer; the last one's activation only if `relu_at_the_end`.
    pub fn mlp(
        &mut self,
        batch: &BatchBuffers,
        x: Value,
        layers: &[Layer],
        relu_at_the_end: bool,
    ) -> Result<Value, A::Error> {
        let mut x = x;
        for (index, layer) in layers.iter().enumerate() {
            x = self.linear(batch, x, layer, relu_at_the_end || index + 1 < layers.len())?;
        }
        Ok(x)
    }

    fn linear(&mut self, batch: &BatchBuffers, x: Value, layer: &Layer, relu: bool) -> Result<Value, A::Error> {
        let (weight, bias) = (layer.weight, layer.bias.buffer);
        let mut y = self.value(x.value.rows, weight.rows)?;
        y.relu = relu;
        self.forward.push(Operation::LinearForward(linear::Forward {
            x: x.value,
            weight,
            bias,
            y: y.value,
            relu,
        }));
        let Some(grad_y) = y.grad else { return Ok(y) };
        let mut backward = Vec::new();
        // The input's gradient is taken before the weight steps.
        if let Some(grad_x) = x.grad {
            backward.push(Operation::LinearBackwardInput(linear::BackwardInput {
                grad_y,
                weight,
                gate: x.relu.then_some(x.value),
                grad_x,
            }));
        }
        backward.push(Operation::LinearBackwardWeight(linear::BackwardWeight {
            grad_y,
            x: x.value,
            weight,
            bias,
            weight_rule: layer.weight_rule,
            bias_rule: layer.bias_rule,
            scalars: batch.scalars,
            rate: MLP_RATE,
        }));
        self.backward.push(backward);
        Ok(y)
    }

    /// The batch's unique rows of the first factors: `x[u] = W1[row u]`.
    pub fn gather(&mut self, batch: &BatchBuffers, parameters: &Parameters) -> Result<Value, A::Error> {
        let tables = &parameters.tables;
        let x = self.value(batch.sparse.capacity, tables.cols)?;
        self.forward.push(Operation::GatherForward(gather::Forward {
            tables: tables.clone(),
            batch: batch.sparse,
            x: x.value,
        }));
        if let Some(grad) = x.grad {
            self.backward.push(vec![Operation::UpdateRows(update_rows::UpdateRows {
                rule: parameters.tables_rule.clone(),
                tables: tables.clone(),
                batch: batch.sparse,
                grad,
                scalars: batch.scalars,
                rate: TABLE_RATE,
            })]);
        }
        Ok(x)
    }

    /// One further factor: `y[u] = x[u]·Wj` of the row's table. Frozen, it only passes the gradient on.
    pub fn factor(&mut self, batch: &BatchBuffers, x: Value, factor: &Factor) -> Result<Value, A::Error> {
        let (weight, sparse) = (factor.weight, batch.sparse);
        let y = self.value(x.value.rows, weight.cols)?;
        self.forward.push(Operation::FactorForward(factor::Forward {
            batch: sparse,
            x: x.value,
            weight,
            y: y.value,
        }));
        if let (Some(grad_y), Some(grad_x)) = (y.grad, x.grad) {
            // The input's gradient is taken before the weight steps.
            let mut backward = vec![Operation::FactorBackwardInput(factor::BackwardInput {
                batch: sparse,
                grad_y,
                weight,
                grad_x,
            })];
            // A frozen factor has no weight gradient either.
            if let Some(rule) = factor.rule {
                backward.push(Operation::FactorBackwardWeight(factor::BackwardWeight {
                    batch: sparse,
                    x: x.value,
                    grad_y,
                    weight,
                    rule,
                    scalars: batch.scalars,
                    rate: TABLE_RATE,
                }));
            }
            self.backward.push(backward);
        }
        Ok(y)
    }

    /// Bags summed: pooled[b·F + f] = Σ of the bag's rows.
    pub fn pool(&mut self, batch: &BatchBuffers, y: Value) -> Result<Value, A::Error> {
        let pooled = self.value(batch.sparse.num_bags, y.value.cols)?;
        self.forward.push(Operation::PoolForward(pool::Forward {
            batch: batch.sparse,
            y: y.value,
            pooled: pooled.value,
        }));
        if let (Some(grad_pooled), Some(grad_y)) = (pooled.grad, y.grad) {
            self.backward.push(vec![Operation::PoolBackward(pool::Backward {
                batch: batch.sparse,
                grad_pooled,
                grad_y,
            })]);
        }
        Ok(pooled)
    }

    /// How the F+1 vectors meet.
    pub fn interaction(
        &mut self,
        kind: Interaction,
        bottom: Value,
        pooled: Value,
        width: usize,
    ) -> Result<Value, A::Error> {
        let out = self.value(bottom.value.rows, width)?;
        let (b, p, o) = (bottom.value, pooled.value, out.value);
        self.forward.push(match kind {
            Interaction::Dot => Operation::InteractionForward(interaction::Forward {
                bottom: b,
                pooled: p,
                out: o,
            }),
            Interaction::Cat => Operation::ConcatForward(concat::Forward {
                bottom: b,
                pooled: p,
                out: o,
            }),
        });
        if let (Some(grad_out), Some(grad_bottom), Some(grad_pooled)) = (out.grad, bottom.grad, pooled.grad) {
            self.backward.push(vec![match kind {
                Interaction::Dot => Operation::InteractionBackward(interaction::Backward {
                    bottom: b,
                    pooled: p,
                    grad_out,
                    grad_bottom,
                    grad_pooled,
                }),
                Interaction::Cat => Operation::ConcatBackward(concat::Backward {
                    bottom: b,
                    grad_out,
                    grad_bottom,
                    grad_pooled,
                }),
            }]);
        }
        Ok(out)
    }

    /// The mean loss of the batch, into a slot that is read once in a while. Returns the slots.
    pub fn loss(&mut self, batch: &BatchBuffers, kind: Loss, logit: Value) -> Result<Floats, A::Error> {
        let losses = self.memory.allocate_floats(LOSS_SLOTS)?;
        if let Some(grad_logit) = logit.grad {
            self.backward.push(vec![Operation::Loss(loss::Loss {
                kind: match kind {
                    Loss::Bce => loss::Kind::Bce,
                    Loss::Mse => loss::Kind::Mse,
                },
                counts: batch.sparse.counts,
                logit: logit.value,
                label: batch.label,
                grad_logit,
                losses,
            })]);
        }
        Ok(losses)
    }
}
