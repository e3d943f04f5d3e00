//! Sources whose rows are lines: the input is read in blocks of whole lines, which any thread can parse.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use super::schema::SourceInfo;
use super::source::{BadRow, Block, RawExample, RawFeatures, RowError, Source, SourceError, SourceProgress, SplitRule};

pub mod fields;
mod input;
mod lines;

use input::Input;
pub use lines::Line;
use lines::Lines;

/// Bytes that are read and parsed at once: columns of so many lines stay in a core's cache.
const BLOCK_BYTES: usize = 1 << 19;

/// What is wrong with a line: the column, from 1, and the reason.
pub type Bad = (usize, String);

/// Says what is wrong with a header.
pub type CheckHeader = fn(&[u8]) -> Result<(), String>;

/// What a line means.
pub trait Format: Send + 'static {
    /// The kind, as it is written into `dataset.toml`.
    const KIND: &'static str;

    /// How rows come into their splits.
    const SPLIT_RULE: SplitRule;

    /// How the first line is checked, if that is a header.
    const HEADER: Option<CheckHeader> = None;

    /// The columns.
    fn features() -> RawFeatures;

    /// Fills the empty `example` from a line.
    ///
    /// # Errors
    /// The column and what is wrong with it.
    fn parse(line: &[u8], end: Line, example: &mut RawExample) -> Result<(), Bad>;

    /// A column, from 1, as it is shown: `3 (I2)`.
    fn column(column: usize) -> String;
}

/// A file of lines in the format `F`.
pub struct Text<F> {
    input: Input,
    features: RawFeatures,
    /// Read already, but for the lines taken from it.
    block: Option<TextBlock<F>>,
}

impl<F: Format> Text<F> {
    /// Opens `path` (`-`: standard input), plain, gzip or Zstandard, and checks the header if there should be one.
    ///
    /// # Errors
    /// If it cannot be opened, or the header is another one.
    pub fn open(path: &Path) -> Result<Text<F>, SourceError> {
        Text::open_in_blocks(path, BLOCK_BYTES)
    }

    /// [`Text::open`], but reads this many bytes at once. What comes out is the same for any number.
    ///
    /// # Errors
    /// As [`Text::open`].
    pub fn open_in_blocks(path: &Path, block_bytes: usize) -> Result<Text<F>, SourceError> {
        let mut text = Text {
            input: Input::open(path, block_bytes)?,
            features: F::features(),
            block: None,
        };
        if let Some(check) = F::HEADER {
            let line = text.take_header()?;
            check(&line).map_err(|message| SourceError::Format {
                file: text.input.name().to_string(),
                message,
            })?;
        }
        Ok(text)
    }

    /// Takes the first line, which is no row; empty if there is none.
    fn take_header(&mut self) -> Result<Vec<u8>, SourceError> {
        self.block = self.read_block();
        let Some(block) = &mut self.block else {
            return Ok(Vec::new());
        };
        if let Some((line, _)) = block.lines.next() {
            return Ok(line.to_owned());
        }
        block.failure.take().map_or(Ok(Vec::new()), Err)
    }

    fn read_block(&mut self) -> Option<TextBlock<F>> {
        let (lines, failure) = self.input.read()?;
        Some(TextBlock {
            lines,
            failure,
            name: self.input.name().clone(),
            format: PhantomData,
        })
    }
}

impl<F: Format> Source for Text<F> {
    fn kind(&self) -> &'static str {
        F::KIND
    }

    fn features(&self) -> &RawFeatures {
        &self.features
    }

    fn split_rule(&self) -> SplitRule {
        F::SPLIT_RULE
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        loop {
            if let Some(block) = &mut self.block
                && block.next(example)?
            {
                return Ok(true);
            }
            self.block = self.read_block();
            if self.block.is_none() {
                return Ok(false);
            }
        }
    }

    fn read(&mut self) -> Option<Box<dyn Block>> {
        let block = self.block.take().or_else(|| self.read_block())?;
        Some(Box::new(block))
    }

    fn progress(&self) -> SourceProgress {
        self.input.progress()
    }

    fn info(&mut self) -> Result<SourceInfo, SourceError> {
        self.input.info()
    }
}

/// Lines that were not parsed yet, and what happened behind them.
struct TextBlock<F> {
    lines: Lines,
    failure: Option<SourceError>,
    name: Arc<str>,
    format: PhantomData<F>,
}

impl<F: Format> Block for TextBlock<F> {
    fn rows(&self) -> u64 {
        self.lines.left()
    }

    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError> {
        example.clear();
        let Some((line, end)) = self.lines.next() else {
            return self.failure.take().map_or(Ok(false), |failure| Err(failure.into()));
        };
        let Err((column, reason)) = F::parse(line, end, example) else {
            return Ok(true);
        };
        let raw = line.to_owned();
        let row = BadRow {
            file: self.name.to_string(),
            unit: "line",
            line: self.lines.line(),
            column: F::column(column),
            reason,
            raw,
        };
        Err(row.into())
    }
}
