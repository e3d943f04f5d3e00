//! Criteo-Kaggle's `train.txt`: tab-separated, no header; label, 13 integers, 26 categories.

use std::sync::LazyLock;

use super::source::{RawExample, RawFeatures, SplitRule};
use super::text::fields::{label, quoted, split_fields, utf8};
use super::text::{Bad, Format, Line, Text};

/// Integer columns, `I1` to `I13`.
pub const NUM_DENSE: usize = 13;

/// Categorical columns, `C1` to `C26`.
pub const NUM_CATEGORICAL: usize = 26;

const NUM_FIELDS: usize = 1 + NUM_DENSE + NUM_CATEGORICAL;

/// Reads `train.txt`.
///
/// DLRM's conventions: an empty or negative integer is 0, then x → ln(1 + x); an empty category is the category `""`. The
/// first 6/7 of the lines train (six days of seven), the rest is halved.
pub type Criteo = Text<CriteoKaggle>;

/// The format of `train.txt`.
pub struct CriteoKaggle;

impl Format for CriteoKaggle {
    const KIND: &'static str = "criteo-kaggle";

    const SPLIT_RULE: SplitRule = SplitRule::InOrder([12, 1, 1]);

    fn features() -> RawFeatures {
        let dense = (1..=NUM_DENSE).map(|column| format!("I{column}"));
        let categorical = (1..=NUM_CATEGORICAL).map(|column| format!("C{column}"));
        RawFeatures::plain(dense, categorical)
    }

    fn parse(line: &[u8], end: Line, example: &mut RawExample) -> Result<(), Bad> {
        let fields = split_fields::<NUM_FIELDS>(line, b'\t', end)?;
        let text = utf8(line, b'\t')?;
        let field = |index: usize| &text[fields[index]..fields[index + 1] - 1];
        example.label = label(field(0)).map_err(|reason| (1, reason))?;
        for index in 1..=NUM_DENSE {
            let count = count(field(index)).map_err(|reason| (index + 1, reason))?;
            example.dense.push(count);
        }
        let first = fields[1 + NUM_DENSE];
        let bounds = |index: usize| fields[index] - first..fields[index + 1] - 1 - first;
        example.push_fields(&text[first..], (1 + NUM_DENSE..NUM_FIELDS).map(bounds));
        Ok(())
    }

    fn column(column: usize) -> String {
        match column {
            1 => "1 (label)".to_owned(),
            2..=14 => format!("{column} (I{})", column - 1),
            15..=NUM_FIELDS => format!("{column} (C{})", column - 1 - NUM_DENSE),
            _ => column.to_string(),
        }
    }
}

/// ln(1 + x) of a count; an empty or negative one is 0.
fn count(field: &str) -> Result<f32, String> {
    if field.is_empty() {
        return Ok(0.0);
    }
    let count: i64 = field
        .parse()
        .map_err(|_| format!("{} is not an integer", quoted(field)))?;
    let small = usize::try_from(count.max(0)).ok().and_then(|count| SMALL.get(count));
    Ok(small.copied().unwrap_or_else(|| log1p(count)))
}

fn log1p(count: i64) -> f32 {
    libm::log1p(count.max(0) as f64) as f32
}

/// ln(1 + x) of the counts that most are.
static SMALL: LazyLock<[f32; 4096]> = LazyLock::new(|| std::array::from_fn(|count| log1p(count as i64)));
