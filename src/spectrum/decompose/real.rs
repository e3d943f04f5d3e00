//! The numbers that matrices are made of.

use faer::traits::RealField;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// f32 or f64: what [`crate::spectrum::decompose`] factorises.
pub trait Real:
    sealed::Sealed + RealField + num_traits::Float + Into<f64> + std::fmt::LowerExp + Send + Sync + 'static
{
    /// The unit roundoff, half the spacing of 1: 2⁻²⁴ or 2⁻⁵³.
    const UNIT_ROUNDOFF: f64;
    /// The greatest number of the type, as text.
    const GREATEST: &'static str;
    /// `self·2^exponent`, rounded once, and only where the result is subnormal.
    fn ldexp(self, exponent: i32) -> Self;
    /// The exponent of the power of two next below |self|, which must not be 0; right for subnormal numbers too.
    fn ilogb(self) -> i32;
}

impl Real for f32 {
    const UNIT_ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const GREATEST: &'static str = "3.4e38";

    fn ldexp(self, exponent: i32) -> Self {
        libm::ldexpf(self, exponent)
    }

    fn ilogb(self) -> i32 {
        libm::ilogbf(self)
    }
}

impl Real for f64 {
    const UNIT_ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const GREATEST: &'static str = "1.8e308";

    fn ldexp(self, exponent: i32) -> Self {
        libm::ldexp(self, exponent)
    }

    fn ilogb(self) -> i32 {
        libm::ilogb(self)
    }
}
