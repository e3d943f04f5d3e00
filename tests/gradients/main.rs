//! Every backward pass against central differences, in f64, by the worst element.
//!
//! The CPU code is one text for f32 and f64, so what is checked in f64 is what trains in f32. With h = ε^{1/3} ≈ 6e-6 a
//! central difference is wrong by h²·|f‴|/6 + ε·|f|/h, some 1e-11 each where f and its derivatives are of order one; the
//! tolerance leaves a factor of 100 for sums of up to 100 terms.

#[path = "../common/load.rs"]
mod load;
mod model;
mod operations;

use mlet::backend::cpu::Memory;
use mlet::backend::{Allocate, Floats, Matrix, stride};
use mlet::kernels::Operation;
use mlet::train::initialize::{Distribution, TensorRandom};

/// ε^{1/3}
pub const H: f64 = 6.055e-6;
/// Relative to max(1, |gradient|).
pub const TOLERANCE: f64 = 1e-9;

/// Deterministic numbers in (−1, 1).
pub fn numbers(name: &str, count: usize) -> Vec<f64> {
    let mut values = vec![0.0; count];
    TensorRandom::new(7, name, count).fill(0..1, Distribution::Uniform { bound: 1.0 }, &mut values);
    values
}

/// A matrix of deterministic numbers, its padding zero.
pub fn matrix(memory: &mut Memory<f64>, name: &str, rows: usize, cols: usize) -> Matrix {
    let Ok(buffer) = memory.allocate_floats(rows * stride(cols));
    let values = numbers(name, rows * cols);
    let out = memory.floats_mut(buffer);
    for (i, value) in values.into_iter().enumerate() {
        out[i / cols * stride(cols) + i % cols] = value;
    }
    Matrix { buffer, rows, cols }
}

/// The central difference of `loss` by one element.
pub fn difference(
    memory: &mut Memory<f64>,
    buffer: Floats,
    at: usize,
    loss: &mut impl FnMut(&mut Memory<f64>) -> f64,
) -> f64 {
    let before = memory.floats(buffer)[at];
    memory.floats_mut(buffer)[at] = before + H;
    let above = loss(memory);
    memory.floats_mut(buffer)[at] = before - H;
    let below = loss(memory);
    memory.floats_mut(buffer)[at] = before;
    (above - below) / (2.0 * H)
}

/// Fails if the element lies too far from its central difference.
pub fn compare(what: &str, at: usize, gradient: f64, difference: f64) {
    let gap = (gradient - difference).abs();
    let allowed = TOLERANCE * gradient.abs().max(1.0);
    assert!(
        gap <= allowed,
        "{what}[{at}]: gradient {gradient}, central difference {difference}"
    );
}

/// Runs operations in order.
pub fn run(memory: &mut Memory<f64>, operations: &[Operation]) {
    operations.iter().for_each(|operation| operation.cpu(memory));
}
