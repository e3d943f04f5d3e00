// The step of a dense parameter p along its gradient g with rate η = scalars[rate].
//
//   sgd      p −= η·g
//   adagrad  s += g²; p −= η·g / (√s + ε), ε = 1e-10            (Duchi et al. 2011, as in PyTorch)
//
// p, g, s (len), padding included: zero stays zero. An invocation steps one vec4.
// Twin: src/kernels/update.rs.

struct Parameters {
    len4: u32, // vec4s
    rate: u32, // which scalar
}

const EPSILON: f32 = 1e-10; // ADAGRAD_EPSILON

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> parameter: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read> scalars: array<f32>;
@group(0) @binding(4) var<storage, read_write> squares: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = item(group, groups, lane);
    if i < parameters.len4 { parameter[i] -= scalars[parameters.rate] * grad[i]; }
}

@compute @workgroup_size(WORKGROUP)
fn adagrad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = item(group, groups, lane);
    if i >= parameters.len4 { return; }
    let g = grad[i];
    let s = squares[i] + g * g;
    squares[i] = s;
    parameter[i] -= scalars[parameters.rate] * g / (sqrt(s) + EPSILON);
}
