//! Plans of the operations on dense matrices.

use super::plan::Plan;
use mlet::backend::layout::stride;
use mlet::kernels::rule::Rule;
use mlet::kernels::{Operation, concat, interaction, linear, loss};

/// (B, in, out): one of everything, just below, at and above the blocks of 4, 16 and 64, and longer sums; then, for every size
/// of a GPU's tiles, results that are large enough for it.
const LAYERS: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (1, 13, 64),
    (63, 5, 3),
    (64, 64, 64),
    (65, 65, 63),
    (130, 16, 1),
    (17, 131, 66),
    (7, 3, 130),
    (300, 33, 20),
    (4100, 9, 13),
    (8200, 9, 13),
    (1000, 20, 600),
    (2100, 37, 2050),
    (21, 2050, 2100),
];

pub fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for layer in LAYERS {
        plans.extend([true, false].map(|relu| linear_forward(layer, relu)));
        plans.extend([true, false].map(|gated| linear_input(layer, gated)));
        plans.extend([true, false].map(|adagrad| linear_weight(layer, adagrad)));
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

/// The gate is x > 0 or not: the same in f64 and f32.
fn linear_input((batch, inputs, outputs): (usize, usize, usize), gated: bool) -> Plan {
    let name = format!("linear backward_input {batch} × {inputs} → {outputs}, gated {gated}");
    let mut plan = Plan::new(name);
    let (grad_y, weight) = (plan.input(batch, outputs), plan.input(outputs, inputs));
    let x = plan.input(batch, inputs);
    let grad_x = plan.whole_output(batch, inputs);
    let op = linear::BackwardInput {
        grad_y,
        weight,
        gate: gated.then_some(x),
        grad_x,
    };
    plan.runs(Operation::LinearBackwardInput(op), outputs as f64 + 1.0)
}

/// A sum of `batch` products and a step along it, see docs/tolerances.md. The gradient is subtracted.
fn linear_weight((batch, inputs, outputs): (usize, usize, usize), adagrad: bool) -> Plan {
    let name = format!("linear backward_weight {batch} × {inputs} → {outputs}, adagrad {adagrad}");
    let mut plan = Plan::new(name);
    let (grad_y, x) = (plan.input(batch, outputs), plan.input(batch, inputs));
    plan.subtract(grad_y.buffer);
    let weight = plan.input(outputs, inputs);
    let bias = plan.numbers(outputs.next_multiple_of(4));
    let rule = |plan: &mut Plan, rows, cols: usize| match adagrad {
        true => {
            let sum = plan.input(rows, cols).buffer;
            plan.map(sum, |s| s.abs() + (batch * batch) as f32);
            Rule::Adagrad { sum }
        }
        false => Rule::Sgd,
    };
    let (weight_rule, bias_rule) = (rule(&mut plan, outputs, inputs), rule(&mut plan, 1, outputs));
    let scalars = plan.floats(vec![0.0, 0.3, 0.0, 0.0]);
    let op = linear::BackwardWeight {
        grad_y,
        x,
        weight,
        bias,
        weight_rule,
        bias_rule,
        scalars,
        rate: 1,
    };
    let constant = if adagrad {
        3.0 * batch as f64 + 22.0
    } else {
        batch as f64 + 4.0
    };
    plan.runs(Operation::LinearBackwardWeight(op), constant)
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
    let bottom = plan.input(batch, d);
    let op = concat::Backward {
        bottom,
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
