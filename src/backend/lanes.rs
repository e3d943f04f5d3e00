//! Vectors of numbers, whatever the machine's width: what `pulp` has twice, for f32 and f64, under one name.

use pulp::{NullaryFnOnce, Simd};

/// The most numbers that a vector has, on any machine: f32 in 512 bits.
pub const MOST: usize = 16;

/// Numbers that lie side by side in the vectors of a [`Simd`].
pub trait Lanes: Copy + 'static {
    /// A vector of them.
    type Vector<S: Simd>: Copy;

    /// How many a vector has.
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        std::mem::size_of::<Self::Vector<S>>() / std::mem::size_of::<Self>()
    }

    /// `value` in every lane.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;

    /// The first numbers of a slice that has at least as many as a vector.
    fn load<S: Simd>(simd: S, from: &[Self]) -> Self::Vector<S>;

    /// All numbers of a slice that has fewer than a vector; zeros behind them.
    fn load_part<S: Simd>(simd: S, from: &[Self]) -> Self::Vector<S>;

    /// Writes a whole vector to the start of a slice.
    fn store<S: Simd>(simd: S, to: &mut [Self], values: Self::Vector<S>);

    /// Fills a slice that is shorter than a vector.
    fn store_part<S: Simd>(simd: S, to: &mut [Self], values: Self::Vector<S>);

    /// Four rows of four as four columns.
    #[inline(always)]
    fn transpose(rows: [[Self; 4]; 4]) -> [[Self; 4]; 4] {
        number_by_number(rows)
    }

    /// Bit i: lane i is not zero. `None` on machines whose comparisons do not give bits.
    fn not_zero<S: Simd>(simd: S, values: Self::Vector<S>) -> Option<u64>;

    /// a·b + c, with one rounding where the machine can.
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
}

/// Compiles an operation as a function of its own, for the machine's vectors: an inner loop then has all registers to itself,
/// wherever it is called from. A type with an inlined `call` rather than a closure, which is not always compiled in place.
#[inline(never)]
pub fn apart<S: Simd, F: NullaryFnOnce>(simd: S, operation: F) -> F::Output {
    simd.vectorize(operation)
}

fn number_by_number<T: Copy>(rows: [[T; 4]; 4]) -> [[T; 4]; 4] {
    std::array::from_fn(|j| std::array::from_fn(|i| rows[i][j]))
}

macro_rules! lanes {
    ($type:ty, $vector:ident, $splat:ident, $as_simd:ident, $as_mut_simd:ident, $load:ident, $store:ident, $equal:ident, $mul_add:ident, $($more:item)*) => {
        impl Lanes for $type {
            $($more)*

            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }

            #[inline(always)]
            fn load<S: Simd>(_simd: S, from: &[Self]) -> S::$vector {
                S::$as_simd(from).0[0]
            }

            #[inline(always)]
            fn load_part<S: Simd>(simd: S, from: &[Self]) -> S::$vector {
                simd.$load(from)
            }

            #[inline(always)]
            fn store<S: Simd>(_simd: S, to: &mut [Self], values: S::$vector) {
                S::$as_mut_simd(to).0[0] = values;
            }

            #[inline(always)]
            fn store_part<S: Simd>(simd: S, to: &mut [Self], values: S::$vector) {
                simd.$store(to, values);
            }

            #[inline(always)]
            fn not_zero<S: Simd>(simd: S, values: S::$vector) -> Option<u64> {
                let zeros = simd.$equal(values, simd.$splat(0.0));
                let lanes = Self::lanes::<S>();
                // A bit a lane, or as many bytes as a number has: 0 or all ones.
                match bytemuck::bytes_of(&zeros) {
                    &[low] if lanes == 8 => Some(u64::from(!low)),
                    &[low, high] if lanes == 16 => Some(u64::from(!u16::from_le_bytes([low, high]))),
                    _ => None,
                }
            }

            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
        }
    };
}
lanes!(
    f32,
    f32s,
    splat_f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    partial_load_f32s,
    partial_store_f32s,
    equal_f32s,
    mul_add_e_f32s,
    // Compilers do not see through the general one: number by number it takes three times as long.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn transpose(rows: [[Self; 4]; 4]) -> [[Self; 4]; 4] {
        use std::arch::x86_64::__m128;
        let Some(sse) = pulp::core_arch::x86::Sse::try_new() else {
            return number_by_number(rows);
        };
        let [a, b, c, d]: [__m128; 4] = bytemuck::cast(rows);
        // a0 b0 a1 b1, c0 d0 c1 d1; a2 b2 a3 b3, c2 d2 c3 d3
        let (ab, cd) = (sse._mm_unpacklo_ps(a, b), sse._mm_unpacklo_ps(c, d));
        let (ab_high, cd_high) = (sse._mm_unpackhi_ps(a, b), sse._mm_unpackhi_ps(c, d));
        bytemuck::cast([
            sse._mm_movelh_ps(ab, cd),
            sse._mm_movehl_ps(cd, ab),
            sse._mm_movelh_ps(ab_high, cd_high),
            sse._mm_movehl_ps(cd_high, ab_high),
        ])
    }
);
lanes!(
    f64,
    f64s,
    splat_f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    partial_load_f64s,
    partial_store_f64s,
    equal_f64s,
    mul_add_e_f64s,
);
