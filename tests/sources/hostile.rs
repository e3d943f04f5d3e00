//! Files that lie about their sizes, or would like to run something.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use tempfile::TempDir;

use super::allocation::most_bytes;
use super::{corpus, read};

/// What refusing a file may cost: its directory, a header of 10 kB, a page's 64 KiB.
const MOST: usize = 1 << 20;

fn refused(path: &Path, parts: &[&str]) {
    let (read, most) = most_bytes(|| read(path, &[], &[]));
    let error = read.expect_err("a lie is refused").to_string();
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(most < MOST, "{most} bytes for {}: {error}", path.display());
}

fn npy(shape: &str, data: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// An archive of one deflated member, whose directory says that it has `size` bytes.
fn zip(name: &str, content: &[u8], size: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    let packed = encoder.finish().unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let mut fields = Vec::new();
    fields.extend(20u16.to_le_bytes()); // version
    fields.extend(0u16.to_le_bytes()); // flags
    fields.extend(8u16.to_le_bytes()); // deflated
    fields.extend([0; 4]); // time and date
    fields.extend(crc.sum().to_le_bytes());
    fields.extend((packed.len() as u32).to_le_bytes());
    fields.extend(size.to_le_bytes());
    fields.extend((name.len() as u16).to_le_bytes());
    fields.extend(0u16.to_le_bytes()); // extra fields
    let mut bytes = [b"PK\x03\x04", &fields[..], name.as_bytes(), &packed].concat();
    let directory = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02\x14\x00");
    bytes.extend(&fields);
    bytes.extend([0; 14]); // comment, disk, attributes, offset
    bytes.extend(name.as_bytes());
    let length = bytes.len() as u32 - directory;
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(length.to_le_bytes());
    bytes.extend(directory.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn npy_headers() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("w.npy");
    for shape in [
        "(999999999999, 3)",
        "(4, 3)",
        "(2, 3)",
        "(4611686018427387904, 4)",
        "(18446744073709551615, 18446744073709551615)",
    ] {
        std::fs::write(&path, npy(shape, 36)).unwrap();
        refused(&path, &["w.npy", "are promised, 36 bytes follow"]);
    }
    std::fs::write(&path, b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").unwrap();
    refused(&path, &["w.npy", "10000 are read at most"]);
}

#[test]
fn zip_bombs() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bomb.npz");
    let whole = npy("(3, 3)", 36);
    let honest = whole.len() as u32;
    std::fs::write(&path, zip("w.npy", &whole, honest)).unwrap();
    assert!(read(&path, &[], &[]).is_ok());
    // More than there can be, more than the array's header says, and less than comes out.
    std::fs::write(&path, zip("w.npy", &whole, 4_000_000_000)).unwrap();
    refused(&path, &["bomb.npz", "`w.npy`", "promises 4000000000 bytes"]);
    std::fs::write(&path, zip("w.npy", &npy("(3, 3)", 64 << 20), honest)).unwrap();
    refused(&path, &["bomb.npz", "`w.npy`", "inflates to more than"]);
    std::fs::write(&path, zip("w.npy", &npy("(3, 3)", 64 << 20), honest + (64 << 20))).unwrap();
    refused(&path, &["bomb.npz", "`w.npy`", "3 × 3 numbers"]);
    std::fs::write(&path, zip("w.npy", &npy("(4, 3)", 36), honest + 12)).unwrap();
    refused(&path, &["bomb.npz", "`w.npy`", "inflates to"]);
    // 64 MiB of zeros that are the table they say they are: read, but not in memory.
    let large = npy("(16777216, 1)", 64 << 20);
    std::fs::write(&path, zip("w.npy", &large, large.len() as u32)).unwrap();
    let (source, most) = most_bytes(|| read(&path, &[], &[]));
    assert_eq!(source.unwrap().tables[0].num_embeddings(), 1 << 24);
    assert!(most < MOST, "{most} bytes");
}

#[test]
fn safetensors_headers() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("w.safetensors");
    let write = |header: &str, claim: usize| {
        let bytes = [&claim.to_le_bytes()[..], header.as_bytes(), &[0; 16]].concat();
        std::fs::write(&path, bytes).unwrap();
    };
    write("{}", usize::MAX);
    refused(&path, &["w.safetensors", "not a whole"]);
    write("{}", 99_999_999);
    refused(&path, &["w.safetensors", "not a whole"]);
    for (shape, end) in [
        ("[4611686018427387904, 4]", 16usize),
        ("[1000000000, 4]", 16_000_000_000),
        ("[2, 2]", 17),
        ("[2, 3]", 16),
    ] {
        let header = format!(r#"{{"a": {{"dtype": "F32", "shape": {shape}, "data_offsets": [0, {end}]}}}}"#);
        write(&header, header.len());
        refused(&path, &["w.safetensors", "not a whole"]);
    }
}

#[test]
fn an_index_stays_in_its_folder() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.safetensors.index.json");
    for shard in ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "..", ""] {
        std::fs::write(&path, format!(r#"{{"weight_map": {{"emb": "{shard}"}}}}"#)).unwrap();
        refused(&path, &["m.safetensors.index.json", "not the name of a file beside"]);
    }
    std::fs::write(&path, r#"{"weight_map": {"emb": "absent.safetensors"}}"#).unwrap();
    refused(&path, &["absent.safetensors", "cannot be read"]);
    std::fs::copy(
        corpus("sharded/model-1-of-2.safetensors"),
        folder.path().join("s.safetensors"),
    )
    .unwrap();
    std::fs::write(&path, r#"{"weight_map": {"emb": "s.safetensors"}}"#).unwrap();
    refused(&path, &["s.safetensors", "`emb`", "is not there"]);
    std::fs::write(&path, r#"{"weight_map": 3}"#).unwrap();
    refused(&path, &["not the index"]);
}

/// A stored archive with another pickle in the place of the one that is there, which must be longer.
fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    let mut bytes = std::fs::read(corpus("nested.pt")).unwrap();
    let start = bytes.windows(2).position(|w| w == b"\x80\x02").unwrap();
    bytes[start..start + pickle.len()].copy_from_slice(pickle);
    bytes
}

#[test]
fn pickles_are_not_executed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.pt");
    let victim = folder.path().join("executed");
    let command = format!("touch {}", victim.display());
    let mut pickle = b"\x80\x02cposix\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.bytes());
    pickle.extend(b"\x85R.");
    std::fs::write(&path, with_pickle(&pickle)).unwrap();
    refused(
        &path,
        &[
            "model.pt",
            "data.pkl",
            "byte 2",
            "`posix.system`",
            "save the state dictionary alone",
        ],
    );
    assert!(!victim.exists());
    std::fs::write(&path, with_pickle(b"\x80\x02}\x93")).unwrap();
    refused(&path, &["model.pt", "byte 3", "STACK_GLOBAL (0x93)"]);
    std::fs::write(&path, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.").unwrap(); // the format before PyTorch 1.6
    refused(&path, &["model.pt", "zip format"]);
}

#[test]
fn storages_that_are_too_short() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.pt");
    let mut bytes = std::fs::read(corpus("alone.pt")).unwrap();
    // The sizes (6, 3) of the tensor: K 6 K 3 TUPLE2.
    let at = bytes.windows(5).position(|w| w == b"K\x06K\x03\x86").unwrap();
    bytes[at + 1] = 7;
    std::fs::write(&path, &bytes).unwrap();
    refused(&path, &["model.pt", "7 × 3 numbers do not fit", "72 bytes"]);
}

#[test]
fn columns_that_claim_too_much() {
    let folder = TempDir::new().unwrap();
    // The length of the last compressed part of the file, which is the numbers of a column.
    let bytes = std::fs::read(corpus("lz4.arrow")).unwrap();
    let claims: Vec<usize> = bytes
        .windows(12)
        .enumerate()
        .filter(|(_, w)| w[1..8] == [0; 7] && w[8..12] == [0x04, 0x22, 0x4d, 0x18]) // LZ4's magic behind a length
        .map(|(at, _)| at)
        .collect();
    assert!(!claims.is_empty());
    let path = folder.path().join("w.arrow");
    for at in claims {
        let mut lying = bytes.clone();
        lying[at..at + 8].copy_from_slice(&(1u64 << 40).to_le_bytes());
        std::fs::write(&path, &lying).unwrap();
        refused(&path, &["w.arrow", "claims to hold 1099511627776"]);
    }
}
