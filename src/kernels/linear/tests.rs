use super::halves::halves;
use super::{BackwardInput, Forward};
use crate::backend::cpu::Memory;
use crate::backend::product::columns_a_task;
use crate::backend::{Allocate, Matrix, stride};

/// An empty matrix.
fn matrix(memory: &mut Memory<f64>, rows: usize, cols: usize) -> Matrix {
    let buffer = memory.allocate_floats(rows * stride(cols)).unwrap();
    Matrix { buffer, rows, cols }
}

/// Whole numbers, so that every sum is exact, with padding of zeros.
fn numbers(memory: &mut Memory<f64>, matrix: Matrix) -> Vec<f64> {
    let stride = matrix.stride();
    let number = |at: usize| match at % stride < matrix.cols {
        true => (at * 7 % 11) as f64 - 5.0,
        false => 0.0,
    };
    let numbers: Vec<f64> = (0..matrix.rows * stride).map(number).collect();
    memory.floats_mut(matrix.buffer).copy_from_slice(&numbers);
    numbers
}

#[test]
fn columns_a_task_are_the_layer_whatever_its_width() {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    // The second task has 69 columns, and the bias is padded.
    let (batch, inputs, units) = (9, 6, 197);
    assert_eq!(threads.install(|| columns_a_task(batch, units)), Some(128));
    let mut memory = Memory::<f64>::default();
    let [x, weight, y, bias] = [(batch, inputs), (units, inputs), (batch, units), (1, units)]
        .map(|(rows, cols)| matrix(&mut memory, rows, cols));
    let [of_x, of_w, of_b] = [x, weight, bias].map(|matrix| numbers(&mut memory, matrix));
    let layer = Forward {
        x,
        weight,
        bias: bias.buffer,
        y,
        relu: true,
    };
    threads.install(|| layer.cpu(&mut memory));
    let of_y = memory.floats(y.buffer);
    for b in 0..batch {
        for o in 0..units {
            let term = |i: usize| of_x[b * x.stride() + i] * of_w[o * weight.stride() + i];
            let sum = (0..inputs).map(term).sum::<f64>() + of_b[o];
            assert_eq!(of_y[b * y.stride() + o], sum.max(0.0), "example {b}, unit {o}");
        }
    }
}

#[test]
fn two_halves_are_the_sum_and_leave_the_padding() {
    let (batch, units, inputs) = (9, 130, 5);
    assert_eq!(halves(batch, units), Some([0..128, 128..130]));
    let mut memory = Memory::<f64>::default();
    let operation = BackwardInput {
        grad_y: matrix(&mut memory, batch, units),
        weight: matrix(&mut memory, units, inputs),
        gate: Some(matrix(&mut memory, batch, inputs)),
        grad_x: matrix(&mut memory, batch, inputs),
    };
    let grad_y = numbers(&mut memory, operation.grad_y);
    let weight = numbers(&mut memory, operation.weight);
    let x = numbers(&mut memory, operation.gate.unwrap());
    let mut scratch = memory.take_scratch(1000);
    scratch.fill(f64::NAN);
    memory.put_scratch(scratch);
    operation.cpu(&mut memory);
    let (grad_x, stride) = (memory.floats(operation.grad_x.buffer), operation.grad_x.stride());
    for (at, &value) in grad_x.iter().enumerate() {
        let (b, i) = (at / stride, at % stride);
        let term = |o: usize| grad_y[b * operation.grad_y.stride() + o] * weight[o * stride + i];
        let passes = i < inputs && x[at] > 0.0;
        let expected = if passes { (0..units).map(term).sum() } else { 0.0 };
        assert_eq!(value, expected, "example {b}, input {i}");
    }
}
