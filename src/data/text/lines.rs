//! Lines in a block of text.

/// The longest line that is read; a file of another kind can be one line of any length.
pub const LONGEST_LINE: usize = 1 << 20;

/// How one line stood in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// It ended with a line end (which is not part of it), not with the input.
    pub ended: bool,
    /// It was longer than [`LONGEST_LINE`]; what is kept is its beginning.
    pub too_long: bool,
}

/// Whole lines behind one another. Only the last one of an input may lack its end.
#[derive(Debug)]
pub struct Lines {
    text: Vec<u8>,
    /// Where the next line starts.
    at: usize,
    line: u64,
    left: u64,
}

impl Lines {
    /// The lines of `text`, before which there were `line` others.
    pub fn new(text: Vec<u8>, line: u64) -> Lines {
        let ends = memchr::memchr_iter(b'\n', &text).count() as u64;
        let last = text.last().is_some_and(|&byte| byte != b'\n');
        Lines {
            text,
            at: 0,
            line,
            left: ends + u64::from(last),
        }
    }

    /// The number of the last line that was taken, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many were not taken yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next line without its line end (`\n` or `\r\n`).
    pub fn next(&mut self) -> Option<(&[u8], Line)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest);
        let mut line = &rest[..end.unwrap_or(rest.len())];
        self.at += line.len() + 1;
        self.line += 1;
        self.left -= 1;
        let ended = end.is_some();
        if let (true, Some(before)) = (ended, line.strip_suffix(b"\r")) {
            line = before;
        }
        let too_long = line.len() > LONGEST_LINE;
        Some((&line[..line.len().min(LONGEST_LINE)], Line { ended, too_long }))
    }
}
