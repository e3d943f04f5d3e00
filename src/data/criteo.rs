//! Criteo-Kaggle's `train.txt`: tab-separated, no header; label, 13 integers, 26 categories.

use std::path::Path;

use super::input::{Line, Lines};
use super::schema::SourceInfo;
use super::source::{BadRow, RawExample, RawFeatures, RowError, Source, SourceError, SourceProgress, SplitRule};

/// Integer columns, `I1` to `I13`.
pub const NUM_DENSE: usize = 13;

/// Categorical columns, `C1` to `C26`.
pub const NUM_CATEGORICAL: usize = 26;

const NUM_FIELDS: usize = 1 + NUM_DENSE + NUM_CATEGORICAL;

/// Reads `train.txt`.
///
/// DLRM's conventions: an empty or negative integer is 0, then x → ln(1 + x); an empty category is the category `""`. The
/// first 6/7 of the lines train (six days of seven), the rest is halved.
pub struct Criteo {
    lines: Lines,
    line: Vec<u8>,
    features: RawFeatures,
}

impl Criteo {
    /// Opens `path` (`-`: standard input), plain, gzip or Zstandard.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<Criteo, SourceError> {
        let dense = (1..=NUM_DENSE).map(|column| format!("I{column}"));
        let categorical = (1..=NUM_CATEGORICAL).map(|column| format!("C{column}"));
        Ok(Criteo {
            lines: Lines::open(path)?,
            line: Vec::new(),
            features: RawFeatures::plain(dense, categorical),
        })
    }
}

impl Source for Criteo {
    fn kind(&self) -> &'static str {
        "criteo-kaggle"
    }

    fn features(&self) -> &RawFeatures {
        &self.features
    }

    fn split_rule(&self) -> SplitRule {
        SplitRule::InOrder([12, 1, 1])
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        let Some(end) = self.lines.next(&mut self.line)? else {
            return Ok(false);
        };
        parse(&self.line, end, example)
            .map(|()| true)
            .map_err(|(column, reason)| {
                let name = match column {
                    1 => "label".to_owned(),
                    2..=14 => format!("I{}", column - 1),
                    _ => format!("C{}", column - 1 - NUM_DENSE),
                };
                let column = if column > NUM_FIELDS {
                    column.to_string()
                } else {
                    format!("{column} ({name})")
                };
                let (file, line) = (self.lines.name().to_owned(), self.lines.line());
                BadRow {
                    file,
                    unit: "line",
                    line,
                    column,
                    reason,
                    raw: self.line.clone(),
                }
                .into()
            })
    }

    fn progress(&self) -> SourceProgress {
        self.lines.progress()
    }

    fn info(&mut self) -> Result<SourceInfo, SourceError> {
        self.lines.info()
    }
}

/// (column from 1, reason).
type Bad = (usize, String);

fn parse(line: &[u8], end: Line, example: &mut RawExample) -> Result<(), Bad> {
    example.clear();
    let fields = split_fields::<NUM_FIELDS>(line, b'\t', end)?;
    let text = utf8(line, b'\t')?;
    let field = |index: usize| &text[fields[index]..fields[index + 1] - 1];
    example.label = label(field(0)).map_err(|reason| (1, reason))?;
    for index in 1..=NUM_DENSE {
        example
            .dense
            .push(count(field(index)).map_err(|reason| (index + 1, reason))?);
    }
    for index in 1 + NUM_DENSE..NUM_FIELDS {
        example.push_category(field(index).as_bytes());
    }
    Ok(())
}

/// ln(1 + x) of a count; an empty or negative one is 0.
fn count(field: &str) -> Result<f32, String> {
    if field.is_empty() {
        return Ok(0.0);
    }
    let count: i64 = field
        .parse()
        .map_err(|_| format!("{} is not an integer", quoted(field)))?;
    Ok(libm::log1p(count.max(0) as f64) as f32)
}

/// 0 or 1.
pub(super) fn label(field: &str) -> Result<bool, String> {
    match field {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(format!("the label is {} where 0 or 1 is expected", quoted(field))),
    }
}

/// The line as text; the error names the column.
pub(super) fn utf8(line: &[u8], separator: u8) -> Result<&str, Bad> {
    std::str::from_utf8(line).map_err(|error| {
        let before = &line[..error.valid_up_to()];
        let column = 1 + before.iter().filter(|&&byte| byte == separator).count();
        (column, format!("byte 0x{:02x} is not UTF-8", line[error.valid_up_to()]))
    })
}

/// The start of each of the `N` fields; entry `i + 1` is one behind the separator that ends field `i` (and the last one
/// behind where a separator would stand).
pub(super) fn split_fields<const N: usize>(line: &[u8], separator: u8, end: Line) -> Result<Bounds<N>, Bad> {
    if end.too_long {
        let column = 1 + line.iter().filter(|&&byte| byte == separator).count();
        return Err((
            column.min(N),
            format!("the line is longer than {} bytes", super::input::LONGEST_LINE),
        ));
    }
    let mut bounds = Bounds([0; N], line.len() + 1);
    let mut fields = 1;
    for (position, _) in line.iter().enumerate().filter(|&(_, &byte)| byte == separator) {
        if fields < N {
            bounds.0[fields] = position + 1;
        }
        fields += 1;
    }
    if fields == N {
        Ok(bounds)
    } else if fields < N && !end.ended {
        Err((
            fields,
            format!("the input ends within this line: {fields} of {N} fields and no line end"),
        ))
    } else {
        let s = if fields == 1 { "" } else { "s" };
        Err((fields, format!("{fields} field{s} where {N} are expected")))
    }
}

/// Where fields start: see [`split_fields`].
pub(super) struct Bounds<const N: usize>([usize; N], usize);

impl<const N: usize> std::ops::Index<usize> for Bounds<N> {
    type Output = usize;

    fn index(&self, index: usize) -> &usize {
        if index == N { &self.1 } else { &self.0[index] }
    }
}

/// A field as it is shown in a message: in quotes, escaped, and not the whole of a long one.
pub(super) fn quoted(field: &str) -> String {
    match field.char_indices().nth(40) {
        None => format!("{field:?}"),
        Some((end, _)) => format!("{:?}…", &field[..end]),
    }
}
