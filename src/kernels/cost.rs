//! What an operation is called, and what it costs by its shapes: what `mlet bench step` prints beside its time.

use super::rule::Rule;
use super::{Operation, update_rows};
use crate::backend::Matrix;

/// How many rows and categories a batch has; a mean over batches where it is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rows {
    /// U, the unique rows of all tables.
    pub unique: f64,
    /// E, the bag entries.
    pub entries: f64,
}

/// The work of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Floating-point operations of products: 2·m·n·k each. Additions of biases, activations, sums of bags and the
    /// parameters' steps are not counted.
    pub flops: f64,
    /// Bytes of every operand read, and of every one written, each once, without padding.
    pub bytes: f64,
}

/// f32 and u32 numbers.
const WORD: f64 = 4.0;

impl Cost {
    fn new(flops: f64, numbers: f64) -> Self {
        Self {
            flops,
            bytes: WORD * numbers,
        }
    }
}

/// Numbers of a matrix.
fn len(matrix: Matrix) -> f64 {
    (matrix.rows * matrix.cols) as f64
}

impl Operation {
    /// What it does, in a few words, without its shape.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LinearForward(_) => "linear forward",
            Self::LinearBackwardInput(_) => "linear backward input",
            Self::LinearBackwardWeight(_) => "linear backward weight",
            Self::GatherForward(_) => "gather forward",
            Self::FactorForward(_) => "factor forward",
            Self::FactorBackwardInput(_) => "factor backward input",
            Self::FactorBackwardWeight(_) => "factor backward weight",
            Self::EmbeddingForward(_) => "embedding forward",
            Self::EmbeddingBackward(_) => "embedding backward",
            Self::PoolForward(_) => "pool forward",
            Self::PoolBackward(_) => "pool backward",
            Self::InteractionForward(_) => "interaction forward",
            Self::InteractionBackward(_) => "interaction backward",
            Self::ConcatForward(_) => "concat forward",
            Self::ConcatBackward(_) => "concat backward",
            Self::Loss(_) => "loss",
            Self::UpdateRows(_) => "update rows",
            Self::Gram(_) => "gram",
        }
    }

    /// Its shape: rows × columns, of a product rows × columns × inner width; U stands for the batch's unique rows.
    pub fn shape(&self) -> String {
        let product = |rows: usize, cols: usize, inner: usize| format!("{rows} × {cols} × {inner}");
        let matrix = |of: Matrix| format!("{} × {}", of.rows, of.cols);
        match self {
            Self::LinearForward(op) => product(op.y.rows, op.y.cols, op.x.cols),
            Self::LinearBackwardInput(op) => product(op.grad_x.rows, op.grad_x.cols, op.grad_y.cols),
            Self::LinearBackwardWeight(op) => product(op.weight.rows, op.weight.cols, op.x.rows),
            Self::GatherForward(op) => format!("U × {}", op.x.cols),
            Self::FactorForward(op) => format!("U × {} × {}", op.y.cols, op.x.cols),
            Self::FactorBackwardInput(op) => format!("U × {} × {}", op.grad_x.cols, op.grad_y.cols),
            Self::FactorBackwardWeight(op) => format!("{} × {} × U", op.x.cols, op.grad_y.cols),
            Self::EmbeddingForward(op) => format!("U × {} × {}", op.factor.y.cols, op.factor.x.cols),
            Self::EmbeddingBackward(op) => format!("U × {} × {}", op.input.grad_x.cols, op.input.grad_y.cols),
            Self::PoolForward(op) => matrix(op.pooled),
            Self::PoolBackward(op) => format!("U × {}", op.grad_y.cols),
            Self::InteractionForward(op) => matrix(op.out),
            Self::InteractionBackward(op) => matrix(op.grad_out),
            Self::ConcatForward(op) => matrix(op.out),
            Self::ConcatBackward(op) => matrix(op.grad_out),
            Self::Loss(op) => matrix(op.logit),
            Self::UpdateRows(op) => format!("U × {}", op.grad.cols),
            Self::Gram(_) => String::new(),
        }
    }

    /// Its work on a batch with `rows`, counted from the shapes.
    pub fn cost(&self, rows: &Rows) -> Cost {
        let Rows { unique, entries } = *rows;
        match self {
            Self::LinearForward(op) => {
                let numbers = len(op.x) + len(op.weight) + op.y.cols as f64 + len(op.y);
                Cost::new(2.0 * len(op.y) * op.x.cols as f64, numbers)
            }
            Self::LinearBackwardInput(op) => {
                let gate = op.gate.map_or(0.0, len);
                let numbers = len(op.grad_y) + len(op.weight) + len(op.grad_x) + gate;
                Cost::new(2.0 * len(op.grad_x) * op.grad_y.cols as f64, numbers)
            }
            Self::LinearBackwardWeight(op) => {
                let parameters = len(op.weight) + op.grad_y.cols as f64;
                let numbers = len(op.grad_y) + len(op.x) + stepped(op.weight_rule) * parameters;
                Cost::new(2.0 * len(op.weight) * op.x.rows as f64, numbers)
            }
            Self::GatherForward(op) => Cost::new(0.0, unique * (1.0 + 2.0 * op.x.cols as f64)),
            Self::FactorForward(op) => factor(unique, op.x, op.y, op.weight),
            Self::FactorBackwardInput(op) => factor(unique, op.grad_y, op.grad_x, op.weight),
            Self::FactorBackwardWeight(op) => {
                let product = factor(unique, op.x, op.grad_y, op.weight);
                let more = (stepped(op.rule) - 1.0) * len(op.weight);
                Cost::new(product.flops, product.bytes / WORD + more)
            }
            Self::EmbeddingForward(op) => sum(&op.parts(), rows),
            Self::EmbeddingBackward(op) => sum(&op.parts(), rows),
            Self::PoolForward(op) => {
                let bags = op.batch.num_bags as f64;
                Cost::new(0.0, entries + bags + (entries + bags) * op.y.cols as f64)
            }
            Self::PoolBackward(op) => Cost::new(0.0, entries + unique + (entries + unique) * op.grad_y.cols as f64),
            Self::InteractionForward(op) => interaction(1.0, op.bottom, op.pooled, len(op.out)),
            Self::InteractionBackward(op) => interaction(2.0, op.bottom, op.pooled, len(op.grad_out)),
            Self::ConcatForward(op) => Cost::new(0.0, 2.0 * len(op.out)),
            Self::ConcatBackward(op) => Cost::new(0.0, 2.0 * len(op.grad_out)),
            Self::Loss(op) => Cost::new(0.0, 3.0 * len(op.logit)),
            Self::UpdateRows(op) => {
                let width = op.grad.cols as f64;
                let sums = match op.rule {
                    update_rows::Rule::Sgd => 0.0,
                    update_rows::Rule::Adagrad { .. } => 2.0 * width,
                    update_rows::Rule::RowwiseAdagrad { .. } => 2.0,
                };
                Cost::new(0.0, unique * (1.0 + 3.0 * width + sums))
            }
            // Not part of a step.
            Self::Gram(_) => Cost::default(),
        }
    }
}

/// Numbers read and written of a parameter that steps, a number of it.
fn stepped(rule: Rule) -> f64 {
    match rule {
        Rule::Sgd => 2.0,
        Rule::Adagrad { .. } => 4.0,
    }
}

/// What operations cost that are run as one: the bytes between them are counted though they need not be moved.
fn sum(parts: &[Operation], rows: &Rows) -> Cost {
    parts
        .iter()
        .map(|part| part.cost(rows))
        .fold(Cost::default(), |sum, part| Cost {
            flops: sum.flops + part.flops,
            bytes: sum.bytes + part.bytes,
        })
}

/// A product over the unique rows: two matrices with a row each, and a block of `weight` a table.
fn factor(unique: f64, one: Matrix, other: Matrix, weight: Matrix) -> Cost {
    let (inner, outer) = (one.cols as f64, other.cols as f64);
    Cost::new(2.0 * unique * inner * outer, unique * (inner + outer) + len(weight))
}

/// `times` the F(F+1)/2 products of every example's vectors; what is read of them is written once more on the way back.
fn interaction(times: f64, bottom: Matrix, pooled: Matrix, out: f64) -> Cost {
    let features = pooled.rows / bottom.rows;
    let products = (bottom.rows * super::interaction::num_products(features)) as f64;
    let vectors = len(bottom) + len(pooled);
    Cost::new(2.0 * times * products * bottom.cols as f64, times * vectors + out)
}
