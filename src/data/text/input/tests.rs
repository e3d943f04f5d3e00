//! Line ends, long lines, compressed and broken streams, for blocks of any length.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::super::lines::Line;
use super::*;

/// Every line with its bytes.
type Read = Vec<(Vec<u8>, Line)>;

fn read(path: &Path, block_bytes: usize) -> Result<(Read, SourceInfo), SourceError> {
    let mut input = Input::open(path, block_bytes)?;
    let mut all = Vec::new();
    while let Some((mut lines, failure)) = input.read() {
        let left = lines.left();
        for _ in 0..left {
            let (line, end) = lines.next().unwrap();
            all.push((line.to_owned(), end));
            assert_eq!(lines.line(), all.len() as u64);
        }
        assert!(lines.next().is_none());
        failure.map_or(Ok(()), Err)?;
    }
    Ok((all, input.info()?))
}

/// The same for blocks of any length.
fn lines(content: &[u8]) -> Result<(Read, SourceInfo), SourceError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let whole = read(file.path(), 1 << 19)?;
    let smallest = if content.len() > 10_000 { 1000 } else { 1 };
    for block_bytes in [smallest, smallest + 1, smallest + 2, 4096, LONGEST_LINE, 1 << 22] {
        assert_eq!(read(file.path(), block_bytes)?, whole, "{block_bytes}");
    }
    Ok(whole)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn line_ends() {
    let whole = Line {
        ended: true,
        too_long: false,
    };
    let (found, info) = lines(b"a\n\nb\r\nc").unwrap();
    let expected: [(&[u8], Line); 4] = [
        (b"a", whole),
        (b"", whole),
        (b"b", whole),
        (b"c", Line { ended: false, ..whole }),
    ];
    assert_eq!(found, expected.map(|(line, end)| (line.to_vec(), end)));
    // sha256sum of the same bytes
    assert_eq!(info.sha256, hexadecimal(&Sha256::digest(b"a\n\nb\r\nc")));
    assert_eq!(info.bytes, 7);
    assert!(lines(b"").unwrap().0.is_empty());
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    for (tail, ended) in [(&b"\nnext\n"[..], true), (b"", false)] {
        let content = [vec![b'x'; 3 * LONGEST_LINE], tail.to_vec()].concat();
        let (found, _) = lines(&content).unwrap();
        assert_eq!(found[0].1, Line { ended, too_long: true });
        assert_eq!(found[0].0.len(), LONGEST_LINE);
        assert_eq!(found.get(1).map(|(line, _)| &line[..]), ended.then_some(&b"next"[..]));
    }
    let (found, _) = lines(&[vec![b'x'; LONGEST_LINE], b"\r\ny".to_vec()].concat()).unwrap();
    assert_eq!(
        (found[0].1.too_long, found[0].0.len(), found.len()),
        (false, LONGEST_LINE, 2)
    );
}

#[test]
fn compressed_members_follow_each_other() {
    let gz = [gzip(b"a\nb"), gzip(b"c\nd\n")].concat();
    let zst = [
        zstd::encode_all(&b"a\nb"[..], 3).unwrap(),
        zstd::encode_all(&b"c\nd\n"[..], 3).unwrap(),
    ]
    .concat();
    for compressed in [gz, zst] {
        let (found, info) = lines(&compressed).unwrap();
        assert_eq!(
            found.iter().map(|(line, _)| &line[..]).collect::<Vec<_>>(),
            [&b"a"[..], b"bc", b"d"]
        );
        assert_eq!(
            (info.sha256, info.bytes as usize),
            (hexadecimal(&Sha256::digest(&compressed)), compressed.len())
        );
    }
}

#[test]
fn a_broken_stream_is_an_error() {
    let content: Vec<u8> = (0..20_000)
        .flat_map(|number| format!("{number}\n").into_bytes())
        .collect();
    // as the zstd program does; without a checksum some damage cannot be seen
    let mut zst = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zst.include_checksum(true).unwrap();
    zst.write_all(&content).unwrap();
    for whole in [gzip(&content), zst.finish().unwrap()] {
        for length in [5, whole.len() / 2, whole.len() - 1] {
            assert!(
                matches!(lines(&whole[..length]), Err(SourceError::Read { .. })),
                "{length}"
            );
        }
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
        assert!(matches!(lines(&damaged), Err(SourceError::Read { .. })));
    }
}
