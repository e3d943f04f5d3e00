//! Which configurations make sense.

use super::{Config, ConfigError, Rule};

impl Config {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let bad = |key, value: String, problem| Err(ConfigError::Value { key, value, problem });
        let (model, optimizer) = (&self.model, &self.optimizer);
        let zero = "must be at least 1";
        if model.embedding_dim == 0 {
            return bad("model.embedding_dim", "0".into(), zero);
        }
        if model.inner_dim == Some(0) {
            return bad(
                "model.inner_dim",
                "0".into(),
                "must be at least 1; leave it out for a single layer",
            );
        }
        match (model.depth, model.inner_dim) {
            (Some(0), _) => return bad("model.depth", "0".into(), zero),
            (Some(depth), None) if depth > 1 => {
                return bad(
                    "model.depth",
                    depth.to_string(),
                    "several factors need model.inner_dim (--inner-dim K)",
                );
            }
            (Some(1), Some(_)) => {
                return bad(
                    "model.depth",
                    "1".into(),
                    "one factor has no inner dimension: leave out model.inner_dim",
                );
            }
            _ => {}
        }
        if optimizer.freeze_further_factors && self.depth() == 1 {
            return bad(
                "optimizer.freeze_further_factors",
                "true".into(),
                "a single layer has no further factors: give model.inner_dim (--inner-dim K)",
            );
        }
        if model.bottom_mlp.contains(&0) || model.top_mlp.contains(&0) {
            return bad("model.bottom_mlp/top_mlp", "0".into(), "every width must be at least 1");
        }
        if self.training.batch_size == 0 {
            return bad("training.batch_size", "0".into(), zero);
        }
        if self.training.log_every == 0 {
            return bad("training.log_every", "0".into(), zero);
        }
        if self.training.monitor_dynamics > 0 && optimizer.rule != Rule::Sgd {
            return bad(
                "training.monitor_dynamics",
                self.training.monitor_dynamics.to_string(),
                "what is predicted is the change in a plain SGD step: use --optimizer sgd, or 0",
            );
        }
        if self.training.monitor_dynamics > 0 && optimizer.freeze_further_factors {
            return bad(
                "training.monitor_dynamics",
                self.training.monitor_dynamics.to_string(),
                "the velocities are those of a step of all factors: leave out optimizer.freeze_further_factors",
            );
        }
        if self.training.monitor_values == 0 {
            return bad("training.monitor_values", "0".into(), zero);
        }
        let numbers = [
            ("optimizer.learning_rate", optimizer.learning_rate),
            ("optimizer.embedding_lr_scale", optimizer.embedding_lr_scale),
            ("optimizer.decay_power", optimizer.decay_power),
            ("optimizer.decay_end_scale", optimizer.decay_end_scale),
            ("initialization.std", self.initialization.std),
            ("initialization.embedding_scale", self.initialization.embedding_scale),
        ];
        for (key, value) in numbers {
            if !(value.is_finite() && value >= 0.0) {
                return bad(key, value.to_string(), "must be a number, not negative");
            }
        }
        Ok(())
    }
}
