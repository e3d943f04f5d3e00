//! E6 and E7 in floating point: first-order laws of balanced factors, by the observed order in η; and how Eq. 6 fails for the
//! factors that the paper itself starts from.

use super::balanced_floating::balanced_through;
use super::check::Check;
use super::error::TheoryError;
use super::floating::{named, view};
use super::ledger::{Arithmetic, Expected, Row};
use super::matrices;
use super::number::Matrix;
use super::search::{self, Budget, Found};
use super::slopes;
use super::step::{Step, product};
use super::velocity::{self, Gradient, factors};
use crate::spectrum::decompose::{self, Svd};
use proptest::prelude::*;
use std::fmt;

const UNIT: &str = "1.9 / observed order in η of the residual over seven step sizes";

/// E6 in f64.
pub const E6: Row = Row {
    id: "E6-f64",
    claim: "σ̇_r = −N·σ_r^{2−2/N}·⟨G, u_r·v_rᵀ⟩ to first order in η, for balanced factors of depth N = 2, 3, 4",
    arithmetic: Arithmetic::Floating,
    unit: UNIT,
    expected: Expected::Holds,
    run: |budget| search::random(budget, flows(), |flow| Ok(check_e6(&flow.step()?))),
};

/// E7 in f64.
pub const E7: Row = Row {
    id: "E7-f64",
    claim: "Ẇ = −Σⱼ [WWᵀ]^{(j−1)/N}·G·[WᵀW]^{(N−j)/N} to first order in η, for balanced factors of depth N = 2, 3, 4",
    arithmetic: Arithmetic::Floating,
    unit: UNIT,
    expected: Expected::Holds,
    run: |budget| search::random(budget, flows(), |flow| check_e7(&flow.step()?)),
};

/// Eq. 6 where the paper uses it: not a theorem there.
pub const EQ6_AT_THE_START: Row = Row {
    id: "Eq6-paper-start",
    claim: "Eq. 6 predicts the first step of the paper's own initial factors, W₁ ~ U(±1/√n) and W₂ ~ N(0, 0.25²), to first \
            order in η",
    arithmetic: Arithmetic::Floating,
    unit: UNIT,
    expected: Expected::Fails,
    run: at_the_start,
};

fn at_the_start(_: Budget) -> Found {
    let starts = paper_starts();
    let errors: Vec<f64> = starts
        .iter()
        .filter_map(|start| velocity_error(&start.step()))
        .collect();
    let (least, most) = errors
        .iter()
        .fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), &x| (a.min(x), b.max(x)));
    let mut found = search::each(starts, |start| Ok(check_eq6(&start.step())));
    if let Some(worst) = &mut found.worst {
        let range = format!(
            "; over all {} starts by {:.0} to {:.0} %",
            found.cases,
            100.0 * least,
            100.0 * most
        );
        worst.check.witness.push_str(&range);
    }
    found
}

/// A step of balanced factors with planted singular values, well apart; small, the step is made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Rows.
    pub n: usize,
    /// Columns.
    pub d: usize,
    /// Inner dimension, at least min(n, d).
    pub k: usize,
    /// N.
    pub depth: usize,
    /// Seed of the singular vectors, of A and of G.
    pub seed: u64,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flow { n, d, k, depth, seed } = self;
        write!(f, "balanced, n = {n}, d = {d}, k = {k}, depth {depth}, seed {seed}")
    }
}

/// Balanced steps, n and d up to 5, k from min(n, d) to 3 past it, depths 2 to 4.
pub fn flows() -> impl Strategy<Value = Flow> {
    (1usize..=5, 1usize..=5, 0usize..=3, 2usize..=4, 0u64..1_000_000).prop_map(|(n, d, past, depth, seed)| Flow {
        n,
        d,
        k: n.min(d) + past,
        depth,
        seed,
    })
}

impl Flow {
    /// The step: σ = 1/2, 1, 3/2 …, ‖G‖_F = 1; the learning rate is not used.
    ///
    /// # Errors
    /// None in fact: the table is finite and A fits.
    pub fn step(&self) -> Result<Step<f64>, TheoryError> {
        let &Flow { n, d, k, depth, seed } = self;
        let r = n.min(d);
        let sigma: Vec<f64> = (0..r).map(|i| 0.5 * (r - i) as f64).collect();
        let w = matrices::with_singular_values(&sigma, n, d, seed);
        let basis = matrices::orthonormal_columns(k, r, seed + 1);
        Ok(Step {
            factors: balanced_through(&w, depth, &basis)?,
            gradient: unit_gradient(n, d, seed + 2),
            learning_rate: 1.0,
        })
    }
}

/// A random G with ‖G‖_F = 1.
fn unit_gradient(n: usize, d: usize, seed: u64) -> Matrix<f64> {
    let g = matrices::normal(n, d, &mut matrices::generator(seed));
    let norm = g.norm();
    g / norm
}

/// E6: the observed order of what Eq. 6 leaves of the change of the singular values.
pub fn check_e6(step: &Step<f64>) -> Check {
    velocity::check_against(step, |_, velocity| velocity.balanced)
}

/// Eq. 6 on any factors: E6 with, in the witness, how far its velocities are from the true ones (E5).
pub fn check_eq6(step: &Step<f64>) -> Check {
    let mut check = check_e6(step);
    if let Some(error) = velocity_error(step) {
        check.witness = format!(
            "{}; Eq. 6's velocities are off by {:.0} % of the true ones",
            check.witness,
            100.0 * error
        );
    }
    check
}

/// `‖σ̇(Eq. 6) − σ̇(E5)‖₂ / ‖σ̇(E5)‖₂` over the simple singular values of a step; none where there is no velocity.
pub fn velocity_error(step: &Step<f64>) -> Option<f64> {
    let (n, d) = step.gradient.shape();
    let found = velocity::velocities(&factors(&step.factors), &Gradient::of(&step.gradient), n.min(d)).ok()?;
    let pairs = || {
        found
            .iter()
            .filter_map(|velocity| Some((velocity.general?, velocity.balanced?)))
    };
    let truth = pairs().map(|(general, _)| general * general).sum::<f64>().sqrt();
    let apart = pairs()
        .map(|(general, balanced)| (general - balanced).powi(2))
        .sum::<f64>()
        .sqrt();
    (truth > 0.0).then(|| apart / truth)
}

/// Ẇ of E7 (n×d) for W (n×d), G and N ≥ 1.
///
/// # Errors
/// [`TheoryError`]: `W` empty or not finite.
pub fn end_to_end_velocity(w: &Matrix<f64>, g: &Matrix<f64>, depth: usize) -> Result<Matrix<f64>, TheoryError> {
    let svd = decompose::svd(view(w)).map_err(|error| named("W", w, &error))?;
    let n = depth as f64;
    let mut sum = Matrix::zeros(w.nrows(), w.ncols());
    for j in 1..=depth {
        let (left, right) = ((j - 1) as f64 / n, (depth - j) as f64 / n);
        let half = power(&svd.u, &svd, left, g);
        sum -= power(&svd.v, &svd, right, &half.transpose()).transpose();
    }
    Ok(sum)
}

/// [QΣ²Qᵀ]^p·X, Q the left or the right vectors. [·]⁰ is the identity, beyond the range of Q too.
fn power(q: &faer::Mat<f64>, svd: &Svd<f64>, p: f64, x: &Matrix<f64>) -> Matrix<f64> {
    if p == 0.0 {
        return x.clone();
    }
    let q = super::floating::matrix(q);
    // A computed zero of 10⁻¹⁶ has a fourth root of 10⁻⁴.
    let least = svd.sigma[0] * (svd.u.nrows().max(svd.v.nrows())) as f64 * f64::EPSILON;
    let weight = |sigma: f64| if sigma > least { libm::pow(sigma, 2.0 * p) } else { 0.0 };
    let projected = q.transpose() * x;
    &q * Matrix::from_fn(projected.nrows(), projected.ncols(), |i, j| {
        projected[(i, j)] * weight(svd.sigma[i])
    })
}

/// E7: the observed order of `W⁺ − W − η·Ẇ`.
///
/// # Errors
/// As [`end_to_end_velocity`].
pub fn check_e7(step: &Step<f64>) -> Result<Check, TheoryError> {
    let velocity = end_to_end_velocity(&step.end_to_end(), &step.gradient, step.depth())?;
    Ok(check_e7_against(step, &velocity))
}

/// E7 with another Ẇ, such as a wrong one.
pub fn check_e7_against(step: &Step<f64>, velocity: &Matrix<f64>) -> Check {
    let before = step.end_to_end();
    if velocity.shape() != before.shape() {
        return Check::failed(1.0, format!("Ẇ is {:?}, W {:?}", velocity.shape(), before.shape()));
    }
    let residual = |eta: f64| {
        let moved = Step {
            learning_rate: eta,
            ..step.clone()
        };
        (product(&moved.after()) - &before - velocity * eta).norm()
    };
    let scale: f64 = step.factors.iter().map(|factor| factor.norm()).product();
    slopes::second_order(
        "‖W⁺ − W − ηẆ‖_F",
        residual,
        velocity::FLOOR * f64::EPSILON / 2.0 * scale,
    )
}

/// Two factors as the paper's code starts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaperStart {
    /// Rows.
    pub n: usize,
    /// Inner dimension.
    pub k: usize,
    /// Columns.
    pub d: usize,
    /// Seed.
    pub seed: u64,
}

impl fmt::Display for PaperStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PaperStart { n, k, d, seed } = self;
        write!(f, "the paper's start, n = {n}, k = {k}, d = {d}, seed {seed}")
    }
}

/// Starts of the paper's sizes, k = d and k = 4d, on tables of few and of many rows; the smallest first.
pub fn paper_starts() -> Vec<PaperStart> {
    let sizes = [
        (3, 2, 2),
        (3, 8, 2),
        (10, 4, 4),
        (10, 16, 4),
        (100, 8, 8),
        (100, 32, 8),
        (1000, 16, 16),
        (1000, 64, 16),
    ];
    sizes.map(|(n, k, d)| PaperStart { n, k, d, seed: 1 }).to_vec()
}

impl PaperStart {
    /// The step: W₁ ~ U(±1/√n), W₂ ~ N(0, 0.25²), ‖G‖_F = 1.
    pub fn step(&self) -> Step<f64> {
        let &PaperStart { n, k, d, seed } = self;
        let mut generator = matrices::generator(seed);
        let w1 = matrices::uniform(n, k, &mut generator) / (n as f64).sqrt();
        let w2 = matrices::normal(k, d, &mut generator) * 0.25;
        Step {
            factors: vec![w1, w2],
            gradient: unit_gradient(n, d, seed + 1),
            learning_rate: 1.0,
        }
    }
}
