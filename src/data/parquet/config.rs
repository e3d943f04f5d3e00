//! The TOML file that says which columns are what.

use std::path::Path;

use serde::Deserialize;

use crate::data::source::{SourceError, SplitRule};

/// Which columns make a row.
///
/// ```
/// # use mlet::data::parquet::Columns;
/// # use mlet::data::source::SplitRule;
/// let columns: Columns = toml::from_str(
///     r#"
///     label = "clicked"                 # numbers 0 and 1, or booleans
///     dense = ["age", "price"]          # numbers
///     categorical = ["user", "tags"]    # integers, strings, booleans; a list of these is a bag
///
///     [split]                           # optional; this is the default
///     rule = "random"                   # or "in-order", or "column"
///     weights = [8, 1, 1]               # train, validation, test
///     "#,
/// )?;
/// assert_eq!(columns.split_rule(), SplitRule::Random([8, 1, 1]));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The label's column.
    pub label: String,
    /// The dense columns.
    #[serde(default)]
    pub dense: Vec<String>,
    /// The categorical columns.
    #[serde(default)]
    pub categorical: Vec<String>,
    /// How rows are split.
    #[serde(default)]
    pub split: SplitColumns,
}

/// How the rows of Parquet files come into their splits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SplitColumns {
    /// At random, by a hash of the row.
    Random {
        /// Of train, validation, test.
        #[serde(default = "default_weights")]
        weights: [u32; 3],
    },
    /// In the order of the rows.
    InOrder {
        /// Of train, validation, test.
        #[serde(default = "default_weights")]
        weights: [u32; 3],
    },
    /// A column says `train`, `validation` or `test`.
    Column {
        /// Its name.
        column: String,
    },
}

fn default_weights() -> [u32; 3] {
    [8, 1, 1]
}

impl Default for SplitColumns {
    fn default() -> SplitColumns {
        SplitColumns::Random {
            weights: default_weights(),
        }
    }
}

impl Columns {
    /// Reads and checks a TOML file.
    ///
    /// # Errors
    /// If it cannot be read, has an unknown or missing key, names no categorical column, or weights no training split.
    pub fn read(path: &Path) -> Result<Columns, SourceError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| SourceError::Open {
            file: file.clone(),
            source,
        })?;
        let wrong = |message| SourceError::Format { file, message };
        let columns: Columns = match toml::from_str(&text) {
            Ok(columns) => columns,
            Err(error) => return Err(wrong(error.to_string().trim_end().to_owned())),
        };
        match columns.problem() {
            Some(problem) => Err(wrong(problem)),
            None => Ok(columns),
        }
    }

    fn problem(&self) -> Option<String> {
        if self.categorical.is_empty() {
            return Some("names no categorical column; an embedding table needs one".to_owned());
        }
        if let SplitColumns::Random { weights } | SplitColumns::InOrder { weights } = self.split
            && weights[0] == 0
        {
            return Some("the weight of the training split must not be 0".to_owned());
        }
        let mut seen = std::collections::HashSet::new();
        let twice = self.names().find(|name| !seen.insert(*name))?;
        Some(format!("column {twice:?} is named twice"))
    }

    /// Every column, in the order label, dense, categorical, split.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.label)
            .chain(&self.dense)
            .chain(&self.categorical)
            .chain(self.split_column())
    }

    /// The column that says the split.
    pub(super) fn split_column(&self) -> Option<&String> {
        match &self.split {
            SplitColumns::Column { column } => Some(column),
            _ => None,
        }
    }

    /// The split rule.
    pub fn split_rule(&self) -> SplitRule {
        match self.split {
            SplitColumns::Random { weights } => SplitRule::Random(weights),
            SplitColumns::InOrder { weights } => SplitRule::InOrder(weights),
            SplitColumns::Column { .. } => SplitRule::Given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        let problem = |text: &str| toml::from_str::<Columns>(text).unwrap().problem();
        assert_eq!(problem("label = 'y'\ncategorical = ['a']"), None);
        assert!(problem("label = 'y'").unwrap().contains("no categorical"));
        assert!(problem("label = 'y'\ncategorical = ['y']").unwrap().contains("twice"));
        let split = |split: &str| format!("label = 'y'\ncategorical = ['a']\nsplit = {{ {split} }}");
        assert!(
            problem(&split("rule = 'in-order', weights = [0, 1, 1]"))
                .unwrap()
                .contains("weight")
        );
        let column: Columns = toml::from_str(&split("rule = 'column', column = 'part'")).unwrap();
        assert_eq!(
            (column.split_rule(), column.split_column().unwrap().as_str()),
            (SplitRule::Given, "part")
        );
        for wrong in [
            split("rule = 'by-hand'"),
            split("weights = [1, 1, 1]"),
            "label = 'y'\nlabels = 'z'".to_owned(),
        ] {
            assert!(toml::from_str::<Columns>(&wrong).is_err(), "{wrong}");
        }
    }
}
