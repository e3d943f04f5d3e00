//! Every file of the corpus, damaged in thousands of ways: an error or tables, but never a panic, and never much memory.
//!
//! `MLET_FUZZ_ROUNDS` sets the number of ways a file (default 1,000). tests/fuzz has targets for cargo-fuzz beside this.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::allocation::most_bytes;
use super::{corpus, entries, read};

/// Greatest memory for a file of at most 6 kB: 16 MiB of runs of zeros are believed (a column, its page, growing by doubling).
const MOST: usize = 96 << 20;

/// Numbers that lengths and offsets are replaced by.
const NUMBERS: [u64; 10] = [
    0,
    1,
    7,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];

fn damage(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..=3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        let end = bytes.len().min(at + random.random_range(1..=64));
        match random.random_range(0..9) {
            0 | 1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 | 3 => bytes[at] = random.random(),
            4 | 5 => {
                let number = NUMBERS[random.random_range(0..NUMBERS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.random_range(0..4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            6 => bytes.truncate(at),
            7 => drop(bytes.drain(at..end)),
            _ => {
                let copy = bytes[at..end].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
        }
    }
}

/// Reads a file and all of its tables.
fn open(path: &Path) {
    if let Ok(source) = read(path, &["*"], &[]) {
        for factor in source.tables.iter().flat_map(|table| &table.factors) {
            if factor.len() < 1 << 20 {
                entries(factor);
            }
        }
    }
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [corpus(""), corpus("sharded")] {
        let entries = std::fs::read_dir(folder).unwrap();
        found.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    found.sort();
    found
}

#[test]
fn damaged_files_are_errors() {
    let rounds = std::env::var("MLET_FUZZ_ROUNDS").map_or(1_000, |rounds| rounds.parse().unwrap());
    for (number, file) in files().iter().enumerate() {
        let whole = std::fs::read(file).unwrap();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(file.file_name().unwrap());
        let mut random = ChaCha8Rng::seed_from_u64(number as u64);
        for round in 0..rounds {
            let mut bytes = whole.clone();
            damage(&mut bytes, &mut random);
            std::fs::write(&path, &bytes).unwrap();
            let (read, most) = most_bytes(|| catch_unwind(AssertUnwindSafe(|| open(&path))));
            let failed = read.is_err() || most > MOST;
            if failed {
                let kept =
                    std::env::temp_dir().join(format!("damaged-{round}-{}", file.file_name().unwrap().display()));
                std::fs::write(&kept, &bytes).unwrap();
                panic!("{}, round {round}: {} ({most} bytes)", file.display(), kept.display());
            }
        }
    }
}
