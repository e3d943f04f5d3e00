//! `rejected.tsv`: the rows that were left out, and why.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::PrepareError;
use crate::data::source::BadRow;

/// Writes the file; a row gives `file`, `line`, `column`, `reason`, `raw`.
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

    pub fn push(&mut self, row: &BadRow) -> Result<(), PrepareError> {
        self.count += 1;
        self.write(row).map_err(|source| PrepareError::Io {
            path: self.path.clone(),
            source,
        })
    }

    fn write(&mut self, row: &BadRow) -> io::Result<()> {
        let fields = [
            escape(row.file.as_bytes()),
            row.line.to_string(),
            escape(row.column.as_bytes()),
        ];
        let (reason, raw) = (escape(row.reason.as_bytes()), escape(&row.raw));
        writeln!(self.file, "{}\t{reason}\t{raw}", fields.join("\t"))
    }

    pub fn finish(mut self) -> Result<u64, PrepareError> {
        self.file.flush().map_err(|source| PrepareError::Io {
            path: self.path.clone(),
            source,
        })?;
        Ok(self.count)
    }
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
