//! A fully connected layer: y = act(x·wᵀ + b), with w (out, in) as in PyTorch.

use super::rule::{self, Rule};
use crate::backend::cpu::{Memory, Real};
use crate::backend::product::{
    Form, MOST_ROWS, PANEL, View, columns_a_task, columns_of, pack, packed_len, product, product_packed, rows_a_task,
};
use crate::backend::{Floats, Matrix};
use ndarray::parallel::prelude::*;
use ndarray::{ArrayViewMut2, Axis};
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;

mod gpu;
mod halves;

use halves::halves;

/// Numbers of a weight that one thread packs.
const PACKED_ALONE: usize = 1 << 15;

/// y = act(x·wᵀ + b).
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// (B, in)
    pub x: Matrix,
    /// (out, in)
    pub weight: Matrix,
    /// (out)
    pub bias: Floats,
    /// (B, out), written
    pub y: Matrix,
    /// act = max(0, ·), else the identity
    pub relu: bool,
}

impl Forward {
    /// The CPU twin of `forward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut y = memory.take(self.y.buffer);
        let out = columns_of(&mut y, self.y.cols, self.y.stride());
        match columns_a_task(self.y.rows, self.y.cols) {
            Some(cols) => self.by_columns(memory, out, cols),
            None => {
                let mut panels = memory.take_scratch(packed_len(self.weight.rows, self.weight.cols));
                self.by_rows(memory, out, &mut panels);
                memory.put_scratch(panels);
            }
        }
        memory.put(self.y.buffer, y);
    }

    /// Tasks of `cols` columns of y each, which pack the rows of w that they need: as a rule those that the same thread
    /// stepped, and always into memory of its own. Their sums lie there too until they are complete: a processor that reads
    /// ahead behind the end of a task's columns would take the next one's away from the thread that adds them up.
    fn by_columns<T: Real>(&self, memory: &Memory<T>, y: ArrayViewMut2<'_, T>, cols: usize) {
        let (weight, bias) = (memory.floats(self.weight.buffer), memory.floats(self.bias));
        let x = self.rows_of_x(memory, 0..self.x.rows);
        y.into_axis_chunks_iter_mut(Axis(1), cols)
            .into_par_iter()
            .zip(weight.par_chunks(cols * self.weight.stride()))
            .zip(bias.par_chunks(cols))
            .for_each(|((y, weight), bias)| {
                let cols = y.ncols();
                T::with_scratch(y.len() + packed_len(cols, self.weight.cols), |scratch| {
                    let (sums, panels) = scratch.split_at_mut(y.len());
                    self.pack_rows(panels, weight);
                    product_packed(columns_of(sums, cols, cols), x, panels);
                    Arch::new().dispatch(|| self.activate_sums(y, sums, bias));
                });
            });
    }

    /// Tasks of some rows of y each, after all threads have packed w.
    fn by_rows<T: Real>(&self, memory: &Memory<T>, mut y: ArrayViewMut2<'_, T>, panels: &mut [T]) {
        self.pack(panels, memory.floats(self.weight.buffer));
        let bias = memory.floats(self.bias);
        let rows = rows_a_task(self.y.rows);
        y.axis_chunks_iter_mut(Axis(0), rows)
            .into_par_iter()
            .enumerate()
            .for_each(|(chunk, mut y)| {
                let first = chunk * rows;
                let x = self.rows_of_x(memory, first..first + y.nrows());
                product_packed(y.view_mut(), x, panels);
                Arch::new().dispatch(|| self.activate(y, bias));
            });
    }

    fn rows_of_x<'a, T: Real>(&self, memory: &'a Memory<T>, rows: Range<usize>) -> View<'a, T> {
        View::rows_of(memory.floats(self.x.buffer), rows, self.x.cols, self.x.stride())
    }

    /// w in panels, by all threads unless that takes longer than waking them.
    fn pack<T: Real>(&self, panels: &mut [T], weight: &[T]) {
        let one = |(panel, rows): (&mut [T], &[T])| self.pack_rows(panel, rows);
        let (length, rows) = (PANEL * self.weight.cols, PANEL * self.weight.stride());
        match self.weight.padded_len() {
            ..=PACKED_ALONE => panels.chunks_mut(length).zip(weight.chunks(rows)).for_each(one),
            _ => panels.par_chunks_mut(length).zip(weight.par_chunks(rows)).for_each(one),
        }
    }

    /// Some rows of w in panels, by this thread.
    fn pack_rows<T: Real>(&self, panels: &mut [T], rows: &[T]) {
        let (cols, stride) = (self.weight.cols, self.weight.stride());
        pack(panels, View::rows_of(rows, 0..rows.len() / stride, cols, stride));
    }

    /// y = act(y + b), row by row.
    #[inline(always)]
    fn activate<T: Real>(&self, mut y: ArrayViewMut2<'_, T>, bias: &[T]) {
        for row in y.rows_mut() {
            let row = row.into_slice().expect("rows lie in one piece");
            for (value, &bias) in row.iter_mut().zip(bias) {
                *value = self.act(*value + bias);
            }
        }
    }

    /// y = act(sums + b), row by row; the rows of the sums follow each other.
    #[inline(always)]
    fn activate_sums<T: Real>(&self, mut y: ArrayViewMut2<'_, T>, sums: &[T], bias: &[T]) {
        let cols = y.ncols(); // the bias may be padded
        for (row, sums) in y.rows_mut().into_iter().zip(sums.chunks_exact(cols)) {
            let row = row.into_slice().expect("rows lie in one piece");
            for ((value, &sum), &bias) in row.iter_mut().zip(sums).zip(bias) {
                *value = self.act(sum + bias);
            }
        }
    }

    #[inline(always)]
    fn act<T: Real>(&self, sum: T) -> T {
        if self.relu { Real::max(sum, T::zero()) } else { sum }
    }
}

/// grad_x = grad_y·w, and what passes back through the ReLU that x came out of.
#[derive(Debug, Clone, Copy)]
pub struct BackwardInput {
    /// (B, out)
    pub grad_y: Matrix,
    /// (out, in)
    pub weight: Matrix,
    /// (B, in): x, where it is the output of a ReLU: `grad_x ⊙= [x > 0]`
    pub gate: Option<Matrix>,
    /// (B, in), written
    pub grad_x: Matrix,
}

impl BackwardInput {
    /// The CPU twin of `backward_input`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut grad_x = memory.take(self.grad_x.buffer);
        match halves(self.grad_x.rows, self.weight.rows) {
            Some(halves) => {
                let mut second = memory.take_scratch(grad_x.len());
                let length = grad_x.len();
                self.by_halves(memory, &mut grad_x, &mut second[..length], halves);
                memory.put_scratch(second);
            }
            None => self.by_rows(memory, &mut grad_x),
        }
        memory.put(self.grad_x.buffer, grad_x);
    }

    /// Tasks of some rows of grad_x each.
    fn by_rows<T: Real>(&self, memory: &Memory<T>, grad_x: &mut [T]) {
        let gate = self.gate.map(|x| memory.floats(x.buffer));
        let (rows, stride) = (rows_a_task(self.grad_x.rows), self.grad_x.stride());
        grad_x
            .par_chunks_mut(rows * stride)
            .enumerate()
            .for_each(|(chunk, grad_x)| {
                let first = chunk * rows;
                self.terms_of(memory, first, 0..self.weight.rows, grad_x);
                if let Some(x) = gate {
                    pass(grad_x, &x[first * stride..]);
                }
            });
    }
}

/// `grad ⊙= [x > 0]`: what passes back through a ReLU whose output is x.
pub(super) fn pass<T: Real>(grad: &mut [T], x: &[T]) {
    Arch::new().dispatch(|| {
        for (grad, &x) in grad.iter_mut().zip(x) {
            *grad = if x <= T::zero() { T::zero() } else { *grad };
        }
    });
}

/// The step of w along grad_w = grad_yᵀ·x, and of b along grad_b = Σ_b grad_y: the gradients are never stored.
#[derive(Debug, Clone, Copy)]
pub struct BackwardWeight {
    /// (B, out)
    pub grad_y: Matrix,
    /// (B, in)
    pub x: Matrix,
    /// (out, in), stepped
    pub weight: Matrix,
    /// (out), stepped
    pub bias: Floats,
    /// How w steps
    pub weight_rule: Rule,
    /// How b steps: the same rule with a sum of its own
    pub bias_rule: Rule,
    /// (4), travels with the batch
    pub scalars: Floats,
    /// Which of the scalars is η
    pub rate: usize,
}

/// Some rows of a weight and their biases, with Adagrad's sums or none.
struct Rows<'a, T> {
    first: usize,
    weight: &'a mut [T],
    weight_sum: &'a mut [T],
    bias: &'a mut [T],
    bias_sum: &'a mut [T],
}

impl BackwardWeight {
    /// The CPU twin of `backward_weight_sgd` and `backward_weight_adagrad`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let (mut weight, mut bias) = (memory.take(self.weight.buffer), memory.take(self.bias));
        let mut weight_sum = self.weight_rule.take_sum(memory);
        let mut bias_sum = self.bias_rule.take_sum(memory);
        let block = rows_a_task(self.weight.rows);
        let length = block * self.weight.stride();
        let weights = weight.par_chunks_mut(length).zip(bias.par_chunks_mut(block));
        let rows = |chunk, (weight, bias), (weight_sum, bias_sum)| Rows {
            first: chunk * block,
            weight,
            weight_sum,
            bias,
            bias_sum,
        };
        match self.weight_rule {
            Rule::Sgd => weights
                .enumerate()
                .for_each(|(chunk, weights)| self.step(memory, rows(chunk, weights, (&mut [], &mut [])))),
            Rule::Adagrad { .. } => weights
                .zip(weight_sum.par_chunks_mut(length).zip(bias_sum.par_chunks_mut(block)))
                .enumerate()
                .for_each(|(chunk, (weights, sums))| self.step(memory, rows(chunk, weights, sums))),
        }
        self.weight_rule.put_sum(memory, weight_sum);
        self.bias_rule.put_sum(memory, bias_sum);
        memory.put(self.weight.buffer, weight);
        memory.put(self.bias, bias);
    }

    fn step<T: Real>(&self, memory: &Memory<T>, rows: Rows<'_, T>) {
        let rate = memory.floats(self.scalars)[self.rate];
        let (cols, stride) = (self.weight.cols, self.weight.stride());
        let count = rows.weight.len() / stride;
        let x = memory.floats(self.x.buffer);
        // With its padding, which is zero, so that more columns are whole vectors: that of w has no gradient then.
        let x = View::rows_of(x, 0..self.x.rows, stride, stride);
        // The columns `first..` of grad_y: its rows keep their distance, only the start moves.
        let grad_y = View {
            data: &memory.floats(self.grad_y.buffer)[rows.first..],
            rows: self.grad_y.rows,
            cols: count,
            stride: self.grad_y.stride(),
        };
        let sum_stride = if rows.weight_sum.is_empty() { 0 } else { stride };
        T::with_scratch(rows.weight.len(), |grad| {
            product(columns_of(grad, stride, stride), Form::LeftTransposed, grad_y, x);
            for (r, (weight, grad)) in rows
                .weight
                .chunks_exact_mut(stride)
                .zip(grad.chunks_exact(stride))
                .enumerate()
            {
                let sums = &mut rows.weight_sum[r * sum_stride..];
                rule::step(&mut weight[..cols], sums, &grad[..cols], rate);
            }
        });
        let mut grad_bias = [T::zero(); MOST_ROWS];
        Arch::new().dispatch(|| {
            for row in grad_y.data.chunks(grad_y.stride).take(grad_y.rows) {
                for (sum, &grad) in grad_bias[..count].iter_mut().zip(row) {
                    *sum += grad;
                }
            }
        });
        rule::step(&mut rows.bias[..count], rows.bias_sum, &grad_bias[..count], rate);
    }
}

#[cfg(test)]
mod tests;
