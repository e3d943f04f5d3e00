//! Word vectors as text: word2vec (a first line `n d`) and GloVe (none). Copied into f32, as gensim and word2vec read them.

use std::path::Path;

use ndarray::Array2;

use super::choose::{Contents, Names, Tensor};
use super::{SourceError, map};
use crate::spectrum::table::Factor;

/// The one table of a text file.
///
/// A line is a word and d numbers, separated by blanks or tabs; the last d parts are the numbers, so that a word may hold blanks. d is
/// that of the first line. Numbers are rounded to the nearest f32. A line needs two bytes a number, so that what is kept is at most
/// twice what is there.
pub(super) fn read(path: &Path, name: &str) -> Result<Contents, SourceError> {
    let map = map::map(path)?;
    let (values, columns) = parse(&map).map_err(|(line, message)| SourceError::File {
        path: path.to_path_buf(),
        message: if line > 0 {
            format!("line {line}: {message}")
        } else {
            message
        },
    })?;
    let shape = (values.len() / columns, columns);
    let owned = name.to_string();
    let table = Tensor::new(name, shape, move || {
        let array = Array2::from_shape_vec(shape, values);
        Ok(array.map(|array| Factor::f32(owned, array)).map_err(|e| e.to_string()))
    });
    Ok(Contents {
        names: Names::SayNothing,
        tensors: vec![table],
    })
}

/// Number of a line, from 1 (0 for the file), and what is wrong with it.
type Wrong = (usize, String);

/// The numbers, row by row, and how many there are in a row.
fn parse(text: &[u8]) -> Result<(Vec<f32>, usize), Wrong> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut lines = text
        .split(|&b| b == b'\n')
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .peekable();
    let promised = match lines.peek().map(|&(_, line)| header(line)) {
        Some(Some(promised)) => {
            lines.next();
            Some(promised)
        }
        _ => None,
    };
    let columns = match (promised, lines.peek()) {
        (_, None) => return Err((0, "holds no word".into())),
        (Some((_, columns)), _) => columns,
        (None, Some(&(number, line))) => {
            let parts = parts(line).count();
            let wrong = || (number, "a word and its numbers are expected".to_string());
            parts.checked_sub(1).filter(|&columns| columns > 0).ok_or_else(wrong)?
        }
    };
    let mut values = Vec::new();
    let mut rows = 0;
    for (number, line) in lines {
        row(line, columns, &mut values).map_err(|message| (number, message))?;
        rows += 1;
    }
    match promised {
        Some((words, _)) if words != rows => Err((1, format!("{words} words are promised, {rows} lines follow"))),
        _ => Ok((values, columns)),
    }
}

/// word2vec's first line: the number of words and that of columns.
fn header(line: &[u8]) -> Option<(usize, usize)> {
    let mut parts = parts(line).map(|part| std::str::from_utf8(part).ok()?.parse::<usize>().ok());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Some(words)), Some(Some(columns)), None) if columns > 0 => Some((words, columns)),
        _ => None,
    }
}

/// What lies between blanks.
fn parts(line: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    line.split(|b| b" \t\r".contains(b)).filter(|part| !part.is_empty())
}

fn row(line: &[u8], columns: usize, values: &mut Vec<f32>) -> Result<(), String> {
    let start = values.len();
    let mut from_behind = parts(line).rev();
    for _ in 0..columns {
        let Some(part) = from_behind.next() else { break };
        let number = std::str::from_utf8(part).ok().and_then(|part| part.parse().ok());
        let Some(number) = number else {
            let part = String::from_utf8_lossy(&part[..part.len().min(40)]);
            return Err(format!(
                "`{part}` is where the last {columns} parts are expected to be numbers"
            ));
        };
        values.push(number);
    }
    if values.len() - start < columns || from_behind.next().is_none() {
        let found = parts(line).count();
        return Err(format!(
            "a word and {columns} numbers are expected, and {found} parts are there"
        ));
    }
    values[start..].reverse();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_forms() {
        let numbers = vec![1.0, -2.5, 3e-3, 4.0];
        assert_eq!(parse(b"2 2\na 1 -2.5\nb 3e-3 4\n"), Ok((numbers.clone(), 2)));
        assert_eq!(parse(b"a 1 -2.5\r\n. . b\t3e-3 4 "), Ok((numbers, 2)));
        // Two numbers in the first line are a promise, not a word with one number.
        assert_eq!(parse(b"3 1\na 1\nb 2\nc 3"), Ok((vec![1.0, 2.0, 3.0], 1)));
        assert_eq!(parse("café 1\n\u{3000} 2\n".as_bytes()), Ok((vec![1.0, 2.0], 1)));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, part) in [
            (&b""[..], 1, "a word"),
            (b"3 2\na 1 2\nb 1 2\n", 1, "3 words"),
            (b"a 1 2\nb 1\n", 2, "2 parts"),
            (b"a 1 2\n\nb 1 2\n", 2, "0 parts"),
            (b"a 1 2\nb 1 x\n", 2, "`x`"),
            (b"a 1 2\n1 2\n", 2, "2 parts"),
            (b"99999999999 4\n", 0, "no word"),
            (b"9 18446744073709551615\na 1\n", 2, "`a`"),
        ] {
            let (at, message) = parse(text).unwrap_err();
            assert!(at == line && message.contains(part), "line {at}: {message}");
        }
    }
}
