// DLRM's dot interaction (Naumov et al. 2019, section 2.1.3) of the F+1 vectors v₀ = bottom[b], v_{1+f} = pooled[b·F + f].
//
//   forward   out[b] = [v₀, ⟨v₁,v₀⟩, ⟨v₂,v₀⟩, ⟨v₂,v₁⟩, …]: all ⟨vᵢ, vⱼ⟩ with i > j, row-major
//   backward  grad_vᵢ = Σ_{j ≠ i} g_{ij}·vⱼ, and the head of grad_out to grad_v₀, ⊙ [v₀ > 0]: v₀ is a ReLU's output
//
// bottom (B, d), pooled (B·F, d), out and grad_out (B, d + F(F+1)/2). Forward: an invocation computes one column of out,
// padding included; backward: one vec4 of one grad_vᵢ.
// Twin: src/kernels/interaction.rs.

struct Parameters {
    batch: u32, // B
    cols: u32, // d
}

// Constants, since CPU drivers divide by a variable slowly.
override FEATURES: u32 = 1u; // F
override WIDTH4: u32 = 1u; // distance between the rows of bottom and pooled, in vec4s
override OUT_STRIDE: u32 = 4u; // distance between the rows of out, in numbers

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> bottom: array<vec4f>;
@group(0) @binding(2) var<storage, read> pooled: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> grad_out: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_bottom: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> grad_pooled: array<vec4f>;

// vec4 `col4` of vᵢ of example b.
fn vector(b: u32, i: u32, col4: u32) -> vec4f {
    if i == 0u { return bottom[b * WIDTH4 + col4]; }
    return pooled[(b * FEATURES + i - 1u) * WIDTH4 + col4];
}

// Where row i of the strict lower triangle starts.
fn triangle(i: u32) -> u32 {
    return i * (i - 1u) / 2u;
}

// The row of the strict lower triangle in which its element p lies.
fn triangle_row(p: u32) -> u32 {
    var i = u32((1.0 + sqrt(1.0 + 8.0 * f32(p))) * 0.5);
    // The root is rounded, and drivers may be off by more than half a unit.
    if triangle(i) > p { i -= 1u; }
    if triangle(i + 1u) <= p { i += 1u; }
    return i;
}

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
    if col < parameters.cols {
        out[at] = bottom[b * WIDTH4 + col / 4u][col % 4u];
        return;
    }
    let p = col - parameters.cols;
    if p >= triangle(FEATURES + 1u) {
        out[at] = 0.0;
        return;
    }
    let i = triangle_row(p);
    let j = p - triangle(i);
    var sum = vec4f();
    for (var col4 = 0u; col4 < WIDTH4; col4++) { sum += vector(b, i, col4) * vector(b, j, col4); }
    out[at] = (sum.x + sum.y) + (sum.z + sum.w);
}

@compute @workgroup_size(WORKGROUP)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = item(group, groups, lane);
    let col4 = at % WIDTH4;
    let i = at / WIDTH4 % (FEATURES + 1u);
    let b = at / WIDTH4 / (FEATURES + 1u);
    if b >= parameters.batch { return; }
    let head = b * OUT_STRIDE;
    let products = head + parameters.cols;
    var sum = vec4f();
    if i == 0u {
        for (var c = 0u; c < 4u; c++) {
            if col4 * 4u + c < parameters.cols { sum[c] = grad_out[head + col4 * 4u + c]; }
        }
    }
    for (var j = 0u; j < i; j++) { sum += grad_out[products + triangle(i) + j] * vector(b, j, col4); }
    for (var j = i + 1u; j <= FEATURES; j++) {
        sum += grad_out[products + triangle(j) + i] * vector(b, j, col4);
    }
    if i == 0u {
        let v = bottom[b * WIDTH4 + col4];
        grad_bottom[b * WIDTH4 + col4] = select(sum, vec4f(), v <= vec4f());
    } else {
        grad_pooled[(b * FEATURES + i - 1u) * WIDTH4 + col4] = sum;
    }
}
