//! What a feature's record holds beyond its spectra: advice, row statistics, history.

use serde::Deserialize;
use serde_json::Value;

use crate::report::record::Feature;
use crate::report::words::three_digits;
use crate::spectrum::advice::Advice;

/// The advice at 99 % of the energy.
pub(super) fn at_99(feature: &Feature) -> Option<&Advice> {
    feature.advice.iter().find(|a| a.energy == 0.99)
}

/// Bytes of the table as it is stored.
pub(super) fn stored(feature: &Feature) -> Option<u64> {
    feature.advice.first().map(|a| a.bytes + a.bytes_saved)
}

/// What is shown as the record says it, whichever fields it has; empty where the record has nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extras {
    pub row_statistics: Option<Value>,
}

impl Extras {
    /// Of a feature's record.
    pub fn of(feature: &Feature) -> Self {
        let record = serde_json::to_value(feature).unwrap_or_default();
        serde_json::from_value(record).unwrap_or_default()
    }

    /// Row statistics as (name, value) in words.
    pub fn rows(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        if let Some(Value::Object(fields)) = &self.row_statistics {
            for (name, value) in fields {
                if let Some(text) = said(value) {
                    lines.push((name.replace('_', " "), text));
                }
            }
        }
        lines
    }
}

/// A value in a line; none of null and of long lists, which the data files have.
fn said(value: &Value) -> Option<String> {
    const SHORT: usize = 8;
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.into()),
        Value::Number(number) => number.as_f64().map(three_digits),
        Value::String(text) => Some(text.clone()),
        Value::Array(list) if list.len() > SHORT => None,
        Value::Array(list) => Some(list.iter().filter_map(said).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            // Of a spectrum, its two first measures.
            let spectrum = fields.contains_key("singular_values");
            let wanted = |name: &str| !spectrum || ["effective_rank", "energy_dim_0.99"].contains(&name);
            let part = |(name, value): (&String, &Value)| Some(format!("{} {}", name.replace('_', " "), said(value)?));
            let parts: Vec<String> = fields
                .iter()
                .filter(|(name, _)| wanted(name))
                .filter_map(part)
                .collect();
            (!parts.is_empty()).then(|| parts.join(", "))
        }
    }
}
