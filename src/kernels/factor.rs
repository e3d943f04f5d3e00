//! One further factor of every table's product (Ghaemmaghami et al. 2020, Eq. 2): `y[u] = x[u]·W[table(u)]`, computed once a
//! unique row. The factors of all tables lie in one matrix, table t's block in rows `t·inputs..(t+1)·inputs`.

use super::rule::{self, Rule};
use crate::backend::cpu::{Memory, Real};
use crate::backend::lanes;
use crate::backend::layout::UNIQUE;
use crate::backend::product::{Form, View, add_transposed, columns_of, product};
use crate::backend::{Floats, Matrix, SparseBatch};
use rayon::prelude::*;

mod gpu;

pub(super) use gpu::blocks_by_table;

/// Unique rows that one task computes.
const ROWS: usize = 256;

/// `y[u] = x[u]·W[table(u)]`.
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// Which rows belong to which table
    pub batch: SparseBatch,
    /// (capacity, inputs)
    pub x: Matrix,
    /// (F·inputs, outputs)
    pub weight: Matrix,
    /// (capacity, outputs), written up to the number of unique rows
    pub y: Matrix,
}

impl Forward {
    /// The CPU twin of `forward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        multiply(memory, &self.batch, self.x, self.weight, self.y, Form::Plain);
    }
}

/// `grad_x[u] = grad_y[u]·W[table(u)]ᵀ`.
#[derive(Debug, Clone, Copy)]
pub struct BackwardInput {
    /// Which rows belong to which table
    pub batch: SparseBatch,
    /// (capacity, outputs)
    pub grad_y: Matrix,
    /// (F·inputs, outputs)
    pub weight: Matrix,
    /// (capacity, inputs), written up to the number of unique rows
    pub grad_x: Matrix,
}

impl BackwardInput {
    /// The CPU twin of `backward_input`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let form = Form::RightTransposed;
        multiply(memory, &self.batch, self.grad_y, self.weight, self.grad_x, form);
    }
}

/// `out[u] = write(rows of one table, W of that table)`, piece by piece of at most `rows` unique rows each.
pub(super) fn by_table<T: Real>(
    memory: &mut Memory<T>,
    batch: &SparseBatch,
    weight: Matrix,
    out: Matrix,
    rows: usize,
    write: impl Fn(&Memory<T>, std::ops::Range<usize>, &mut [T], View<'_, T>) + Sync,
) {
    let mut values = memory.take(out.buffer);
    let unique = memory.ints(batch.counts)[UNIQUE] as usize;
    let table_start = memory.ints(batch.table_start);
    let weights = memory.floats(weight.buffer);
    let block = weight.rows / batch.num_tables;
    let stride = out.stride();
    values[..unique * stride]
        .par_chunks_mut(rows * stride)
        .enumerate()
        .for_each(|(chunk, values)| {
            let (first, last) = (chunk * rows, chunk * rows + values.len() / stride);
            let mut table = table_start.partition_point(|&start| start as usize <= first) - 1;
            let mut from = first;
            while from < last {
                let to = (table_start[table + 1] as usize).min(last);
                let of_table = table * block..(table + 1) * block;
                let w = View::rows_of(weights, of_table, weight.cols, weight.stride());
                let out = &mut values[(from - first) * stride..(to - first) * stride];
                write(memory, from..to, out, w);
                (from, table) = (to, table + 1);
            }
        });
    memory.put(out.buffer, values);
}

/// `out[u] = a[u]·W` or `a[u]·Wᵀ`, W the block of u's table.
fn multiply<T: Real>(memory: &mut Memory<T>, batch: &SparseBatch, a: Matrix, weight: Matrix, out: Matrix, form: Form) {
    by_table(memory, batch, weight, out, ROWS, |memory, rows, values, w| {
        let a = View::rows_of(memory.floats(a.buffer), rows, a.cols, a.stride());
        product(columns_of(values, out.cols, out.stride()), form, a, w);
    });
}

/// The step of W along `grad_W[t] = Σ_{u of table t} x[u]ᵀ·grad_y[u]`, which is never stored.
#[derive(Debug, Clone, Copy)]
pub struct BackwardWeight {
    /// Which rows belong to which table
    pub batch: SparseBatch,
    /// (capacity, inputs)
    pub x: Matrix,
    /// (capacity, outputs)
    pub grad_y: Matrix,
    /// (F·inputs, outputs), stepped; a table without rows in the batch has gradient zero
    pub weight: Matrix,
    /// How W steps
    pub rule: Rule,
    /// (4), travels with the batch
    pub scalars: Floats,
    /// Which of the scalars is η
    pub rate: usize,
}

impl BackwardWeight {
    /// The CPU twin of `backward_weight_sgd` and `backward_weight_adagrad`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut weight = memory.take(self.weight.buffer);
        let mut sums = self.rule.take_sum(memory);
        let block = self.weight.rows / self.batch.num_tables * self.weight.stride();
        let tables = weight.par_chunks_mut(block);
        match self.rule {
            Rule::Sgd => tables
                .enumerate()
                .for_each(|(table, weight)| self.step(memory, table, weight, &mut [])),
            Rule::Adagrad { .. } => tables
                .zip(sums.par_chunks_mut(block))
                .enumerate()
                .for_each(|(table, (weight, sums))| self.step(memory, table, weight, sums)),
        }
        self.rule.put_sum(memory, sums);
        memory.put(self.weight.buffer, weight);
    }

    /// One table's W.
    fn step<T: Real>(&self, memory: &Memory<T>, table: usize, weight: &mut [T], sums: &mut [T]) {
        let table_start = memory.ints(self.batch.table_start);
        let rows = table_start[table] as usize..table_start[table + 1] as usize;
        if rows.is_empty() {
            return; // no rule moves along a gradient of zero
        }
        let x = memory.floats(self.x.buffer);
        let rate = memory.floats(self.scalars)[self.rate];
        let x = View::rows_of(x, rows.clone(), self.x.cols, self.x.stride());
        T::with_scratch(weight.len(), |grad| {
            let mut grad = Gradient::new(grad, self.weight.stride());
            grad.add(x, self.grads(memory, rows), true);
            grad.step(weight, sums, rate);
        });
    }

    /// The unique rows `rows` of grad_y with their padding, which is zero: so are the columns of xᵀ·grad_y that pad W.
    pub(super) fn grads<'a, T: Real>(&self, memory: &'a Memory<T>, rows: std::ops::Range<usize>) -> View<'a, T> {
        let stride = self.weight.stride();
        View::rows_of(memory.floats(self.grad_y.buffer), rows, stride, stride)
    }
}

/// One table's grad_W = xᵀ·grad_y while it is added up.
pub(super) struct Gradient<'a, T> {
    /// (inputs, outputs); where the outputs are few (outputs, inputs), so that whole vectors are multiplied
    sums: &'a mut [T],
    inputs: usize,
    outputs: usize,
}

impl<'a, T: Real> Gradient<'a, T> {
    /// Of a W with as many numbers as `sums`, in rows of `outputs`; nothing yet.
    pub(super) fn new(sums: &'a mut [T], outputs: usize) -> Self {
        let inputs = sums.len() / outputs;
        Self { sums, inputs, outputs }
    }

    fn turned(&self) -> bool {
        2 * self.outputs <= self.inputs.min(lanes::MOST)
    }

    /// The terms of some unique rows, the first ones or more: see [`add_transposed`].
    pub(super) fn add(&mut self, x: View<'_, T>, grad_y: View<'_, T>, begin: bool) {
        let (left, right, cols) = match self.turned() {
            true => (grad_y, x, self.inputs),
            false => (x, grad_y, self.outputs),
        };
        let sums = columns_of(self.sums, cols, cols);
        match begin {
            true => product(sums, Form::LeftTransposed, left, right),
            false => add_transposed(sums, left, right),
        }
    }

    /// The step of W along it.
    pub(super) fn step(self, weight: &mut [T], weight_sums: &mut [T], rate: T) {
        if !self.turned() {
            return rule::step(weight, weight_sums, self.sums, rate);
        }
        T::with_scratch(self.sums.len(), |grad| {
            for (input, row) in grad.chunks_exact_mut(self.outputs).enumerate() {
                for (value, of_output) in row.iter_mut().zip(self.sums.chunks_exact(self.inputs)) {
                    *value = of_output[input];
                }
            }
            rule::step(weight, weight_sums, grad, rate);
        });
    }
}
