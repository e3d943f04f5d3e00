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
    features: u32, // F
    cols: u32, // d
    stride: u32, // distance between the rows of bottom and pooled, in numbers
    out_stride: u32, // distance between the rows of out, in numbers
}

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
    let b = at / parameters.out_stride;
    if b >= parameters.batch { return; }
    let col = at % parameters.out_stride;
    let i = col / parameters.cols;
    let within = col % parameters.cols;
    if i == 0u {
        out[at] = bottom[b * parameters.stride + within];
    } else if i <= parameters.features {
        out[at] = pooled[(b * parameters.features + i - 1u) * parameters.stride + within];
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
    let within = at % parameters.stride;
    let i = at / parameters.stride % (parameters.features + 1u);
    let b = at / parameters.stride / (parameters.features + 1u);
    if b >= parameters.batch { return; }
    var grad = 0.0;
    if within < parameters.cols { grad = grad_out[b * parameters.out_stride + i * parameters.cols + within]; }
    if i == 0u {
        let at_bottom = b * parameters.stride + within;
        grad_bottom[at_bottom] = select(grad, 0.0, bottom[at_bottom] <= 0.0);
    } else {
        grad_pooled[(b * parameters.features + i - 1u) * parameters.stride + within] = grad;
    }
}
