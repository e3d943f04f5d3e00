
// ---- common/step.wgsl ------------------------------------------------------------------------------------------------
// How a parameter p steps along its gradient g with rate η (src/kernels/rule.rs):
//
//   sgd      p −= η·g
//   adagrad  s += g²; p −= η·g / (√s + ε), ε = 1e-10            (Duchi et al. 2011, as in PyTorch)

const EPSILON: f32 = 1e-10; // ADAGRAD_EPSILON

// What Adagrad takes off p; s has g² already.
fn adagrad_step(g: vec4f, s: vec4f, rate: f32) -> vec4f {
    return rate * g / (sqrt(s) + EPSILON);
}
