//! Rank measures of a spectrum.
//!
//! Every function takes the singular values σ in descending order, finite and not negative. Notation: `p = σ/‖σ‖₁`,
//! `q = σ²/Σσ²`, natural logarithms, `0·log 0 = 0`. Of the zero matrix (and of an empty list) every rank measure is 0.
//! All but [`numerical_rank`]'s cut-off depend on the ratios `σᵢ/σ₁` alone, so no measure changes when a table is scaled.
//!
//! For a spectrum that is not zero (`H_a` is the Rényi entropy of order a):
//!
//! ```text
//! 1 ≤ stable_rank = exp H_∞(q) ≤ participation_ratio = exp H_2(q) ≤ effective_rank = exp H_1(p) ≤ #{σᵢ > 0}
//!     stable_rank ≤ information_abundance = exp H_∞(p) ≤ effective_rank
//! ```
//!
//! with equality throughout exactly where all σᵢ > 0 are equal.

use super::gram::certify::Interval;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// σᵢ/σ₁, or nothing where σ₁ is 0.
fn ratios(sigma: &[f64]) -> impl Iterator<Item = f64> + Clone + '_ {
    let first = sigma.first().copied().unwrap_or(0.0);
    let used = if first > 0.0 { sigma } else { &[] };
    used.iter().map(move |x| x / first)
}

/// `−Σ wᵢ log wᵢ` with `wᵢ = xᵢ/Σx`; 0 for no weight.
fn entropy(weights: impl Iterator<Item = f64> + Clone) -> f64 {
    let total: f64 = weights.clone().sum();
    // Not −Σ, and not below 0: a single weight must give 0 and not −0 or a rounding below it.
    weights
        .map(|x| x / total)
        .filter(|&w| w > 0.0)
        .map(|w| -w * w.ln())
        .sum::<f64>()
        .max(0.0)
}

/// `#{σᵢ > τ·σ₁}`. The paper reads it at τ = 0.01 (Ghaemmaghami et al. 2020, section 2.2.1).
pub fn rank_at(sigma: &[f64], tau: f64) -> usize {
    // Strictly greater, or the zero matrix would have full rank.
    ratios(sigma).filter(|&r| r > tau).count()
}

/// A number of singular values, as far as it is known. Serialised as the number, or as `[least, most]` where it is not decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Not fewer.
    pub least: usize,
    /// Nor more.
    pub most: usize,
}

impl Count {
    /// A number that is known.
    pub fn decided(count: usize) -> Self {
        Count {
            least: count,
            most: count,
        }
    }

    /// The number, where it is known.
    pub fn number(self) -> Option<usize> {
        (self.least == self.most).then_some(self.least)
    }
}

/// `3`, or `3–5`.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => write!(f, "{number}"),
            None => write!(f, "{}–{}", self.least, self.most),
        }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.number() {
            Some(number) => number.serialize(serializer),
            None => [self.least, self.most].serialize(serializer),
        }
    }
}

/// `#{σᵢ > τ·σ₁}` of singular values that lie in `intervals`, for 0 ≤ τ < 1: a value counts for certain if its interval lies above
/// τ times that of σ₁, and does not if it lies below or at it.
pub fn certified_rank_at(intervals: &[Interval], tau: f64) -> Count {
    let Some((first, rest)) = intervals.split_first() else {
        return Count::decided(0);
    };
    // The products are rounded: one number further out on either side.
    let (low, high) = ((tau * first.lo).next_down(), (tau * first.hi).next_up());
    let surely = rest.iter().filter(|interval| interval.lo >= high).count();
    let perhaps = rest.iter().filter(|interval| interval.hi > low.max(0.0)).count();
    // σ₁ > τσ₁ unless it is 0, and without it there is no other.
    Count {
        least: if first.lo > 0.0 { 1 + surely } else { 0 },
        most: if first.hi > 0.0 { 1 + perhaps } else { 0 },
    }
}

/// `#{σᵢ > σ₁·max(n, d)·ε}`, ε the spacing of 1.0 in the type the table was stored in (NumPy's `matrix_rank`).
pub fn numerical_rank(sigma: &[f64], n: usize, d: usize, epsilon: f64) -> usize {
    rank_at(sigma, n.max(d) as f64 * epsilon)
}

/// `exp(−Σ pᵢ log pᵢ)` (Roy & Vetterli, EUSIPCO 2007).
pub fn effective_rank(sigma: &[f64]) -> f64 {
    if rank_at(sigma, 0.0) == 0 {
        0.0
    } else {
        entropy(ratios(sigma)).exp()
    }
}

/// `‖W‖_F²/σ₁²` (Rudelson & Vershynin, J. ACM 2007).
pub fn stable_rank(sigma: &[f64]) -> f64 {
    ratios(sigma).map(|r| r * r).sum()
}

/// `(Σσ²)²/Σσ⁴`, uncentred: the number of directions that would share the energy evenly.
pub fn participation_ratio(sigma: &[f64]) -> f64 {
    let (two, four) = ratios(sigma).fold((0.0, 0.0), |(two, four), r| (two + r * r, four + r.powi(4)));
    if four > 0.0 { two * two / four } else { 0.0 }
}

/// `‖σ‖₁/‖σ‖_∞` (Guo et al., ICML 2024).
pub fn information_abundance(sigma: &[f64]) -> f64 {
    ratios(sigma).sum()
}

/// `−Σ q log q / log(min(n, d))`, in [0, 1]; 0 for the zero matrix. None where min(n, d) ≤ 1: a single direction is
/// neither even nor uneven.
pub fn spectral_entropy(sigma: &[f64]) -> Option<f64> {
    if sigma.len() < 2 {
        return None;
    }
    // min: the sum of len(σ) rounded terms can pass log(len) by a few ulps.
    Some((entropy(ratios(sigma).map(|r| r * r)) / (sigma.len() as f64).ln()).min(1.0))
}

/// Least r with `Σ_{i≤r} σᵢ² ≥ share·Σσ²`; `share` in (0, 1].
pub fn energy_dim(sigma: &[f64], share: f64) -> usize {
    let total = stable_rank(sigma);
    if total == 0.0 {
        return 0;
    }
    let mut sum = 0.0;
    for (i, r) in ratios(sigma).enumerate() {
        sum += r * r;
        if sum >= share * total {
            return i + 1;
        }
    }
    sigma.len()
}

/// `σ₁/σ_min`, `σ_min` the last of the min(n, d) values. None where `σ_min` is 0 (infinite, or undefined for the zero
/// matrix) and for an empty list.
pub fn condition_number(sigma: &[f64]) -> Option<f64> {
    let (first, last) = (sigma.first()?, sigma.last()?);
    // The quotient of two positive numbers can still overflow.
    Some(first / last).filter(|c| c.is_finite())
}

/// A power law fitted to a spectrum.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PowerLaw {
    /// α of `σⱼ² ∝ j^{−α}`: 0 for a flat spectrum.
    pub alpha: f64,
    /// First j of the fit, counted from 1.
    pub first: usize,
    /// Last j of the fit, inclusive.
    pub last: usize,
    /// Share of the variance of log σ² that the law explains; 1 for an exact law and for a flat spectrum.
    pub r_squared: f64,
}

/// Exponent of the least-squares fit of `log σⱼ²` against `log j` for j in `first..=last`, counted from 1 (Agrawal et al.,
/// NeurIPS 2022, α-ReQ). None with fewer than three values in the range, or where one of them is 0.
pub fn power_law_alpha(sigma: &[f64], first: usize, last: usize) -> Option<PowerLaw> {
    let last = last.min(sigma.len());
    if first == 0 || last < first + 2 {
        return None;
    }
    let points: Vec<(f64, f64)> = ratios(sigma)
        .enumerate()
        .skip(first - 1)
        .take(last + 1 - first)
        .map(|(i, r)| (((i + 1) as f64).ln(), 2.0 * r.ln()))
        .collect();
    if points.len() < 3 || points.iter().any(|p| !p.1.is_finite()) {
        return None;
    }
    let count = points.len() as f64;
    let (mx, my) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        xx += (x - mx) * (x - mx);
        xy += (x - mx) * (y - my);
        yy += (y - my) * (y - my);
    }
    let r_squared = if yy > 0.0 { (xy * xy / (xx * yy)).min(1.0) } else { 1.0 };
    Some(PowerLaw {
        alpha: 0.0 - xy / xx,
        first,
        last,
        r_squared,
    }) // 0 − x, or a flat spectrum would have α = −0
}

/// All measures of one spectrum. Serialised as one flat object; the keys of [`Measures::ranks_at`] are `rank_at_<τ>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// (τ, [`rank_at`] τ), in the order asked for; a range where intervals do not decide it ([`Measures::certified`]).
    pub ranks_at: Vec<(f64, Count)>,
    /// [`numerical_rank`].
    pub numerical_rank: usize,
    /// [`effective_rank`].
    pub effective_rank: f64,
    /// [`stable_rank`].
    pub stable_rank: f64,
    /// [`participation_ratio`].
    pub participation_ratio: f64,
    /// [`information_abundance`].
    pub information_abundance: f64,
    /// [`spectral_entropy`]; null where undefined.
    pub spectral_entropy: Option<f64>,
    /// [`energy_dim`] of 0.99.
    pub energy_dim_99: usize,
    /// [`condition_number`]; null where infinite or undefined.
    pub condition_number: Option<f64>,
    /// [`power_law_alpha`] over `1..=numerical_rank`; null with fewer than three values.
    pub power_law: Option<PowerLaw>,
}

impl Measures {
    /// Measures σ (descending) of an n×d table whose entries were stored with spacing `epsilon`.
    pub fn new(sigma: &[f64], n: usize, d: usize, epsilon: f64, taus: &[f64]) -> Self {
        let rank = numerical_rank(sigma, n, d, epsilon);
        Measures {
            ranks_at: taus
                .iter()
                .map(|&tau| (tau, Count::decided(rank_at(sigma, tau))))
                .collect(),
            numerical_rank: rank,
            effective_rank: effective_rank(sigma),
            stable_rank: stable_rank(sigma),
            participation_ratio: participation_ratio(sigma),
            information_abundance: information_abundance(sigma),
            spectral_entropy: spectral_entropy(sigma),
            energy_dim_99: energy_dim(sigma, 0.99),
            condition_number: condition_number(sigma),
            power_law: power_law_alpha(sigma, 1, rank),
        }
    }

    /// The same with [`Measures::ranks_at`] as [`certified_rank_at`] of `intervals`, one a value.
    #[must_use]
    pub fn certified(mut self, intervals: &[Interval]) -> Self {
        for (tau, count) in &mut self.ranks_at {
            *count = certified_rank_at(intervals, *tau);
        }
        self
    }

    /// Every measure under its name, in a fixed order; null where undefined.
    pub fn fields(&self) -> Vec<(String, serde_json::Value)> {
        let value = |count: Count| match count.number() {
            Some(number) => number.into(),
            None => vec![count.least, count.most].into(),
        };
        let mut fields: Vec<(String, serde_json::Value)> = self
            .ranks_at
            .iter()
            .map(|&(tau, count)| (format!("rank_at_{tau}"), value(count)))
            .collect();
        let mut put = |name: &str, value: serde_json::Value| fields.push((name.into(), value));
        put("numerical_rank", self.numerical_rank.into());
        put("effective_rank", self.effective_rank.into());
        put("stable_rank", self.stable_rank.into());
        put("participation_ratio", self.participation_ratio.into());
        put("information_abundance", self.information_abundance.into());
        put("spectral_entropy", self.spectral_entropy.into());
        put("energy_dim_0.99", self.energy_dim_99.into());
        put("condition_number", self.condition_number.into());
        put("power_law_alpha", self.power_law.map(|p| p.alpha).into());
        put("power_law_first", self.power_law.map(|p| p.first).into());
        put("power_law_last", self.power_law.map(|p| p.last).into());
        put("power_law_r_squared", self.power_law.map(|p| p.r_squared).into());
        fields
    }
}

impl Serialize for Measures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.fields();
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, value) in &fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
