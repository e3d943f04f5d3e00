//! What the formats of lines share: fields between separators, labels, how a wrong one is shown.

use super::Bad;
use super::lines::{LONGEST_LINE, Line};

/// 0 or 1.
pub fn label(field: &str) -> Result<bool, String> {
    match field {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(format!("the label is {} where 0 or 1 is expected", quoted(field))),
    }
}

/// The line as text; the error names the column.
pub fn utf8(line: &[u8], separator: u8) -> Result<&str, Bad> {
    std::str::from_utf8(line).map_err(|error| {
        let before = &line[..error.valid_up_to()];
        let column = 1 + before.iter().filter(|&&byte| byte == separator).count();
        (column, format!("byte 0x{:02x} is not UTF-8", line[error.valid_up_to()]))
    })
}

/// The start of each of the `N` fields; entry `i + 1` is one behind the separator that ends field `i` (and the last one
/// behind where a separator would stand).
pub fn split_fields<const N: usize>(line: &[u8], separator: u8, end: Line) -> Result<Bounds<N>, Bad> {
    if end.too_long {
        let column = 1 + line.iter().filter(|&&byte| byte == separator).count();
        return Err((column.min(N), format!("the line is longer than {LONGEST_LINE} bytes")));
    }
    let mut bounds = Bounds([0; N], line.len() + 1);
    let mut fields = 1;
    each_position(line, separator, |position| {
        if fields < N {
            bounds.0[fields] = position + 1;
        }
        fields += 1;
    });
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

/// Calls `found` with each place of `wanted`, eight bytes at a time: fields are too short for `memchr` to pay.
fn each_position(line: &[u8], wanted: u8, mut found: impl FnMut(usize)) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let pattern = u64::from_le_bytes([wanted; 8]);
    let (words, tail) = line.as_chunks::<8>();
    for (index, &word) in words.iter().enumerate() {
        let differs = u64::from_le_bytes(word) ^ pattern;
        // the high bit of each byte that does not differ; exact, as no carry leaves a byte
        let mut equal = !(((differs & LOW) + LOW) | differs | LOW);
        while equal != 0 {
            found(8 * index + equal.trailing_zeros() as usize / 8);
            equal &= equal - 1;
        }
    }
    let first = line.len() - tail.len();
    for (index, _) in tail.iter().enumerate().filter(|&(_, &byte)| byte == wanted) {
        found(first + index);
    }
}

/// Where fields start: see [`split_fields`].
#[derive(Debug)]
pub struct Bounds<const N: usize>([usize; N], usize);

impl<const N: usize> std::ops::Index<usize> for Bounds<N> {
    type Output = usize;

    fn index(&self, index: usize) -> &usize {
        if index == N { &self.1 } else { &self.0[index] }
    }
}

/// A field as it is shown in a message: in quotes, escaped, and not the whole of a long one.
pub fn quoted(field: &str) -> String {
    match field.char_indices().nth(40) {
        None => format!("{field:?}"),
        Some((end, _)) => format!("{:?}…", &field[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_a_plain_search() {
        // bytes that differ from a tab in one bit or by one, next to each other and at the ends of words
        let bytes = [b'\t', b'\t' ^ 0x80, b'\t' + 1, b'\t' - 1, 0, 0xff, b'a'];
        let mut state = 1u32;
        for length in 0..70 {
            let line: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    bytes[(state >> 16) as usize % bytes.len()]
                })
                .collect();
            let mut found = Vec::new();
            each_position(&line, b'\t', |position| found.push(position));
            let expected: Vec<usize> = (0..length).filter(|&index| line[index] == b'\t').collect();
            assert_eq!(found, expected, "{line:?}");
        }
    }
}
