//! What runs where a gather and a factor, or a factor's backward pass and the step of the rows, stand side by side. On the CPU
//! copies of the first factors' rows live no longer than they stay in a core's cache, and the numbers are the same to the bit; on a
//! GPU two dispatches are saved. The operations run as they were written where the tables lie in several shards.

use super::rule::Rule;
use super::{Operation, factor, gather, update_rows};
use crate::backend::ahead;
use crate::backend::cpu::{Memory, Real};
use crate::backend::layout::UNIQUE;
use crate::backend::product::{Form, View, columns_of, pack, packed_len, product, product_packed};
use std::ops::Range;

mod gpu;

/// Unique rows that are copied and multiplied at a time. Copied first, because then many reads are on their way to memory at
/// once; multiplied where they lie, each product would wait for its own. The next ones are asked for meanwhile.
const ROWS: usize = 32;
/// The same for the backward pass: as many terms of W's gradient, in parts that [`factor::Gradient`] can put together.
const BACKWARD_ROWS: usize = 64;

/// `y[u] = W1[unique_rows[u]]·W[table(u)]`.
#[derive(Debug, Clone)]
pub struct Forward {
    pub(super) gather: gather::Forward,
    pub(super) factor: factor::Forward,
}

/// The step of W and of the touched rows of W1 along the gradient of [`Forward`].
#[derive(Debug, Clone)]
pub struct Backward {
    pub(super) input: factor::BackwardInput,
    /// Absent where the factor is frozen.
    weight: Option<factor::BackwardWeight>,
    rows: update_rows::UpdateRows,
}

/// Puts these in the place of the operations that they stand for.
pub fn fuse(operations: Vec<Operation>) -> Vec<Operation> {
    let mut fused: Vec<Operation> = Vec::with_capacity(operations.len());
    for operation in operations {
        let joined = match (fused.as_slice(), &operation) {
            ([.., Operation::GatherForward(gather)], Operation::FactorForward(factor))
                if gather.tables.shards.len() == 1 && gather.x == factor.x =>
            {
                let (gather, factor) = (gather.clone(), *factor);
                Some((1, Operation::EmbeddingForward(Forward { gather, factor })))
            }
            (before, Operation::UpdateRows(rows)) if rows.tables.shards.len() == 1 => backward(before, rows),
            _ => None,
        };
        match joined {
            Some((taken, operation)) => {
                fused.truncate(fused.len() - taken);
                fused.push(operation);
            }
            None => fused.push(operation),
        }
    }
    fused
}

/// The backward pass that ends in the step of `rows`, and how many of the operations before it are part of it.
fn backward(before: &[Operation], rows: &update_rows::UpdateRows) -> Option<(usize, Operation)> {
    let (input, weight) = match before {
        [
            ..,
            Operation::FactorBackwardInput(input),
            Operation::FactorBackwardWeight(weight),
        ] => (input, Some(*weight)),
        [.., Operation::FactorBackwardInput(input)] => (input, None),
        _ => return None,
    };
    if input.grad_x != rows.grad {
        return None;
    }
    let taken = 1 + usize::from(weight.is_some());
    let (input, rows) = (*input, rows.clone());
    let joined = Box::new(Backward { input, weight, rows });
    Some((taken, Operation::EmbeddingBackward(joined)))
}

impl Forward {
    /// The CPU twin of `forward`: as [`gather::Forward::cpu`] and [`factor::Forward::cpu`].
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let (tables, weight, y) = (&self.gather.tables, self.factor.weight, self.factor.y);
        let stride = tables.stride();
        factor::by_table(memory, &self.factor.batch, weight, y, ROWS, |memory, rows, out, w| {
            T::with_scratch(rows.len() * stride, |x| {
                self.ask(memory, rows.end..rows.end + ROWS);
                self.gather.copy_rows(memory, rows.start, x);
                let x = View::rows_of(x, 0..rows.len(), tables.cols, stride);
                product(columns_of(out, y.cols, y.stride()), Form::Plain, x, w);
            });
        });
    }

    /// Asks for the unique rows `rows`, as many as there are: they are copied next.
    fn ask<T: Real>(&self, memory: &Memory<T>, rows: Range<usize>) {
        let (tables, batch) = (&self.gather.tables, &self.gather.batch);
        let shard = tables.shards[0];
        let end = rows.end.min(memory.ints(batch.counts)[UNIQUE] as usize);
        let unique = &memory.ints(batch.unique_rows)[rows.start..end];
        let rows = unique.iter().map(|&row| row as usize - shard.first_row);
        ahead::ask_rows(memory.floats(shard.buffer), tables.stride(), rows);
    }

    /// The operations it stands for.
    pub fn parts(&self) -> Vec<Operation> {
        vec![
            Operation::GatherForward(self.gather.clone()),
            Operation::FactorForward(self.factor),
        ]
    }
}

/// Some tables with what belongs to them: W1 from its row `first_row` on, W from table `tables.start` on, and the sums of both.
struct Part<'a, T> {
    tables: Range<usize>,
    first_row: usize,
    table: &'a mut [T],
    table_sums: &'a mut [T],
    weight: &'a mut [T],
    weight_sums: &'a mut [T],
}

impl Backward {
    /// The CPU twin of `backward_sgd` and `backward_adagrad`: as [`factor::BackwardInput::cpu`], [`factor::BackwardWeight::cpu`]
    /// and [`update_rows::UpdateRows::cpu`].
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let shard = self.rows.tables.shards[0];
        let weight_rule = self.weight.map_or(Rule::Sgd, |weight| weight.rule);
        let table_sum = self.rows.rule.sum().map(|sum| sum.shards[0].buffer);
        let mut table = memory.take(shard.buffer);
        let mut table_sums = table_sum.map(|sum| memory.take(sum)).unwrap_or_default();
        let mut weight = memory.take(self.input.weight.buffer);
        let mut weight_sums = weight_rule.take_sum(memory);
        self.steps(
            memory,
            Part {
                tables: 0..self.input.batch.num_tables,
                first_row: shard.first_row,
                table: &mut table,
                table_sums: &mut table_sums,
                weight: &mut weight,
                weight_sums: &mut weight_sums,
            },
        );
        weight_rule.put_sum(memory, weight_sums);
        memory.put(self.input.weight.buffer, weight);
        if let Some(sum) = table_sum {
            memory.put(sum, table_sums);
        }
        memory.put(shard.buffer, table);
    }

    /// The rows ascend with the tables, so a cut between two tables cuts everything in two: one table a task.
    fn steps<T: Real>(&self, memory: &Memory<T>, part: Part<'_, T>) {
        if part.tables.len() == 1 {
            return self.step_table(memory, part);
        }
        let middle = part.tables.start + part.tables.len() / 2;
        let start = memory.ints(self.input.batch.table_start)[middle] as usize;
        let unique = &memory.ints(self.input.batch.unique_rows)[start..self.unique(memory)];
        let stride = self.rows.tables.stride();
        let rows = unique
            .first()
            .map_or(part.table.len() / stride, |&row| row as usize - part.first_row);
        let (table, table_behind) = part.table.split_at_mut(rows * stride);
        let (sums, sums_behind) = part.table_sums.split_at_mut(rows * self.rows.sum_stride());
        let cut = (middle - part.tables.start) * self.block();
        let (weight, weight_behind) = part.weight.split_at_mut(cut);
        let weight_cut = cut.min(part.weight_sums.len());
        let (weight_sums, weight_sums_behind) = part.weight_sums.split_at_mut(weight_cut);
        let before = Part {
            tables: part.tables.start..middle,
            first_row: part.first_row,
            table,
            table_sums: sums,
            weight,
            weight_sums,
        };
        let behind = Part {
            tables: middle..part.tables.end,
            first_row: part.first_row + rows,
            table: table_behind,
            table_sums: sums_behind,
            weight: weight_behind,
            weight_sums: weight_sums_behind,
        };
        rayon::join(|| self.steps(memory, before), || self.steps(memory, behind));
    }

    fn unique<T: Real>(&self, memory: &Memory<T>) -> usize {
        memory.ints(self.input.batch.counts)[UNIQUE] as usize
    }

    /// Numbers of W that a table has.
    fn block(&self) -> usize {
        self.input.weight.rows / self.input.batch.num_tables * self.input.weight.stride()
    }

    /// One table, some of its unique rows at a time. W is packed for W1's gradient before it steps, and the rows' part of W's
    /// own gradient is taken before they step.
    fn step_table<T: Real>(&self, memory: &Memory<T>, mut part: Part<'_, T>) {
        let input = &self.input;
        let starts = &memory.ints(input.batch.table_start)[part.tables.start..];
        let (from, to) = (starts[0] as usize, starts[1] as usize);
        if from == to {
            return; // no rule moves along a gradient of zero
        }
        let unique = |rows: Range<usize>| &memory.ints(input.batch.unique_rows)[rows];
        let (inner, stride) = (input.weight.rows / input.batch.num_tables, self.rows.tables.stride());
        let sizes = [
            packed_len(inner, input.weight.cols),
            part.weight.len(),
            BACKWARD_ROWS * stride,
        ];
        T::with_scratch(sizes.iter().sum(), |scratch| {
            let (panels, scratch) = scratch.split_at_mut(sizes[0]);
            let (grad_weight, rows) = scratch.split_at_mut(sizes[1]);
            let mut grad_weight = factor::Gradient::new(grad_weight, input.weight.stride());
            self.ask(&part, unique(from..to.min(from + BACKWARD_ROWS)));
            pack(
                panels,
                View::rows_of(part.weight, 0..inner, input.weight.cols, input.weight.stride()),
            );
            for first in (from..to).step_by(BACKWARD_ROWS) {
                let some = first..to.min(first + BACKWARD_ROWS);
                self.ask(&part, unique(some.end..to.min(some.end + BACKWARD_ROWS)));
                let rows = &mut rows[..some.len() * stride];
                if let Some(weight) = &self.weight {
                    self.copy_rows(&part, unique(some.clone()), rows);
                    let x = View::rows_of(rows, 0..some.len(), self.rows.tables.cols, stride);
                    grad_weight.add(x, weight.grads(memory, some.clone()), first == from);
                }
                self.step_rows(memory, &mut part, unique(some.clone()), some, panels, rows);
            }
            if let Some(weight) = &self.weight {
                let rate = memory.floats(weight.scalars)[weight.rate];
                grad_weight.step(part.weight, part.weight_sums, rate);
            }
        });
    }

    /// Asks for rows of W1 that are needed next, and their sums.
    fn ask<T: Real>(&self, part: &Part<'_, T>, unique: &[u32]) {
        let rows = unique.iter().map(|&row| row as usize - part.first_row);
        ahead::ask_rows(part.table, self.rows.tables.stride(), rows.clone());
        ahead::ask_rows(part.table_sums, self.rows.sum_stride(), rows);
    }

    fn copy_rows<T: Real>(&self, part: &Part<'_, T>, unique: &[u32], rows: &mut [T]) {
        let stride = self.rows.tables.stride();
        for (&row, copy) in unique.iter().zip(rows.chunks_exact_mut(stride)) {
            let at = (row as usize - part.first_row) * stride;
            copy.copy_from_slice(&part.table[at..at + stride]);
        }
    }

    /// The step of the unique rows `some` along their gradient, which is computed in `grad_x`.
    fn step_rows<T: Real>(
        &self,
        memory: &Memory<T>,
        part: &mut Part<'_, T>,
        unique: &[u32],
        some: Range<usize>,
        panels: &[T],
        grad_x: &mut [T],
    ) {
        let (grad_y, tables) = (self.input.grad_y, &self.rows.tables);
        let rate = memory.floats(self.rows.scalars)[self.rows.rate];
        let grad_y = View::rows_of(memory.floats(grad_y.buffer), some, grad_y.cols, grad_y.stride());
        product_packed(columns_of(grad_x, tables.cols, tables.stride()), grad_y, panels);
        let part = update_rows::Part {
            first_row: part.first_row,
            rows: unique,
            grads: grad_x,
            table: part.table,
            sums: part.table_sums,
        };
        self.rows.step_rows(part, rate);
    }

    /// The operations it stands for.
    pub fn parts(&self) -> Vec<Operation> {
        let weight = self.weight.map(Operation::FactorBackwardWeight);
        std::iter::once(Operation::FactorBackwardInput(self.input))
            .chain(weight)
            .chain([Operation::UpdateRows(self.rows.clone())])
            .collect()
    }
}
