//! Some rows of a source, to be parsed on any thread.

use super::{RawExample, RowError};

/// Rows in a block of a source that parses as it reads.
const ROWS: usize = 4096;

/// Bytes of categories that end such a block early: bags can be of any length.
const BYTES: usize = 1 << 20;

/// Some rows that stand behind one another in the input. Parsing them needs nothing of the rows around them.
pub trait Block: Send {
    /// Rows left in it, bad ones counted.
    fn rows(&self) -> u64;

    /// Fills `example` (clearing it first) with the next row; `false` at the end.
    ///
    /// # Errors
    /// [`RowError::Bad`] for a row that can be skipped, [`RowError::Fatal`] when there is no going on.
    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError>;
}

/// Rows that are parsed already.
pub struct Examples(std::vec::IntoIter<Result<RawExample, RowError>>);

impl Examples {
    /// Calls `next` ([`super::Source::next`]) for the rows of a block; `None` if there are no more.
    pub fn collect(mut next: impl FnMut(&mut RawExample) -> Result<bool, RowError>) -> Option<Examples> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < ROWS && bytes < BYTES {
            let mut example = RawExample::default();
            match next(&mut example) {
                Ok(false) => break,
                Ok(true) => {
                    bytes += example.weight();
                    rows.push(Ok(example));
                }
                Err(error) => {
                    let fatal = matches!(error, RowError::Fatal(_));
                    rows.push(Err(error));
                    if fatal {
                        break;
                    }
                }
            }
        }
        (!rows.is_empty()).then(|| Examples(rows.into_iter()))
    }
}

impl Block for Examples {
    fn rows(&self) -> u64 {
        self.0.len() as u64
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        match self.0.next() {
            None => Ok(false),
            Some(row) => {
                *example = row?;
                Ok(true)
            }
        }
    }
}
