//! Avazu's `train.csv`: comma-separated, with a header; id, click, hour and 21 categories.

use std::path::Path;

use super::criteo::{label, quoted, split_fields, utf8};
use super::input::{Line, Lines};
use super::schema::SourceInfo;
use super::source::{BadRow, RawExample, RawFeatures, RowError, Source, SourceError, SourceProgress, SplitRule};

/// The header. The categorical features are those behind `hour`; `id` is not used.
pub const HEADER: [&str; 24] = [
    "id",
    "click",
    "hour",
    "C1",
    "banner_pos",
    "site_id",
    "site_domain",
    "site_category",
    "app_id",
    "app_domain",
    "app_category",
    "device_id",
    "device_ip",
    "device_model",
    "device_type",
    "device_conn_type",
    "C14",
    "C15",
    "C16",
    "C17",
    "C18",
    "C19",
    "C20",
    "C21",
];

const LABEL: usize = 1;
const HOUR: usize = 2;

/// Reads `train.csv`. Its one dense feature is `hour` = ln(1 + hour of day); the split is random, 80/10/10.
///
/// The file has no quoted fields, and quotes mean nothing here: a line is a row.
pub struct Avazu {
    lines: Lines,
    line: Vec<u8>,
    features: RawFeatures,
}

impl Avazu {
    /// Opens `path` (`-`: standard input), plain, gzip or Zstandard, and checks the header.
    ///
    /// # Errors
    /// If it cannot be opened, or the header is another one.
    pub fn open(path: &Path) -> Result<Avazu, SourceError> {
        let (mut lines, mut line) = (Lines::open(path)?, Vec::new());
        lines.next(&mut line)?;
        check_header(&line).map_err(|message| SourceError::Format {
            file: lines.name().to_owned(),
            message,
        })?;
        let features = RawFeatures::plain([HEADER[HOUR]], HEADER[HOUR + 1..].iter().copied());
        Ok(Avazu { lines, line, features })
    }
}

fn check_header(line: &[u8]) -> Result<(), String> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let found: Vec<_> = line.split(|&byte| byte == b',').map(String::from_utf8_lossy).collect();
    let wrong = |column: usize, found: &str| {
        format!(
            "line 1, column {}: the header says {} where {:?} is expected; this reads Avazu's train.csv, whose header is {}",
            column + 1,
            quoted(found),
            HEADER.get(column).copied().unwrap_or("the end of the line"),
            HEADER.join(",")
        )
    };
    match (0..found.len().max(HEADER.len()))
        .find(|&column| found.get(column).map(|name| &**name) != HEADER.get(column).copied())
    {
        Some(column) => Err(wrong(column, found.get(column).map_or("", |name| name))),
        None => Ok(()),
    }
}

impl Source for Avazu {
    fn kind(&self) -> &'static str {
        "avazu"
    }

    fn features(&self) -> &RawFeatures {
        &self.features
    }

    fn split_rule(&self) -> SplitRule {
        SplitRule::Random([8, 1, 1])
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        let Some(end) = self.lines.next(&mut self.line)? else {
            return Ok(false);
        };
        parse(&self.line, end, example)
            .map(|()| true)
            .map_err(|(column, reason)| {
                let name = HEADER
                    .get(column - 1)
                    .map_or(String::new(), |name| format!(" ({name})"));
                let (file, line) = (self.lines.name().to_owned(), self.lines.line());
                let column = format!("{column}{name}");
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

fn parse(line: &[u8], end: Line, example: &mut RawExample) -> Result<(), (usize, String)> {
    example.clear();
    let fields = split_fields::<{ HEADER.len() }>(line, b',', end)?;
    let text = utf8(line, b',')?;
    let field = |index: usize| &text[fields[index]..fields[index + 1] - 1];
    example.label = label(field(LABEL)).map_err(|reason| (LABEL + 1, reason))?;
    example
        .dense
        .push(hour_of_day(field(HOUR)).map_err(|reason| (HOUR + 1, reason))?);
    for index in HOUR + 1..HEADER.len() {
        example.push_category(field(index).as_bytes());
    }
    Ok(())
}

/// ln(1 + HH) of `YYMMDDHH`.
fn hour_of_day(field: &str) -> Result<f32, String> {
    let wrong = || format!("{} is not an hour as YYMMDDHH", quoted(field));
    if field.len() != 8 || !field.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let two = |start: usize| field[start..start + 2].parse::<u8>().map_err(|_| wrong());
    let (month, day, hour) = (two(2)?, two(4)?, two(6)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 {
        return Err(wrong());
    }
    Ok(libm::log1p(f64::from(hour)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours() {
        assert_eq!(hour_of_day("14102100"), Ok(0.0));
        assert_eq!(hour_of_day("14123123"), Ok(24f64.ln() as f32));
        for wrong in [
            "",
            "1410210",
            "141021001",
            "14102124",
            "14132100",
            "14100000",
            "1410210x",
            "2014-10-",
            "1410é00",
        ] {
            assert!(hour_of_day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_header_is_checked_by_name() {
        let header = HEADER.join(",");
        assert!(check_header(header.as_bytes()).is_ok());
        assert!(check_header(format!("\u{feff}{header}").as_bytes()).is_ok());
        let test_set = header.replace("click,", "");
        assert!(
            check_header(test_set.as_bytes())
                .unwrap_err()
                .contains("column 2: the header says \"hour\"")
        );
        assert!(
            check_header(format!("{header},x").as_bytes())
                .unwrap_err()
                .contains("column 25")
        );
        assert!(check_header(b"").is_err());
    }
}
