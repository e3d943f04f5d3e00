//! How good predicted probabilities are.

use serde::{Deserialize, Serialize};

/// Measures of one split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Number of examples.
    pub examples: u64,
    /// Mean of −ln of the probability given to what happened (nats).
    pub log_loss: f64,
    /// Area under the ROC curve: the chance that a positive scores above a negative, ties counting half. Absent where only
    /// one class occurs.
    pub auc: Option<f64>,
    /// LogLoss over the entropy of the split's own base rate (He et al. 2014). Absent where only one class occurs.
    pub normalized_entropy: Option<f64>,
    /// Σ probability / Σ label. Absent without a positive.
    pub calibration: Option<f64>,
    /// Share of examples on the right side of ½.
    pub accuracy: f64,
}

/// Measures logits against labels. The logarithms are of logits, so that no probability rounds to 0 or 1.
pub fn quality(logits: &[f32], labels: &[f32]) -> Quality {
    let n = logits.len();
    let (mut loss, mut probabilities, mut right) = (0.0, 0.0, 0u64);
    for (&logit, &label) in logits.iter().zip(labels) {
        let (z, y) = (f64::from(logit), f64::from(label));
        loss += z.max(0.0) - z * y + (-z.abs()).exp().ln_1p();
        probabilities += 1.0 / (1.0 + (-z).exp());
        right += u64::from((z > 0.0) == (y > 0.5));
    }
    let positives = labels.iter().filter(|&&label| label > 0.5).count();
    let mean = |sum: f64| if n == 0 { 0.0 } else { sum / n as f64 };
    let (log_loss, rate) = (mean(loss), mean(positives as f64));
    let entropy = -(rate * rate.ln() + (1.0 - rate) * (-rate).ln_1p());
    let both = positives > 0 && positives < n;
    Quality {
        examples: n as u64,
        log_loss,
        auc: auc(logits, labels),
        normalized_entropy: both.then(|| log_loss / entropy),
        calibration: (positives > 0).then(|| probabilities / positives as f64),
        accuracy: mean(right as f64),
    }
}

/// Exact area under the ROC curve (Mann and Whitney 1947), ties counting half.
fn auc(scores: &[f32], labels: &[f32]) -> Option<f64> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| scores[a as usize].total_cmp(&scores[b as usize]));
    let (mut negatives, mut positives) = (0u64, 0u64);
    let mut twice_wins = 0u128; // in half wins: integers, so the sum is exact
    let tied = |&a: &u32, &b: &u32| scores[a as usize] == scores[b as usize];
    for group in order.chunk_by(tied) {
        let here = group.iter().filter(|&&i| labels[i as usize] > 0.5).count() as u64;
        let not_here = group.len() as u64 - here;
        twice_wins += u128::from(here) * u128::from(2 * negatives + not_here);
        negatives += not_here;
        positives += here;
    }
    let pairs = u128::from(negatives) * u128::from(positives);
    (pairs > 0).then(|| twice_wins as f64 / (2 * pairs) as f64)
}

/// A group of examples by how often its rarest category was seen in training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Least count of the group.
    pub seen_from: u64,
    /// Greatest count; absent for the last group.
    pub seen_to: Option<u64>,
    /// Its measures.
    #[serde(flatten)]
    pub quality: Quality,
}

/// Least counts of the groups by frequency.
const SEEN_FROM: [u64; 5] = [0, 1, 5, 20, 100];

/// Measures split by `rarest[i]`, how often example i's rarest category was seen in training. Empty groups are left out.
pub fn by_frequency(logits: &[f32], labels: &[f32], rarest: &[u64]) -> Vec<Bucket> {
    let groups = SEEN_FROM.iter().enumerate().filter_map(|(g, &seen_from)| {
        let seen_to = SEEN_FROM.get(g + 1).map(|next| next - 1);
        let inside = |&i: &usize| rarest[i] >= seen_from && seen_to.is_none_or(|to| rarest[i] <= to);
        let members: Vec<usize> = (0..rarest.len()).filter(inside).collect();
        let pick = |values: &[f32]| members.iter().map(|&i| values[i]).collect::<Vec<f32>>();
        let quality = quality(&pick(logits), &pick(labels));
        (quality.examples > 0).then_some(Bucket {
            seen_from,
            seen_to,
            quality,
        })
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        assert_eq!(auc(&[0.0, 1.0, 1.0, 2.0], &[0.0, 0.0, 1.0, 1.0]), Some(3.5 / 4.0));
        assert_eq!(auc(&[3.0, 3.0], &[1.0, 0.0]), Some(0.5));
        assert_eq!(auc(&[3.0, 3.0], &[1.0, 1.0]), None);
    }

    #[test]
    fn ignorance_has_normalized_entropy_one() {
        let labels = [1.0, 0.0, 0.0, 0.0];
        let logit = (0.25f32 / 0.75).ln();
        let quality = quality(&[logit; 4], &labels);
        // One f32 rounding of the logit moves the loss, flat at the base rate, by its square only.
        assert!((quality.normalized_entropy.unwrap() - 1.0).abs() < 1e-14);
        assert!((quality.calibration.unwrap() - 1.0).abs() < f64::from(f32::EPSILON));
        assert_eq!(quality.accuracy, 0.75);
    }

    #[test]
    fn groups_hold_every_example_once() {
        let rarest = [0, 1, 4, 5, 19, 20, 99, 100, 1_000_000];
        let buckets = by_frequency(&[0.0; 9], &[1.0; 9], &rarest);
        let counts: Vec<u64> = buckets.iter().map(|bucket| bucket.quality.examples).collect();
        assert_eq!(counts, [1, 2, 2, 2, 2]);
    }
}
