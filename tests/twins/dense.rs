//! Plans of the operations on dense matrices.

use super::plan::Plan;
use mlet::backend::layout::stride;
use mlet::kernels::{Operation, concat, interaction, linear, loss, update};

/// (B, in, out): one of everything, just below, at and above the blocks of 4, 16 and 64, and longer sums.
const LAYERS: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 13, 64),
    (63, 5, 3),
    (64, 64, 64),
    (65, 65, 63),
    (130, 16, 1),
    (17, 131, 66),
    (7, 3, 130),
    (300, 33, 20),
];

pub fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for layer in LAYERS {
        plans.extend([true, false].map(|relu| linear_forward(layer, relu)));
        plans.extend([linear_activation(layer), linear_input(layer), linear_weight(layer)]);
    }
    for (batch, features, d) in [
        (1, 1, 1),
        (63, 3, 5),
        (64, 26, 16),
        (65, 2, 66),
        (130, 7, 8),
        (3, 60, 4),
    ] {
        plans.extend([
            interaction_forward(batch, features, d),
            interaction_backward(batch, features, d),
            concat_forward(batch, features, d),
            concat_backward(batch, features, d),
        ]);
    }
    for (batch, count) in [(1, 1), (63, 63), (64, 1), (65, 64), (300, 257), (1025, 1025)] {
        for scales in [[1.0, 10.0, 110.0], [0.0, 0.0, 0.1]] {
            plans.extend([loss::Kind::Bce, loss::Kind::Mse].map(|kind| loss(kind, batch, count, scales)));
        }
    }
    for len in [1, 63, 64, 65, 257, 4 * 64 * 64 + 1] {
        plans.extend([sgd(len), adagrad(len)]);
    }
    plans
}

/// A sum of n products and a bias, in any order, with or without fused operations: (n+2)·u·Σ|terms|.
fn linear_forward((batch, inputs, outputs): (usize, usize, usize), relu: bool) -> Plan {
    let mut plan = Plan::new(format!("linear forward {batch} × {inputs} → {outputs}, relu {relu}"));
    let (x, weight) = (plan.input(batch, inputs), plan.input(outputs, inputs));
    let bias = plan.padded(1, outputs, Plan::number)[..outputs].to_vec();
    let bias = plan.floats(bias);
    let y = plan.whole_output(batch, outputs);
    let op = linear::Forward {
        x,
        weight,
        bias,
        y,
        relu,
    };
    plan.runs(Operation::LinearForward(op), inputs as f64 + 2.0)
}

fn linear_activation((batch, _, outputs): (usize, usize, usize)) -> Plan {
    let mut plan = Plan::new(format!("linear backward_activation {batch} × {outputs}"));
    let (y, grad_y) = (plan.input(batch, outputs), plan.input(batch, outputs));
    plan.runs(
        Operation::LinearBackwardActivation(linear::BackwardActivation { y, grad_y }),
        0.0,
    )
}

fn linear_input((batch, inputs, outputs): (usize, usize, usize)) -> Plan {
    let mut plan = Plan::new(format!("linear backward_input {batch} × {inputs} → {outputs}"));
    let (grad_y, weight) = (plan.input(batch, outputs), plan.input(outputs, inputs));
    let grad_x = plan.whole_output(batch, inputs);
    let op = linear::BackwardInput { grad_y, weight, grad_x };
    plan.runs(Operation::LinearBackwardInput(op), outputs as f64 + 1.0)
}

fn linear_weight((batch, inputs, outputs): (usize, usize, usize)) -> Plan {
    let mut plan = Plan::new(format!("linear backward_weight {batch} × {inputs} → {outputs}"));
    let (grad_y, x) = (plan.input(batch, outputs), plan.input(batch, inputs));
    let grad_weight = plan.whole_output(outputs, inputs);
    let grad_bias = plan.floats(vec![9.0; outputs]);
    let op = linear::BackwardWeight {
        grad_y,
        x,
        grad_weight,
        grad_bias,
    };
    plan.runs(Operation::LinearBackwardWeight(op), batch as f64 + 1.0)
}

fn interaction_forward(batch: usize, features: usize, d: usize) -> Plan {
    let mut plan = Plan::new(format!("interaction forward {batch} × {features} × {d}"));
    let (bottom, pooled) = (plan.input(batch, d), plan.input(batch * features, d));
    let out = plan.whole_output(batch, d + interaction::num_products(features));
    let op = interaction::Forward { bottom, pooled, out };
    plan.runs(Operation::InteractionForward(op), d as f64 + 1.0)
}

fn interaction_backward(batch: usize, features: usize, d: usize) -> Plan {
    let mut plan = Plan::new(format!("interaction backward {batch} × {features} × {d}"));
    let (bottom, pooled) = (plan.input(batch, d), plan.input(batch * features, d));
    let grad_out = plan.input(batch, d + interaction::num_products(features));
    let (grad_bottom, grad_pooled) = (plan.whole_output(batch, d), plan.whole_output(batch * features, d));
    let op = interaction::Backward {
        bottom,
        pooled,
        grad_out,
        grad_bottom,
        grad_pooled,
    };
    plan.runs(Operation::InteractionBackward(op), features as f64 + 2.0)
}

fn concat_forward(batch: usize, features: usize, d: usize) -> Plan {
    let mut plan = Plan::new(format!("concat forward {batch} × {features} × {d}"));
    let (bottom, pooled) = (plan.input(batch, d), plan.input(batch * features, d));
    let out = plan.whole_output(batch, (features + 1) * d);
    plan.runs(Operation::ConcatForward(concat::Forward { bottom, pooled, out }), 0.0)
}

fn concat_backward(batch: usize, features: usize, d: usize) -> Plan {
    let mut plan = Plan::new(format!("concat backward {batch} × {features} × {d}"));
    let grad_out = plan.input(batch, (features + 1) * d);
    let (grad_bottom, grad_pooled) = (plan.whole_output(batch, d), plan.whole_output(batch * features, d));
    let op = concat::Backward {
        grad_out,
        grad_bottom,
        grad_pooled,
    };
    plan.runs(Operation::ConcatBackward(op), 0.0)
}

/// Logits up to ±110: e^{−110} is below the smallest normal f32; and all but zero, where ln(1 + x) counts most. A loss has the magnitude |z| + |z·y| + 1, a gradient 1,
/// both over n; see docs/tolerances.md for the constant.
fn loss(kind: loss::Kind, batch: usize, count: usize, scales: [f32; 3]) -> Plan {
    let mut plan = Plan::new(format!("loss {kind:?} {count} of {batch}, logits up to {scales:?}"));
    let counts = plan.ints(vec![count as u32, 0, 2, 0]);
    let logit = plan.input(batch, 1);
    let mut magnitude = 0.0;
    let mut labels = Vec::new();
    let mut logits = plan.padded(batch, 1, Plan::number);
    for b in 0..batch {
        logits[b * 4] *= scales[b % 3];
        labels.push(if b % 5 < 2 { 1.0 } else { 0.0 });
        if b < count {
            let z = f64::from(logits[b * 4].abs());
            magnitude += (z + z * f64::from(labels[b]) + 1.0) / count as f64;
        }
    }
    plan.replace(logit.buffer, logits);
    let label = plan.floats(labels);
    let grad_logit = plan.whole_output(batch, 1);
    let losses = plan.floats(vec![3.0; 4]);
    plan.state(losses, vec![magnitude; 4]);
    plan.state(grad_logit.buffer, vec![1.0 / count as f64; batch * stride(1)]);
    let op = loss::Loss {
        kind,
        counts,
        logit,
        label,
        grad_logit,
        losses,
    };
    plan.runs(Operation::Loss(op), count as f64 + 40.0)
}

/// p − η·g: three roundings at most.
fn sgd(len: usize) -> Plan {
    let mut plan = Plan::new(format!("update sgd {len}"));
    let (parameter, grad) = (plan.numbers(len), plan.numbers(len));
    let scalars = plan.floats(vec![0.0, 0.3, 0.0, 0.0]);
    plan.subtract(grad);
    let op = update::Update {
        rule: update::Rule::Sgd,
        parameter,
        grad,
        len,
        scalars,
        rate: 1,
    };
    plan.runs(Operation::Update(op), 3.0)
}

/// The step has relative error 18u (root 9u, quotient 5u, the rest 4u), the sum of squares 2u.
fn adagrad(len: usize) -> Plan {
    let mut plan = Plan::new(format!("update adagrad {len}"));
    let (parameter, grad, sum) = (plan.numbers(len), plan.numbers(len), plan.numbers(len));
    plan.map(sum, f32::abs);
    let scalars = plan.floats(vec![0.3, 0.0, 0.0, 0.0]);
    plan.subtract(grad);
    let rule = update::Rule::Adagrad { sum };
    let op = update::Update {
        rule,
        parameter,
        grad,
        len,
        scalars,
        rate: 0,
    };
    plan.runs(Operation::Update(op), 20.0)
}
