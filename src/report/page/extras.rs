//! What a feature's record holds beyond its spectra: advice, row statistics, history. Read from the record as it is written, so
//! that the page shows what the JSON file says.

use serde::Deserialize;
use serde_json::Value;

use crate::report::record::Feature;
use crate::report::words::three_digits;

/// The narrowest table that keeps a share of the energy.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Advice {
    /// The share, 0 to 1.
    pub energy: f64,
    /// d'.
    pub rank: usize,
    /// Bytes of the smaller form.
    pub bytes: u64,
    /// Bytes fewer than are stored.
    pub bytes_saved: u64,
}

/// All of it; empty where the record has nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extras {
    pub advice: Option<Vec<Advice>>,
    pub row_statistics: Option<Value>,
}

impl Extras {
    /// Of a feature's record.
    pub fn of(feature: &Feature) -> Self {
        let record = serde_json::to_value(feature).unwrap_or_default();
        serde_json::from_value(record).unwrap_or_default()
    }

    /// The advice at 99 % of the energy.
    pub fn at_99(&self) -> Option<&Advice> {
        self.advice.iter().flatten().find(|a| a.energy == 0.99)
    }

    /// Bytes as stored.
    pub fn stored(&self) -> Option<u64> {
        let first = self.advice.iter().flatten().next()?;
        Some(first.bytes + first.bytes_saved)
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
