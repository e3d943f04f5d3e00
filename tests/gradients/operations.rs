//! Operation by operation: L = Σ cᵢ·outᵢ with fixed random c, so that ∂L/∂out = c.

use super::{compare, difference, matrix, numbers, run};
use mlet::backend::cpu::Memory;
use mlet::backend::{Allocate, Floats, Ints, Matrix, SparseBatch};
use mlet::kernels::rule::Rule;
use mlet::kernels::{Operation, concat, factor, interaction, linear, loss, pool};

/// Forward and backward of one operation, its output with the gradient that is put in, its inputs with the gradients that
/// come out.
struct Case {
    memory: Memory<f64>,
    forward: Operation,
    backward: Vec<Operation>,
    out: Matrix,
    grad_out: Matrix,
    inputs: Vec<(&'static str, Matrix, Matrix)>,
}

impl Case {
    /// The rows of `out` that count are `rows`.
    fn check(mut self, rows: usize) {
        let used = rows * self.out.stride();
        let c = self.memory.floats(self.grad_out.buffer)[..used].to_vec();
        run(&mut self.memory, std::slice::from_ref(&self.forward));
        run(&mut self.memory, &self.backward);
        let (out, forward) = (self.out, self.forward.clone());
        let mut loss = |memory: &mut Memory<f64>| {
            forward.cpu(memory);
            memory.floats(out.buffer)[..used]
                .iter()
                .zip(&c)
                .map(|(out, c)| out * c)
                .sum::<f64>()
        };
        for (what, input, grad) in &self.inputs {
            for at in 0..input.padded_len() {
                if at % input.stride() >= input.cols {
                    continue;
                }
                let gradient = self.memory.floats(grad.buffer)[at];
                let difference = difference(&mut self.memory, input.buffer, at, &mut loss);
                compare(what, at, gradient, difference);
            }
        }
    }
}

fn ints(memory: &mut Memory<f64>, values: &[u32]) -> Ints {
    let Ok(handle) = memory.allocate_ints(values.len());
    memory.ints_mut(handle).copy_from_slice(values);
    handle
}

/// Two tables and one without rows between them; 3 examples; bags of 0 to 3 rows, one with a row twice; 4 unique rows.
fn sparse(memory: &mut Memory<f64>) -> SparseBatch {
    SparseBatch {
        num_tables: 3,
        num_bags: 9,
        capacity: 8,
        counts: ints(memory, &[3, 4, 0, 0]),
        table_start: ints(memory, &[0, 2, 2, 4]),
        shard_start: ints(memory, &[0, 4]),
        unique_rows: ints(memory, &[1, 4, 9, 11]),
        unique_table: ints(memory, &[0, 0, 2, 2]),
        bag_offsets: ints(memory, &[0, 1, 1, 4, 5, 5, 6, 7, 7, 7]),
        bag_entries: ints(memory, &[0, 2, 2, 3, 1, 3, 0, 0]),
        use_offsets: ints(memory, &[0, 2, 3, 5, 7]),
        uses: ints(memory, &[0, 6, 3, 2, 2, 2, 5, 0]),
    }
}

/// One step of plain SGD with rate 1 on a copy leaves copy − gradient: the copy less what is left of it is the gradient.
fn gradient_of(memory: &mut Memory<f64>, parameter: Matrix, backward: impl FnOnce(&mut Memory<f64>, Matrix)) -> Matrix {
    let values = memory.floats(parameter.buffer).to_vec();
    let Ok(buffer) = memory.allocate_floats(values.len());
    memory.floats_mut(buffer).copy_from_slice(&values);
    let stepped = Matrix { buffer, ..parameter };
    backward(memory, stepped);
    for (left, before) in memory.floats_mut(buffer).iter_mut().zip(values) {
        *left = before - *left;
    }
    stepped
}

/// `scalars[0]` = 1.
fn rate_one(memory: &mut Memory<f64>) -> Floats {
    let Ok(scalars) = memory.allocate_floats(4);
    memory.floats_mut(scalars)[0] = 1.0;
    scalars
}

#[test]
fn linear_layer() {
    for relu in [false, true] {
        let mut m = Memory::new();
        let x = matrix(&mut m, "x", 5, 6);
        let weight = matrix(&mut m, "w", 7, 6);
        let bias = matrix(&mut m, "b", 1, 7);
        let y = matrix(&mut m, "y", 5, 7);
        let grad_y = matrix(&mut m, "gy", 5, 7);
        let (grad_x, scalars) = (matrix(&mut m, "gx", 5, 6), rate_one(&mut m));
        let forward = Operation::LinearForward(linear::Forward {
            x,
            weight,
            bias: bias.buffer,
            y,
            relu,
        });
        forward.cpu(&mut m);
        // What comes back to a layer has passed its ReLU already: on a copy, since the check needs what was put in.
        let masked = matrix(&mut m, "gy", 5, 7);
        if relu {
            let outputs = m.floats(y.buffer).to_vec();
            for (grad, y) in m.floats_mut(masked.buffer).iter_mut().zip(outputs) {
                *grad = if y > 0.0 { *grad } else { 0.0 };
            }
        }
        let backward = vec![Operation::LinearBackwardInput(linear::BackwardInput {
            grad_y: masked,
            weight,
            gate: None,
            grad_x,
        })];
        let step = |weight: Matrix, bias: Matrix| {
            Operation::LinearBackwardWeight(linear::BackwardWeight {
                grad_y: masked,
                x,
                weight,
                bias: bias.buffer,
                weight_rule: Rule::Sgd,
                bias_rule: Rule::Sgd,
                scalars,
                rate: 0,
            })
        };
        let spare = matrix(&mut m, "b", 1, 7);
        let grad_weight = gradient_of(&mut m, weight, |m, weight| step(weight, spare).cpu(m));
        let spare = matrix(&mut m, "w", 7, 6);
        let grad_bias = gradient_of(&mut m, bias, |m, bias| step(spare, bias).cpu(m));
        let inputs = vec![
            ("x", x, grad_x),
            ("weight", weight, grad_weight),
            ("bias", bias, grad_bias),
        ];
        Case {
            memory: m,
            forward,
            backward,
            out: y,
            grad_out: grad_y,
            inputs,
        }
        .check(5);
    }
}

/// grad_x through the ReLU that x came out of, against the difference of Σ c·(ReLU(v)·wᵀ) by v, where x = ReLU(v).
#[test]
fn what_passes_back_through_a_relu() {
    let mut m = Memory::new();
    let (v, weight) = (matrix(&mut m, "x", 5, 6), matrix(&mut m, "w", 7, 6));
    let (grad_y, grad_x) = (matrix(&mut m, "gy", 5, 7), matrix(&mut m, "gx", 5, 6));
    let (x, y, bias) = (
        matrix(&mut m, "relu", 5, 6),
        matrix(&mut m, "y2", 5, 7),
        matrix(&mut m, "no bias", 1, 7),
    );
    m.floats_mut(bias.buffer).fill(0.0);
    let c = m.floats(grad_y.buffer).to_vec();
    let mut loss = |m: &mut Memory<f64>| {
        let values = m.floats(v.buffer).to_vec();
        m.floats_mut(x.buffer)
            .iter_mut()
            .zip(values)
            .for_each(|(x, v)| *x = v.max(0.0));
        let bias = bias.buffer;
        let relu = false;
        Operation::LinearForward(linear::Forward {
            x,
            weight,
            bias,
            y,
            relu,
        })
        .cpu(m);
        m.floats(y.buffer).iter().zip(&c).map(|(y, c)| y * c).sum::<f64>()
    };
    loss(&mut m);
    let gate = Some(x);
    Operation::LinearBackwardInput(linear::BackwardInput {
        grad_y,
        weight,
        gate,
        grad_x,
    })
    .cpu(&mut m);
    let gradient = m.floats(grad_x.buffer).to_vec();
    let zeros = gradient.iter().filter(|&&g| g == 0.0).count();
    assert!(zeros > 10, "the numbers are such that the ReLU holds some back");
    for at in (0..v.padded_len()).filter(|at| at % v.stride() < v.cols) {
        let difference = difference(&mut m, v.buffer, at, &mut loss);
        compare("v", at, gradient[at], difference);
    }
}

#[test]
fn further_factor() {
    a_further_factor(5);
}

#[test]
fn further_factor_with_few_outputs() {
    a_further_factor(20); // k × d so unequal that the gradient is added up the other way round
}

/// 3 tables, d = 3.
fn a_further_factor(k: usize) {
    let mut m = Memory::new();
    let batch = sparse(&mut m);
    let (x, weight) = (matrix(&mut m, "x", 8, k), matrix(&mut m, "w", 3 * k, 3));
    let (y, grad_y) = (matrix(&mut m, "y", 8, 3), matrix(&mut m, "gy", 8, 3));
    let (grad_x, scalars) = (matrix(&mut m, "gx", 8, k), rate_one(&mut m));
    // Rows past the unique ones are not touched: their gradient is whatever it was, their difference zero.
    for value in &mut m.floats_mut(grad_x.buffer)[4 * grad_x.stride()..] {
        *value = 0.0;
    }
    let backward = vec![Operation::FactorBackwardInput(factor::BackwardInput {
        batch,
        grad_y,
        weight,
        grad_x,
    })];
    let grad_weight = gradient_of(&mut m, weight, |m, weight| {
        Operation::FactorBackwardWeight(factor::BackwardWeight {
            batch,
            x,
            grad_y,
            weight,
            rule: Rule::Sgd,
            scalars,
            rate: 0,
        })
        .cpu(m);
    });
    let forward = Operation::FactorForward(factor::Forward { batch, x, weight, y });
    let inputs = vec![("x", x, grad_x), ("weight", weight, grad_weight)];
    Case {
        memory: m,
        forward,
        backward,
        out: y,
        grad_out: grad_y,
        inputs,
    }
    .check(4);
}

#[test]
fn bags() {
    let mut m = Memory::new();
    let batch = sparse(&mut m);
    let (y, pooled) = (matrix(&mut m, "y", 8, 3), matrix(&mut m, "p", 9, 3));
    let (grad_y, grad_pooled) = (matrix(&mut m, "gy", 8, 3), matrix(&mut m, "gp", 9, 3));
    for value in &mut m.floats_mut(grad_y.buffer)[4 * 4..] {
        *value = 0.0;
    }
    let backward = vec![Operation::PoolBackward(pool::Backward {
        batch,
        grad_pooled,
        grad_y,
    })];
    let forward = Operation::PoolForward(pool::Forward { batch, y, pooled });
    let inputs = vec![("y", y, grad_y)];
    Case {
        memory: m,
        forward,
        backward,
        out: pooled,
        grad_out: grad_pooled,
        inputs,
    }
    .check(9);
}

/// As the output of a ReLU that holds nothing back: what would be held back has no central difference here.
fn positive(memory: &mut Memory<f64>, matrix: Matrix) {
    for value in memory.floats_mut(matrix.buffer) {
        *value = value.abs();
    }
}

#[test]
fn dot_interaction() {
    let mut m = Memory::new();
    let (bottom, pooled) = (matrix(&mut m, "b", 2, 5), matrix(&mut m, "p", 2 * 4, 5));
    let width = 5 + interaction::num_products(4);
    let (out, grad_out) = (matrix(&mut m, "o", 2, width), matrix(&mut m, "go", 2, width));
    let (grad_bottom, grad_pooled) = (matrix(&mut m, "gb", 2, 5), matrix(&mut m, "gp", 8, 5));
    positive(&mut m, bottom);
    let op = interaction::Backward {
        bottom,
        pooled,
        grad_out,
        grad_bottom,
        grad_pooled,
    };
    let forward = Operation::InteractionForward(interaction::Forward { bottom, pooled, out });
    let backward = vec![Operation::InteractionBackward(op)];
    let inputs = vec![("bottom", bottom, grad_bottom), ("pooled", pooled, grad_pooled)];
    Case {
        memory: m,
        forward,
        backward,
        out,
        grad_out,
        inputs,
    }
    .check(2);
}

#[test]
fn cat_interaction() {
    let mut m = Memory::new();
    let (bottom, pooled) = (matrix(&mut m, "b", 2, 5), matrix(&mut m, "p", 2 * 4, 5));
    let (out, grad_out) = (matrix(&mut m, "o", 2, 25), matrix(&mut m, "go", 2, 25));
    let (grad_bottom, grad_pooled) = (matrix(&mut m, "gb", 2, 5), matrix(&mut m, "gp", 8, 5));
    positive(&mut m, bottom);
    let op = concat::Backward {
        bottom,
        grad_out,
        grad_bottom,
        grad_pooled,
    };
    let forward = Operation::ConcatForward(concat::Forward { bottom, pooled, out });
    let backward = vec![Operation::ConcatBackward(op)];
    let inputs = vec![("bottom", bottom, grad_bottom), ("pooled", pooled, grad_pooled)];
    Case {
        memory: m,
        forward,
        backward,
        out,
        grad_out,
        inputs,
    }
    .check(2);
}

#[test]
fn losses() {
    for kind in [loss::Kind::Bce, loss::Kind::Mse] {
        let mut m = Memory::new();
        let (logit, grad_logit) = (matrix(&mut m, "z", 6, 1), matrix(&mut m, "gz", 6, 1));
        for (at, value) in m.floats_mut(logit.buffer).iter_mut().enumerate() {
            *value *= if at < 8 { 1.0 } else { 30.0 }; // the last logits saturate
        }
        let Ok(label) = m.allocate_floats(8);
        m.floats_mut(label)[..6].copy_from_slice(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        let Ok(losses) = m.allocate_floats(2);
        let counts = ints(&mut m, &[5, 0, 1, 0]); // the sixth example is padding
        let op = Operation::Loss(loss::Loss {
            kind,
            counts,
            logit,
            label,
            grad_logit,
            losses,
        });
        op.cpu(&mut m);
        let gradients = m.floats(grad_logit.buffer).to_vec();
        assert_eq!(gradients[5 * 4], 0.0, "a padded example has a gradient");
        for b in 0..6 {
            let mut of = |memory: &mut Memory<f64>| {
                op.cpu(memory);
                memory.floats(losses)[1]
            };
            let difference = difference(&mut m, logit.buffer, b * 4, &mut of);
            compare("logit", b, gradients[b * 4], difference);
        }
    }
}

/// The differences must be able to fail: a gradient that is off by a factor 1 + 1e-6 is caught.
#[test]
#[should_panic(expected = "central difference")]
fn a_wrong_gradient_is_caught() {
    let value = numbers("wrong", 1)[0] + 2.0;
    compare("wrong", 0, value * (1.0 + 1e-6), value);
}
