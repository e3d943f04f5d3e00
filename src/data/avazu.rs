//! Avazu's `train.csv`: comma-separated, with a header; id, click, hour and 21 categories.

use super::source::{RawExample, RawFeatures, SplitRule};
use super::text::fields::{label, quoted, split_fields, utf8};
use super::text::{Bad, CheckHeader, Format, Line, Text};

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
pub type Avazu = Text<AvazuClicks>;

/// The format of `train.csv`.
pub struct AvazuClicks;

impl Format for AvazuClicks {
    const KIND: &'static str = "avazu";

    const SPLIT_RULE: SplitRule = SplitRule::Random([8, 1, 1]);

    const HEADER: Option<CheckHeader> = Some(check_header);

    fn features() -> RawFeatures {
        RawFeatures::plain([HEADER[HOUR]], HEADER[HOUR + 1..].iter().copied())
    }

    fn parse(line: &[u8], end: Line, example: &mut RawExample) -> Result<(), Bad> {
        let fields = split_fields::<{ HEADER.len() }>(line, b',', end)?;
        let text = utf8(line, b',')?;
        let field = |index: usize| &text[fields[index]..fields[index + 1] - 1];
        example.label = label(field(LABEL)).map_err(|reason| (LABEL + 1, reason))?;
        example
            .dense
            .push(hour_of_day(field(HOUR)).map_err(|reason| (HOUR + 1, reason))?);
        let first = fields[HOUR + 1];
        let bounds = |index: usize| fields[index] - first..fields[index + 1] - 1 - first;
        example.push_fields(&text[first..], (HOUR + 1..HEADER.len()).map(bounds));
        Ok(())
    }

    fn column(column: usize) -> String {
        let name = HEADER
            .get(column - 1)
            .map_or(String::new(), |name| format!(" ({name})"));
        format!("{column}{name}")
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
