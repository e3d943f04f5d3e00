use super::Forward;
use crate::backend::cpu::Memory;
use crate::backend::product::columns_a_task;
use crate::backend::{Allocate, Floats, Matrix, stride};

/// Whole numbers, so that every sum is exact.
fn numbers(memory: &mut Memory<f64>, buffer: Floats) -> Vec<f64> {
    for (at, value) in memory.floats_mut(buffer).iter_mut().enumerate() {
        *value = (at * 7 % 11) as f64 - 5.0;
    }
    memory.floats(buffer).to_vec()
}

#[test]
fn columns_a_task_are_the_layer_whatever_its_width() {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    // The second task has 69 columns, and the bias is padded.
    let (batch, inputs, units) = (9, 6, 197);
    assert_eq!(threads.install(|| columns_a_task(batch, units)), Some(128));
    let mut memory = Memory::<f64>::default();
    let mut matrix = |rows: usize, cols: usize| {
        let buffer = memory.allocate_floats(rows * stride(cols)).unwrap();
        Matrix { buffer, rows, cols }
    };
    let (x, weight, y) = (matrix(batch, inputs), matrix(units, inputs), matrix(batch, units));
    let bias = matrix(1, units).buffer;
    let [of_x, of_w, of_b] = [x.buffer, weight.buffer, bias].map(|buffer| numbers(&mut memory, buffer));
    let relu = true;
    let layer = Forward {
        x,
        weight,
        bias,
        y,
        relu,
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
