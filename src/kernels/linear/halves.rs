//! grad_x = grad_y·w as the sum of two halves, for batches that are small beside a layer: each half reads the rows of w that
//! belong to its units of y alone. As a rule the same thread steps and packs them, and so w stays in its core's cache;
//! were grad_x cut by rows, every thread would fetch the rows that the others have stepped. What the threads exchange are
//! halves of grad_x instead, which are smaller.

use super::{BackwardInput, pass};
use crate::backend::cpu::{Memory, Real};
use crate::backend::product::{Form, MASKED, View, columns_of, product, rows_a_task};
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;

/// The units of y in two halves, where it is worth it for a batch of `rows` examples. It depends on the shape alone, as the
/// bits of the sums do.
pub(super) fn halves(rows: usize, units: usize) -> Option<[Range<usize>; 2]> {
    let first = units.div_ceil(2).next_multiple_of(MASKED);
    (2 * rows <= units && first < units).then_some([0..first, first..units])
}

impl BackwardInput {
    /// Writes grad_x; `second` holds anything.
    pub(super) fn by_halves<T: Real>(
        &self,
        memory: &Memory<T>,
        grad_x: &mut [T],
        second: &mut [T],
        [first_units, second_units]: [Range<usize>; 2],
    ) {
        let rows = rows_a_task(2 * self.grad_x.rows).min(self.grad_x.rows);
        let length = rows * self.grad_x.stride();
        let first_half = grad_x.par_chunks_mut(length).enumerate();
        let second_half = second.par_chunks_mut(length).enumerate();
        let tasks = first_half.map(|task| (first_units.clone(), task));
        tasks
            .chain(second_half.map(|task| (second_units.clone(), task)))
            .for_each(|(units, (chunk, out))| self.terms_of(memory, chunk * rows, units, out));
        self.add_halves(memory, grad_x, second);
    }

    /// The terms of some units of y, for some rows of grad_x from `first` on. With the padding of w, which is zero: so are the
    /// columns that pad grad_x, and more of them are whole vectors.
    pub(super) fn terms_of<T: Real>(&self, memory: &Memory<T>, first: usize, units: Range<usize>, out: &mut [T]) {
        let (grad_y, weight) = (memory.floats(self.grad_y.buffer), memory.floats(self.weight.buffer));
        let stride = self.grad_x.stride();
        // Some columns of grad_y: its rows keep their distance, only the start moves.
        let grad_y = View {
            data: &grad_y[first * self.grad_y.stride() + units.start..],
            rows: out.len() / stride,
            cols: units.len(),
            stride: self.grad_y.stride(),
        };
        let weight = View::rows_of(weight, units, stride, stride);
        product(columns_of(out, stride, stride), Form::Plain, grad_y, weight);
    }

    /// Adds the second half to the first, and lets pass what passes back through a ReLU.
    fn add_halves<T: Real>(&self, memory: &Memory<T>, grad_x: &mut [T], second: &[T]) {
        let length = rows_a_task(self.grad_x.rows) * self.grad_x.stride();
        let gate = self.gate.map(|x| memory.floats(x.buffer));
        grad_x
            .par_chunks_mut(length)
            .zip(second.par_chunks(length))
            .enumerate()
            .for_each(|(chunk, (grad_x, second))| {
                Arch::new().dispatch(|| {
                    for (grad, &second) in grad_x.iter_mut().zip(second) {
                        *grad += second;
                    }
                });
                if let Some(x) = gate {
                    pass(grad_x, &x[chunk * length..]);
                }
            });
    }
}
