//! Singular values of a product of factors, each with an interval that is proved to hold it.

use super::decompose::{self, exponent};
use super::gram::certify::{Certified, Interval, certified, certified_exact, certified_rotated, rotation};
use super::gram::exact::ExactGram;
use super::gram::{Change, Gram};
use super::table::Factor;
use super::{SpectrumError, values};
use faer::Mat;

/// How the values were had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// One pass: the Gram matrix of the first factor, summed in f64.
    Gram,
    /// One pass, or the sum of the passes over the parts of a table: the Gram matrix of the first factor in integers, exactly.
    Exact,
    /// A second pass: the Gram matrix of the rows, rotated to the singular vectors that the first pass found.
    Rotated,
    /// A tree of QR factorisations; its intervals are those of the rows rotated to its vectors.
    Qr,
}

/// A spectrum that is proved.
#[derive(Debug, Clone, PartialEq)]
pub struct CertifiedSpectrum {
    /// Descending, min(n, d) of them.
    pub sigma: Vec<f64>,
    /// An interval a value: the exact singular value of the stored numbers lies in it.
    pub intervals: Vec<Interval>,
    /// How they were had.
    pub route: Route,
}

/// The accuracy that decides the route.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Values above `floor·σ₁` are asked about.
    pub floor: f64,
    /// How wide their intervals may be, relative.
    pub relative_width: f64,
}

impl Default for Accuracy {
    fn default() -> Self {
        Self {
            floor: 1e-6,
            relative_width: 1e-9,
        }
    }
}

impl Accuracy {
    /// Whether the intervals decide every value above the floor to within the width.
    fn met(&self, intervals: &[Interval]) -> bool {
        let first = intervals.first().map_or(0.0, |interval| interval.hi);
        let asked = intervals.iter().filter(|interval| interval.hi > self.floor * first);
        asked
            .into_iter()
            .all(|interval| interval.relative_width() <= self.relative_width)
    }
}

/// Singular values of `W = W₁·W₂⋯W_N` (n×d) and their intervals.
///
/// The rule: one pass over the rows for the Gram matrix of W₁; where its intervals are not narrow enough for `accuracy`, a second
/// pass over the rows rotated to the vectors found; where that is not either, a tree of QR factorisations for the values, and
/// its intervals from a pass over the rows rotated to its vectors. W itself is never formed, and memory does not grow with n.
///
/// # Errors
/// As [`super::singular_values`].
pub fn certified_values(factors: &[Factor], accuracy: Accuracy) -> Result<CertifiedSpectrum, SpectrumError> {
    let (n, d) = values::shape(factors)?;
    let (first, rest) = factors.split_first().ok_or(SpectrumError::NoFactor)?;
    let count = factors
        .iter()
        .map(|factor| factor.rows().min(factor.cols()))
        .min()
        .unwrap_or(0);
    let tail = Tail::of(rest)?;
    let (Some((gram, scale)), Some(tail)) = (first_pass(first, Change::default())?, tail) else {
        return finished(Certified::zero(d), Route::Gram, 0, (n.min(d), 0), first);
    };
    let exponent = scale + tail.exponent;
    let finish = |result, route| finished(result, route, exponent, (n.min(d), count), first);
    let met = |result: &Certified| accuracy.met(&result.intervals[..count.min(d)]);
    let once = certified(&gram, &tail.factors);
    if met(&once) {
        return finish(once, Route::Gram);
    }
    let twice = second_pass(first, scale, &gram, &tail.factors, &once);
    if met(&twice) {
        return finish(twice, Route::Rotated);
    }
    let by_qr = values::leading(factors, d)?;
    let rotated = Certified {
        v: completed(&by_qr.v, d),
        ..twice
    };
    let mut last = second_pass(first, scale, &gram, &tail.factors, &rotated);
    for (mine, qr) in last.sigma.iter_mut().zip(&by_qr.sigma) {
        *mine = libm::ldexp(*qr, -exponent);
    }
    finish(last, Route::Qr)
}

/// Singular values of `A·W₂⋯W_N` and their intervals from the exact Gram matrix of A (n×k), whose rows need not be at hand; `tensor`
/// names A in errors.
///
/// # Errors
/// As [`super::singular_values`].
pub fn certified_from_gram(
    gram: &ExactGram,
    rest: &[Factor],
    tensor: &str,
) -> Result<CertifiedSpectrum, SpectrumError> {
    let named = Factor::f32(tensor, ndarray::Array2::zeros((0, gram.cols)));
    let factors: Vec<&Factor> = std::iter::once(&named).chain(rest).collect();
    for pair in factors.windows(2) {
        if pair[0].cols() != pair[1].rows() {
            return Err(SpectrumError::Shapes {
                left: pair[0].name.clone(),
                left_cols: pair[0].cols(),
                right: pair[1].name.clone(),
                right_rows: pair[1].rows(),
            });
        }
    }
    let n = usize::try_from(gram.rows).unwrap_or(usize::MAX);
    let d = rest.last().map_or(gram.cols, Factor::cols);
    let rank = (rest.iter().map(|factor| factor.rows().min(factor.cols()))).fold(n.min(gram.cols), usize::min);
    let zero = gram.entries.iter().all(|entry| entry.bits() == 0);
    let tail = Tail::of(rest)?;
    let Some(tail) = tail.filter(|_| !zero) else {
        return finished(Certified::zero(d), Route::Exact, 0, (n.min(d), 0), &named);
    };
    let (result, exponent) = certified_exact(gram, &tail.factors);
    finished(result, Route::Exact, exponent + tail.exponent, (n.min(d), rank), &named)
}

/// The factors behind the first, each scaled to a greatest |entry| in [1, 2), and the exponent taken out.
pub(super) struct Tail {
    pub(super) factors: Vec<Mat<f64>>,
    pub(super) exponent: i32,
}

impl Tail {
    /// None where a factor is zero.
    pub(super) fn of(factors: &[Factor]) -> Result<Option<Self>, SpectrumError> {
        let mut tail = Some(Self {
            factors: Vec::new(),
            exponent: 0,
        });
        for factor in factors {
            let Some(e) = exponent(largest(factor)?) else {
                tail = None; // and on, so that an entry that is not finite further behind is still reported
                continue;
            };
            if let Some(tail) = &mut tail {
                tail.factors.push(values::whole(factor, e));
                tail.exponent += e;
            }
        }
        Ok(tail)
    }
}

fn largest(factor: &Factor) -> Result<f64, SpectrumError> {
    factor.largest().map_err(|(row, column)| SpectrumError::NotFinite {
        tensor: factor.name.clone(),
        row,
        column,
    })
}

/// The Gram matrix of `2^−scale · first`; none where that is zero. Scaled, in a second look, only where squares of the entries
/// would come near an end of f64's range.
pub(super) fn first_pass(first: &Factor, change: Change<'_>) -> Result<Option<(Gram, i32)>, SpectrumError> {
    const RANGE: std::ops::Range<f64> = 1e-200..1e200;
    let gram = Gram::of_changed(first, None, change);
    let greatest = (0..gram.cols).map(|i| gram.at(i, i)).fold(0.0, f64::max);
    if gram.is_finite() && RANGE.contains(&greatest) {
        return Ok(Some((gram, 0)));
    }
    let Some(e) = exponent(largest(first)?) else {
        return Ok(None);
    };
    // 2^−e must itself be a number; two powers less leave entries that square well enough.
    let e = e.clamp(-1021, 1021);
    let cols = first.cols();
    let scale = Mat::from_fn(cols, cols, |i, j| if i == j { libm::ldexp(1.0, -e) } else { 0.0 });
    Ok(Some((Gram::of_changed(first, Some(&scale), change), e)))
}

/// A pass over the rows rotated to the vectors of `known`, together with what was known.
fn second_pass(first: &Factor, scale: i32, gram: &Gram, tail: &[Mat<f64>], known: &Certified) -> Certified {
    if scale != 0 {
        // Rotated and scaled entries may underflow: what is known stays.
        return known.clone();
    }
    let x = rotation(first.cols(), tail, &known.v);
    let mut result = certified_rotated(gram, tail, &x, &known.v, &Gram::of_product(first, &x));
    result.intersect(known);
    result
}

/// `v` (d × fewer) with orthonormal columns that make it square.
fn completed(v: &Mat<f64>, d: usize) -> Mat<f64> {
    if v.ncols() == d {
        return v.clone();
    }
    decompose::qr_full(v.as_ref()).map_or_else(|_| Mat::identity(d, d), |qr| qr.q)
}

/// Scaled back, with min(n, d) values of which only the first `rank` can be other than 0.
pub(super) fn finished(
    result: Certified,
    route: Route,
    exponent: i32,
    (count, rank): (usize, usize),
    first: &Factor,
) -> Result<CertifiedSpectrum, SpectrumError> {
    let mut sigma = Vec::with_capacity(count);
    let mut intervals = Vec::with_capacity(count);
    let zero = Interval { lo: 0.0, hi: 0.0 };
    for i in 0..count {
        let (value, Interval { lo, hi }) = if i < rank {
            (result.sigma[i], result.intervals[i])
        } else {
            (0.0, zero)
        };
        sigma.push(libm::ldexp(value.clamp(lo, hi.max(lo)), exponent));
        intervals.push(Interval {
            lo: libm::ldexp(lo, exponent),
            hi: libm::ldexp(hi, exponent),
        });
    }
    if intervals.iter().any(|interval| interval.hi.is_infinite()) {
        return Err(SpectrumError::Overflow {
            tensor: first.name.clone(),
        });
    }
    Ok(CertifiedSpectrum {
        sigma,
        intervals,
        route,
    })
}
