//! `rejected.tsv`: the rows that were left out, and why.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::PrepareError;
use crate::data::source::BadRow;

/// The file; a row gives `file`, `line`, `column`, `reason`, `raw`.
pub(super) struct Rejected {
    path: PathBuf,
    file: BufWriter<File>,
    /// Rows written.
    pub count: u64,
}

impl Rejected {
    pub fn create(path: &Path) -> Result<Rejected, PrepareError> {
        let create = || {
            let mut file = BufWriter::new(File::create(path)?);
            file.write_all(b"file\tline\tcolumn\treason\traw\n")?;
            Ok(file)
        };
        let file = create().map_err(|source| PrepareError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Rejected {
            path: path.to_owned(),
            file,
            count: 0,
        })
    }

    /// Appends the lines of rows ([`write`]), and how many these are.
    pub fn push(&mut self, (lines, count): &(Vec<u8>, u64)) -> Result<(), PrepareError> {
        self.count += count;
        self.file.write_all(lines).map_err(|source| PrepareError::Io {
            path: self.path.clone(),
            source,
        })
    }

    pub fn finish(mut self) -> Result<u64, PrepareError> {
        self.file.flush().map_err(|source| PrepareError::Io {
            path: self.path.clone(),
            source,
        })?;
        Ok(self.count)
    }
}

/// Appends the line of a row.
pub(super) fn write(row: &BadRow, lines: &mut Vec<u8>) {
    let fields = [
        escape(row.file.as_bytes()),
        row.line.to_string(),
        escape(row.column.as_bytes()),
        escape(row.reason.as_bytes()),
        escape(&row.raw),
    ];
    lines.extend_from_slice(fields.join("\t").as_bytes());
    lines.push(b'\n');
}

/// `\t`, `\n`, `\r`, `\\` and `\xNN` for other control characters and for bytes that are not UTF-8.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\\' => text.push_str("\\\\"),
                control if control.is_ascii_control() => text.push_str(&format!("\\x{:02x}", control as u32)),
                other => text.push(other),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_raw_line_stays_one_field() {
        assert_eq!(
            super::escape(b"a\tb\\c\r\n\xffd\x00\xc3\xa9"),
            "a\\tb\\\\c\\r\\n\\xffd\\x00\u{e9}"
        );
    }
}
