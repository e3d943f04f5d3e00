//! What a Parquet file claims, before the reader believes it: page headers say how much to allocate.
//!
//! Page headers and the footer are Thrift structures in the compact protocol
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>). The reader does not hand them out, so the three
//! numbers that matter are read here.

use ::parquet::file::metadata::ParquetMetaData;

use super::plausible;

/// Deepest nesting of Thrift structures. The format's own stay below ten.
const MAX_DEPTH: usize = 24;

/// Refuses a footer whose length is not in the file, or that holds a list or text longer than itself.
pub(super) fn check_footer(file: &[u8]) -> Result<(), String> {
    let cut = "it ends too early or does not end with Parquet's magic";
    let end = file.len().checked_sub(8).ok_or(cut)?;
    let &[a, b, c, d, b'P', b'A', b'R', b'1'] = &file[end..] else {
        return Err(cut.into());
    };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let start = end.checked_sub(length).ok_or("a footer longer than the file")?;
    let mut thrift = Thrift {
        bytes: &file[start..end],
    };
    thrift.structure(0, &mut |_, _| {}).ok_or("a damaged footer".into())
}

/// Refuses a column of which a page lies outside of the file or claims to unpack to more than it can.
pub(super) fn check_column(file: &[u8], metadata: &ParquetMetaData, root: usize) -> Result<(), String> {
    let schema = metadata.file_metadata().schema_descr();
    for group in metadata.row_groups() {
        for (leaf, chunk) in group.columns().iter().enumerate() {
            if leaf >= schema.num_columns() || schema.get_column_root_idx(leaf) != root {
                continue;
            }
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let range = usize::try_from(start)
                .ok()
                .zip(usize::try_from(chunk.compressed_size()).ok());
            let bytes = range.and_then(|(start, length)| file.get(start..start.checked_add(length)?));
            check_chunk(bytes.ok_or("a part that lies outside of the file: it is damaged")?)?;
        }
    }
    Ok(())
}

/// The sizes in a page's header, in bytes, and the number of its values.
#[derive(Default)]
struct Page {
    unpacked: i64,
    packed: i64,
    values: i64,
}

fn check_chunk(bytes: &[u8]) -> Result<(), String> {
    let damaged = "a damaged page";
    let mut thrift = Thrift { bytes };
    while !thrift.bytes.is_empty() {
        let mut page = Page::default();
        let header = thrift.structure(0, &mut |path, number| match path {
            [2] => page.unpacked = number,
            [3] => page.packed = number,
            [5 | 7 | 8, 1] => page.values = number,
            _ => {}
        });
        header.ok_or(damaged)?;
        let packed = usize::try_from(page.packed).map_err(|_| damaged)?;
        let (unpacked, values) = (u64::try_from(page.unpacked), u64::try_from(page.values));
        let (Ok(unpacked), Ok(values)) = (unpacked, values) else {
            return Err(damaged.into());
        };
        // A value has two bytes or more.
        let claimed = unpacked.max(values.saturating_mul(2));
        if !plausible(claimed, page.packed as u64) {
            return Err(format!(
                "a page of {packed} bytes claims to hold {claimed}: store it uncompressed"
            ));
        }
        thrift.bytes = thrift.bytes.get(packed..).ok_or(damaged)?;
    }
    Ok(())
}

/// The rest of a text in Thrift's compact protocol.
struct Thrift<'a> {
    bytes: &'a [u8],
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    /// Reads a structure and hands every integer to `number`, with the numbers of the fields it lies in.
    fn structure(&mut self, depth: usize, number: &mut dyn FnMut(&[i64], i64)) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut field = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            field = match head >> 4 {
                0 => self.zigzag()?,
                step => field + i64::from(step),
            };
            let mut below = |path: &[i64], value: i64| {
                let mut whole = [0; 3];
                let length = (path.len() + 1).min(3);
                whole[0] = field;
                whole[1..length].copy_from_slice(&path[..length - 1]);
                number(&whole[..length], value);
            };
            // A boolean of a field is in its type.
            if !matches!(head & 0x0f, 1 | 2) {
                self.value(head & 0x0f, depth, &mut below)?;
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize, number: &mut dyn FnMut(&[i64], i64)) -> Option<()> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => {
                let value = self.zigzag()?;
                number(&[], value);
                Some(())
            }
            7 => self.skip(8),
            8 => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.unsigned()?,
                    count => count.into(),
                };
                // Every element has a byte at least.
                if count > self.bytes.len() as u64 || depth > MAX_DEPTH {
                    return None;
                }
                (0..count).try_for_each(|_| self.value(head & 0x0f, depth + 1, &mut |_, _| {}))
            }
            12 => self.structure(depth + 1, number),
            _ => None, // no map in the format
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check_chunk;

    fn varint(mut value: u64, bytes: &mut Vec<u8>) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }

    /// A data page of `packed` bytes whose header claims that it unpacks to `unpacked` bytes and holds `values` values.
    fn page(unpacked: i32, packed: usize, values: i32) -> Vec<u8> {
        let mut bytes = vec![0x15, 0x00]; // field 1, an i32: a data page
        for number in [unpacked, packed as i32] {
            bytes.push(0x15); // the next field, an i32
            varint((number as u32 as u64) << 1, &mut bytes);
        }
        bytes.extend([0x2c, 0x15]); // field 5, a structure, and its field 1
        varint((values as u32 as u64) << 1, &mut bytes);
        bytes.extend([0x00, 0x00]);
        bytes.resize(bytes.len() + packed, 0);
        bytes
    }

    #[test]
    fn pages_that_claim_too_much() {
        let honest = page(400, 90, 100);
        assert_eq!(check_chunk(&[honest.clone(), honest.clone()].concat()), Ok(()));
        for lie in [page(i32::MAX, 90, 100), page(400, 90, i32::MAX)] {
            let error = check_chunk(&[honest.clone(), lie].concat()).unwrap_err();
            assert!(error.contains("claims to hold"), "{error}");
        }
        for at in 1..honest.len() {
            assert!(check_chunk(&honest[..at]).is_err(), "{at}");
        }
    }
}
