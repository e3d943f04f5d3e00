//! Means over seeds, and differences paired by seed.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Some numbers in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// How many.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation (divisor n − 1); absent for a single one.
    pub sd: Option<f64>,
}

/// Differences in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Their number, mean and standard deviation.
    #[serde(flatten)]
    pub sample: Sample,
    /// Ends of Student's 95 % interval for the mean; absent for a single difference.
    pub interval: Option<[f64; 2]>,
}

impl Sample {
    /// Mean and standard deviation of `values`; `None` for none.
    pub fn of(values: &[f64]) -> Option<Sample> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Some(Sample { n, mean, sd })
    }
}

impl Difference {
    /// Of paired values, `(one, other)` → one − other, with the interval mean ± t·sd/√n on n − 1 degrees of freedom; `None`
    /// for no pair. It rests on differences that are independent and normal.
    pub fn paired(pairs: &[(f64, f64)]) -> Option<Difference> {
        let differences: Vec<f64> = pairs.iter().map(|(one, other)| one - other).collect();
        let sample = Sample::of(&differences)?;
        let interval = sample.sd.and_then(|sd| {
            let half = t_quantile(sample.n - 1)? * sd / (sample.n as f64).sqrt();
            Some([sample.mean - half, sample.mean + half])
        });
        Some(Difference { sample, interval })
    }

    /// Whether the interval leaves 0 out.
    pub fn is_clear(&self) -> bool {
        self.interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0)
    }
}

/// t with P(|T| ≤ t) = 0.95 for Student's distribution.
pub fn t_quantile(degrees_of_freedom: usize) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64).ok()?;
    Some(student.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_printed_tables() {
        // To the three digits that tables print: half a unit of the last.
        for (degrees, t) in [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042)] {
            let found = t_quantile(degrees).unwrap();
            assert!((found - t).abs() <= 0.0005, "{degrees}: {found} for {t}");
        }
        assert_eq!(t_quantile(0), None);
    }

    #[test]
    fn made_up_numbers() {
        let sample = Sample::of(&[1.0, 2.0, 6.0]).unwrap();
        assert_eq!((sample.n, sample.mean, sample.sd), (3, 3.0, Some(7f64.sqrt())));
        let one = Sample::of(&[5.0]).unwrap();
        assert_eq!((one.mean, one.sd), (5.0, None));
        assert_eq!(Sample::of(&[]), None);
    }

    #[test]
    fn differences_are_taken_within_a_pair() {
        // Seeds differ by far more than arms: unpaired, nothing could be seen. All numbers are exact in binary.
        let pairs = [(10.25, 10.0), (20.5, 20.0), (30.75, 30.0)];
        let difference = Difference::paired(&pairs).unwrap();
        assert_eq!((difference.sample.mean, difference.sample.sd), (0.5, Some(0.25)));
        let half = t_quantile(2).unwrap() * 0.25 / 3f64.sqrt();
        assert_eq!(difference.interval, Some([0.5 - half, 0.5 + half]));
        assert!(!difference.is_clear(), "4.303·0.25/√3 = 0.62 is more than 0.5");
        let wide = [(1.0, 0.0), (1.5, 0.0)]; // 12.71·0.25 = 3.18 is more than 1.25
        assert!(Difference::paired(&wide).is_some_and(|d| !d.is_clear()));
        assert!(Difference::paired(&[(1.0, 0.0), (1.0, 0.0)]).is_some_and(|d| d.is_clear()));
        assert!(Difference::paired(&[(1.0, 0.0)]).is_some_and(|d| d.interval.is_none() && !d.is_clear()));
        assert_eq!(Difference::paired(&[]), None);
    }
}
