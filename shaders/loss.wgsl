// The loss of a batch of n = counts[BATCH] ≤ B examples, logit z and label y, and its gradient by the logits.
//
//   bce: mean of max(z, 0) − z·y + ln(1 + e^{−|z|}), gradient (σ(z) − y) / n
//   mse: mean of (σ(z) − y)², gradient 2·(σ(z) − y)·σ(z)·(1 − σ(z)) / n      (DLRM's --loss-function=mse)
//
// logit and grad_logit (B, 1) lie four numbers apart; the mean goes to losses[counts[SLOT]]. Padded examples have gradient
// zero. One workgroup: lane l takes the examples l, l+256, …, then the lanes' sums are added pairwise.
// Twin: src/kernels/loss.rs.

struct Parameters {
    batch: u32, // B
}

override MSE: bool = false;

const BATCH: u32 = 0u; // layout::BATCH
const SLOT: u32 = 2u; // layout::SLOT

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> logit: array<vec4f>;
@group(0) @binding(3) var<storage, read> label: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_logit: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> losses: array<f32>;

var<workgroup> partial: array<f32, 256>;

// ln(1 + x) for 0 ≤ x ≤ 1. WGSL has no log1p, and its log may be off by 2⁻²¹ near 1: ln(1 + x) = 2·artanh(x / (2 + x)),
// s = x / (2 + x) ≤ 1/3, as the series s + s³/3 + … + s¹³/13; the rest is at most s¹⁴/(15·(1 − s²)) ≤ 1.6e-8 of it.
fn ln_1p(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let q = s * s;
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q / 13.0))))));
}

// Loss of one example and its derivative by the logit.
fn loss_of(z: f32, y: f32) -> vec2f {
    let small = exp(-abs(z)); // ≤ 1: never overflows
    let denominator = 1.0 + small;
    let error = select(small, 1.0, z >= 0.0) / denominator - y;
    if MSE { return vec2f(error * error, 2.0 * error * (small / (denominator * denominator))); }
    return vec2f(max(z, 0.0) - z * y + ln_1p(small), error);
}

@compute @workgroup_size(256)
fn forward(@builtin(local_invocation_index) lane: u32) {
    let n = counts[BATCH];
    let scale = 1.0 / f32(n);
    var sum = 0.0;
    for (var b = lane; b < parameters.batch; b += 256u) {
        var grad = 0.0;
        if b < n {
            let loss = loss_of(logit[b].x, label[b]);
            sum += loss.x;
            grad = loss.y * scale;
        }
        grad_logit[b] = vec4f(grad, 0.0, 0.0, 0.0);
    }
    partial[lane] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if lane < half { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u { losses[counts[SLOT]] = partial[0] * scale; }
}
