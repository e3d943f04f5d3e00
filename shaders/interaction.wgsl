// DLRM's dot interaction (Naumov et al. 2019, section 2.1.3) of the F+1 vectors v₀ = bottom[b], v_{1+f} = pooled[b·F + f].
//
//   forward   out[b] = [v₀, ⟨v₁,v₀⟩, ⟨v₂,v₀⟩, ⟨v₂,v₁⟩, …]: all ⟨vᵢ, vⱼ⟩ with i > j, row-major
//   backward  grad_vᵢ = Σ_{j ≠ i} g_{ij}·vⱼ, and the head of grad_out to grad_v₀, ⊙ [v₀ > 0]: v₀ is a ReLU's output
//
// bottom (B, d), pooled (B·F, d), out and grad_out (B, d + F(F+1)/2); zeros are written into the padding of out. The two
// entry points are in common/interaction_items.wgsl, or in common/interaction_lanes.wgsl for CPU drivers with subgroups.
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

// Where ⟨vᵢ, vⱼ⟩ of example b lies in out, and its gradient in grad_out; i > j.
fn product_at(b: u32, i: u32, j: u32) -> u32 {
    return b * OUT_STRIDE + parameters.cols + triangle(i) + j;
}

// vec4 `col4` of the head of grad_out, which goes to grad_v₀.
fn head_gradient(b: u32, col4: u32) -> vec4f {
    var head = vec4f();
    for (var c = 0u; c < 4u; c++) {
        if col4 * 4u + c < parameters.cols { head[c] = grad_out[b * OUT_STRIDE + col4 * 4u + c]; }
    }
    return head;
}

// Writes vec4 `col4` of grad_vᵢ.
fn store_gradient(b: u32, i: u32, col4: u32, sum: vec4f) {
    if i == 0u {
        let at = b * WIDTH4 + col4;
        grad_bottom[at] = select(sum, vec4f(), bottom[at] <= vec4f());
    } else {
        grad_pooled[(b * FEATURES + i - 1u) * WIDTH4 + col4] = sum;
    }
}
