//! The learning rate over the steps: linear warm-up, then polynomial decay.

use crate::model::config::Optimizer;

/// η at `step` (from 0), before any scale of the tables.
pub fn learning_rate(optimizer: &Optimizer, step: u64) -> f64 {
    let warm = match optimizer.warmup_steps {
        0 => 1.0,
        steps => ((step + 1) as f64 / steps as f64).min(1.0),
    };
    let decay = if optimizer.decay_steps == 0 || step < optimizer.decay_start_step {
        1.0
    } else {
        let done = (step - optimizer.decay_start_step) as f64 / optimizer.decay_steps as f64;
        let left = (1.0 - done).max(0.0).powf(optimizer.decay_power);
        optimizer.decay_end_scale + (1.0 - optimizer.decay_end_scale) * left
    };
    optimizer.learning_rate * warm * decay
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_rises_and_decay_falls() {
        let optimizer = Optimizer {
            learning_rate: 1.0,
            warmup_steps: 4,
            decay_start_step: 10,
            decay_steps: 10,
            decay_power: 2.0,
            decay_end_scale: 0.1,
            ..Optimizer::default()
        };
        let rates: Vec<f64> = [0, 3, 9, 10, 15, 20, 99]
            .iter()
            .map(|&step| learning_rate(&optimizer, step))
            .collect();
        assert_eq!(rates, [0.25, 1.0, 1.0, 1.0, 0.1 + 0.9 * 0.25, 0.1, 0.1]);
    }
}
