//! E8 in floating point: balanced factors of a given table.

use super::check::Check;
use super::error::{TheoryError, finite};
use super::floating::{Floating, named, norm_1, rounded, scaled, unit_roundoff, view};
use super::ledger::{Arithmetic, Expected, Row};
use super::matrices::{self, Case};
use super::number::Matrix;
use super::residuals::{self, SVD_THRESHOLD};
use super::search::{self, Budget, Found};
use crate::spectrum::decompose;

/// E8 in f32.
pub const F32: Row = Row {
    id: "E8-f32",
    claim: "for k ≥ min(n, d) and N = 2, 3, 4, balanced_factors(W, N, k) multiply to W and are balanced, to rounding in f32",
    arithmetic: Arithmetic::Floating,
    unit: "‖W − W₁⋯W_N‖₁/(max(n, d)·u·‖W‖₁), ‖WⱼᵀWⱼ − Wⱼ₊₁Wⱼ₊₁ᵀ‖₁/(max(n, k, d)·u·‖Wⱼ‖²); DDRVBD's threshold",
    expected: Expected::Holds,
    run: run::<f32>,
};

/// E8 in f64.
pub const F64: Row = Row {
    id: "E8-f64",
    claim: "for k ≥ min(n, d) and N = 2, 3, 4, balanced_factors(W, N, k) multiply to W and are balanced, to rounding in f64",
    run: run::<f64>,
    ..F32
};

/// Depths of the cases.
pub const DEPTHS: std::ops::RangeInclusive<usize> = 2..=4;

fn run<T: Floating>(budget: Budget) -> Found {
    let special = matrices::special(|n, d| vec![n.min(d), d, d + 2]);
    let wide_enough = special.into_iter().filter(|case| case.k >= case.n.min(case.d));
    search::each(wide_enough, check_case::<T>).and(search::random(budget, matrices::random_wide(), check_case::<T>))
}

/// E8 on one case at every depth, through the identity and through a random A.
///
/// # Errors
/// As [`balanced_factors`].
pub fn check_case<T: Floating>(case: &Case) -> Result<Check, TheoryError> {
    let w: Matrix<T> = case.matrix();
    let basis = rounded(&matrices::orthonormal_columns(case.k, case.n.min(case.d), case.seed));
    let mut worst = Check::ratio("no depth", 0.0, SVD_THRESHOLD);
    for depth in DEPTHS {
        worst = worst.worse(check(&w, &balanced_factors(&w, depth, case.k)?));
        worst = worst.worse(check(&w, &balanced_through(&w, depth, &basis)?));
    }
    Ok(worst)
}

/// Balanced factors of `W` (n×d): `depth` matrices n×k, k×k …, k×d with WⱼᵀWⱼ = Wⱼ₊₁Wⱼ₊₁ᵀ whose product is W where
/// k ≥ min(n, d), and otherwise the product of inner width k closest to W. `depth` = 1 gives W itself.
///
/// # Errors
/// [`TheoryError`]: `W` empty or not finite, k = 0, no factor (`depth` = 0), a singular value above the range.
pub fn balanced_factors<T: Floating>(w: &Matrix<T>, depth: usize, k: usize) -> Result<Vec<Matrix<T>>, TheoryError> {
    finite("W", w)?;
    if k == 0 {
        return Err(TheoryError::NoInnerDim { matrix: "W".into() });
    }
    balanced_through(
        w,
        depth,
        &rounded(&Matrix::identity(k, w.nrows().min(w.ncols()).min(k))),
    )
}

/// Balanced factors through `basis` (k×r, AᵀA = I): W₁ = UΣ^{1/N}Aᵀ, Wⱼ = AΣ^{1/N}Aᵀ, W_N = AΣ^{1/N}Vᵀ, with the r leading
/// singular values of `W`.
///
/// # Errors
/// As [`balanced_factors`]; a basis wider than min(n, d).
pub fn balanced_through<T: Floating>(
    w: &Matrix<T>,
    depth: usize,
    basis: &Matrix<T>,
) -> Result<Vec<Matrix<T>>, TheoryError> {
    finite("W", w)?;
    if depth == 0 {
        return Err(TheoryError::Empty {
            matrix: "W1".into(),
            rows: 0,
            cols: 0,
        });
    }
    if depth == 1 {
        return Ok(vec![w.clone()]);
    }
    finite("A", basis)?;
    let (n, d, r) = (w.nrows(), w.ncols(), basis.ncols());
    if r > n.min(d) {
        return Err(TheoryError::Shapes {
            left: "A".into(),
            left_rows: basis.nrows(),
            left_cols: r,
            right: "W".into(),
            right_rows: n,
            right_cols: d,
        });
    }
    let svd = decompose::svd(view(w)).map_err(|error| named("W", w, &error))?;
    let root: Vec<T> = svd.sigma[..r]
        .iter()
        .map(|&sigma| T::round_from(root(sigma.into(), depth)))
        .collect();
    // The roots are split over the columns on the left: X·Σ^{1/N}.
    let weighted = |x: Matrix<T>| Matrix::from_fn(x.nrows(), r, |i, j| x[(i, j)] * root[j]);
    let (u, v) = (
        Matrix::from_fn(n, r, |i, j| svd.u[(i, j)]),
        Matrix::from_fn(d, r, |i, j| svd.v[(i, j)]),
    );
    let middle = weighted(basis.clone()) * basis.transpose();
    let mut factors = vec![weighted(u) * basis.transpose()];
    factors.extend(std::iter::repeat_n(middle, depth - 2));
    factors.push(weighted(basis.clone()) * v.transpose());
    Ok(factors)
}

/// `x^(1/n)`, x ≥ 0. The exponent is divided apart: 1/n rounds, and a power of 2¹⁰⁰⁰ makes some hundred units of that.
fn root(x: f64, n: usize) -> f64 {
    if x == 0.0 {
        return 0.0;
    }
    let n = n as i32;
    let exponent = libm::ilogb(x).div_euclid(n);
    libm::ldexp(libm::pow(libm::ldexp(x, -exponent * n), 1.0 / f64::from(n)), exponent)
}

/// E8 on factors that should be balanced and multiply to `w`.
pub fn check<T: Floating>(w: &Matrix<T>, factors: &[Matrix<T>]) -> Check {
    let product = residuals::factorisation(w, factors);
    let mut worst = Check::ratio("‖W − W₁⋯W_N‖₁/(max(n, d)·u·‖W‖₁)", product, SVD_THRESHOLD);
    for (j, pair) in factors.windows(2).enumerate() {
        let name = format!(
            "balance of W{} and W{}, in units of max(n, k, d)·u·‖WⱼᵀWⱼ‖₁",
            j + 1,
            j + 2
        );
        worst = worst.worse(Check::ratio(&name, balance_gap(&pair[0], &pair[1]), SVD_THRESHOLD));
    }
    worst
}

/// `‖XᵀX − YYᵀ‖₁ / (max(n, k, d)·u·max(‖XᵀX‖₁, ‖YYᵀ‖₁))` of neighbours X (n×k), Y (k×d); ∞ where they do not fit.
pub fn balance_gap<T: Floating>(x: &Matrix<T>, y: &Matrix<T>) -> f64 {
    if x.ncols() != y.nrows() {
        return f64::INFINITY;
    }
    let (x, y) = (scaled(x), scaled(y));
    let size = x.matrix.nrows().max(y.matrix.nrows()).max(y.matrix.ncols()) as f64;
    let left = x.matrix.transpose() * &x.matrix;
    // Both in units of the first one's scale, whose square cannot overflow.
    let apart = 2 * (y.exponent - x.exponent);
    let right = (&y.matrix * y.matrix.transpose()).map(|x| libm::ldexp(x, apart));
    let unit = size * unit_roundoff::<T>() * norm_1(&left).max(norm_1(&right));
    let gap = norm_1(&(left - right));
    if gap == 0.0 { 0.0 } else { gap / unit }
}
