//! The observed order of a residual: what a statement that is true to first order in η is checked by.
//!
//! A first-order statement leaves a residual `C·η²`, and how large C may be depends on the case, so no tolerance on the residual
//! itself would mean anything. Its *order* does: the slope of log residual against log η is 2 for the right formula and 1 for a
//! wrong one, whatever C is.

use super::check::Check;

/// Step sizes of the order checks: small enough that η³ does not show beside η² and large enough that in f64 η² still stands
/// out of rounding.
pub const STEP_SIZES: [f64; 7] = [
    1.0 / 16384.0,
    1.0 / 32768.0,
    1.0 / 65536.0,
    1.0 / 131_072.0,
    1.0 / 262_144.0,
    1.0 / 524_288.0,
    1.0 / 1_048_576.0,
];

/// The least slope that counts as second order; a wrong formula leaves a residual of first order, slope 1.
pub const LEAST_ORDER: f64 = 1.9;

/// The least-squares slope of log residual against log η over points (η, residual).
///
/// Points with a residual of 0 are left out; if all are 0 the order is ∞. None where a number is not finite or negative, or
/// where fewer than two different η are left.
pub fn observed_order(points: &[(f64, f64)]) -> Option<f64> {
    let valid = |&(eta, residual): &(f64, f64)| eta.is_finite() && eta > 0.0 && residual.is_finite() && residual >= 0.0;
    if points.is_empty() || !points.iter().all(valid) {
        return None;
    }
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(_, residual)| *residual > 0.0)
        .map(|(eta, residual)| (eta.ln(), residual.ln()))
        .collect();
    if logs.is_empty() {
        return Some(f64::INFINITY);
    }
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / logs.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = logs.iter().map(|p| (p.0 - x) * (p.0 - x)).sum();
    let rise: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    (spread > 0.0).then(|| rise / spread)
}

/// Whether `residual(η)` is of second order over [`STEP_SIZES`]: the check's ratio is 1.9 / order, its bound 1.
///
/// `floor` is what rounding alone can leave of a residual. Points below it say nothing and are left out; where fewer than two
/// are left, the residual is rounding and the statement holds without a remainder (ratio 0).
pub fn second_order(name: &str, residual: impl Fn(f64) -> f64, floor: f64) -> Check {
    let points = STEP_SIZES.map(|eta| (eta, residual(eta)));
    if let Some((eta, bad)) = points.iter().find(|(_, residual)| !residual.is_finite()) {
        return Check::failed(1.0, format!("{name}: the residual at η = {eta:e} is {bad}"));
    }
    let telling: Vec<(f64, f64)> = points.into_iter().filter(|(_, residual)| *residual > floor).collect();
    let order = match telling.len() {
        0 | 1 => f64::INFINITY,
        _ => observed_order(&telling).unwrap_or(f64::NAN),
    };
    // Not max(0), or a NaN would be lost: a residual that grows as η shrinks has a negative order and fails.
    let ratio = if order <= 0.0 {
        f64::INFINITY
    } else {
        LEAST_ORDER / order
    };
    let (largest, at) = (points[0].1, points[0].0);
    Check {
        left: order,
        right: LEAST_ORDER,
        ratio,
        bound: 1.0,
        witness: format!("{name}: observed order {order:.4} in η; residual {largest:.3e} at η = {at:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_have_their_order() {
        for power in [1.0, 2.0, 2.5] {
            let points = STEP_SIZES.map(|eta| (eta, 3.0 * eta.powf(power)));
            let order = observed_order(&points).unwrap();
            // Logarithms of numbers up to 1e-13 are right to 30·ε/2; the spread of seven octaves divides that by about 2.
            assert!((order - power).abs() <= 64.0 * f64::EPSILON, "{order} for {power}");
        }
    }

    #[test]
    fn zeros_and_nonsense() {
        assert_eq!(observed_order(&[(0.1, 0.0), (0.2, 0.0)]), Some(f64::INFINITY));
        assert_eq!(observed_order(&[(0.1, f64::NAN), (0.2, 1.0)]), None);
        assert_eq!(observed_order(&[(0.1, 1.0), (0.1, 2.0)]), None);
        assert_eq!(observed_order(&[(-0.1, 1.0), (0.1, 2.0)]), None);
        assert_eq!(observed_order(&[]), None);
    }

    #[test]
    fn a_first_order_residual_is_not_second_order() {
        assert!(second_order("η²", |eta| 5.0 * eta * eta, 1e-16).holds());
        assert!(!second_order("η", |eta| 1e-3 * eta + eta * eta, 1e-16).holds());
        assert!(!second_order("noise", |_| 1e-9, 1e-16).holds());
        assert!(!second_order("NaN", |_| f64::NAN, 1e-16).holds());
        assert!(second_order("rounding", |eta| 1e-17 / eta * 1e-6, 1e-10).holds());
    }
}
