// The `cat` interaction: the feature vectors side by side, the bottom MLP's output first.
//
//   forward   out[b] = [bottom[b], pooled[b·F], …, pooled[b·F + F−1]]
//   backward  the same cut apart again; grad_bottom ⊙ [bottom > 0]: bottom is a ReLU's output
//
// bottom (B, d), pooled (B·F, d), out and grad_out (B, (F+1)·d). Forward: an invocation writes one number of out, padding
// included; backward: one number of grad_bottom or grad_pooled, padding included.
// Twin: src/kernels/concat.rs.

struct Parameters {
    batch: u32, // B
    cols: u32, // d
}

// Constants, since CPU drivers divide by a variable slowly.
override FEATURES: u32 = 1u; // F
override STRIDE: u32 = 4u; // distance between the rows of bottom and pooled, in numbers
override OUT_STRIDE: u32 = 4u; // distance between the rows of out, in numbers

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> bottom: array<f32>;
@group(0) @binding(2) var<storage, read> pooled: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> grad_out: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_bottom: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_pooled: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = item(group, groups, lane);
    let b = at / OUT_STRIDE;
    if b >= parameters.batch { return; }
    let col = at % OUT_STRIDE;
    let i = col / parameters.cols;
    let within = col % parameters.cols;
    if i == 0u {
        out[at] = bottom[b * STRIDE + within];
    } else if i <= FEATURES {
        out[at] = pooled[(b * FEATURES + i - 1u) * STRIDE + within];
    } else {
        out[at] = 0.0;
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = item(group, groups, lane);
    let within = at % STRIDE;
    let i = at / STRIDE % (FEATURES + 1u);
    let b = at / STRIDE / (FEATURES + 1u);
    if b >= parameters.batch { return; }
    var grad = 0.0;
    if within < parameters.cols { grad = grad_out[b * OUT_STRIDE + i * parameters.cols + within]; }
    if i == 0u {
        let at_bottom = b * STRIDE + within;
        grad_bottom[at_bottom] = select(grad, 0.0, bottom[at_bottom] <= 0.0);
    } else {
        grad_pooled[(b * FEATURES + i - 1u) * STRIDE + within] = grad;
    }
}
