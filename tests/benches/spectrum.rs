//! Spectra at the speed of reading: `cargo bench --bench spectrum`.
//!
//! Every method is timed in turn, round after round, on the same warm file, and compared by the medians of its rounds: one run, one
//! machine, one load. (Neither criterion nor divan interleaves what it compares, so a table beside them would compare two hours.)
//! With `MLET_PYTHON` set to a Python that has NumPy, SciPy and PyTorch, their methods are timed among ours.
//!
//! `MLET_BENCH_SHAPES=10100000x16,1000000x64` and `MLET_BENCH_ROUNDS=7` choose otherwise.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use mlet::spectrum::sources;
use mlet::spectrum::table::Factor;
use mlet::spectrum::{Accuracy, certified_values, singular_values};
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

/// The peers' methods, and how many rounds at most: NumPy and SciPy take ten seconds each.
const PEERS: [(&str, usize); 3] = [
    ("torch.linalg.svdvals", 5),
    ("numpy.linalg.svd", 3),
    ("scipy.linalg.svdvals", 3),
];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let rounds: usize = variable("MLET_BENCH_ROUNDS", "7").parse()?;
    let folder = tempfile::tempdir()?;
    println!(
        "{} threads, medians of {rounds} interleaved rounds\n",
        rayon::current_num_threads()
    );
    println!("| table | method | median | × read | mlet is faster by | largest relative error above 1e-6·σ₁ |");
    println!("|---|---|---|---|---|---|");
    for shape in variable("MLET_BENCH_SHAPES", "10100000x16,1000000x64,6700000x8").split(',') {
        let (n, d) = shape.split_once('x').ok_or("a shape is written 1000x16")?;
        let (n, d) = (n.parse()?, d.parse()?);
        let path = folder.path().join(format!("{n}x{d}.npy"));
        write_table(&path, n, d)?;
        table(&path, shape, rounds)?;
        std::fs::remove_file(&path)?;
    }
    Ok(())
}

/// Times every method on one file and prints its lines.
fn table(path: &Path, shape: &str, rounds: usize) -> Outcome<()> {
    let source = sources::open(path)?;
    let factors = source.tables[0].factors.as_slice();
    let mut peer = match std::env::var("MLET_PYTHON") {
        Ok(python) => Some(Peer::start(&python, path)?),
        Err(_) => None,
    };
    let mut methods: Vec<(&str, Vec<f64>, Vec<f64>)> = Vec::new();
    for round in 0..rounds {
        let mut timed = |name: &'static str, sigma: &mut dyn FnMut() -> Outcome<(f64, Vec<f64>)>| -> Outcome<()> {
            let (seconds, sigma) = sigma()?;
            match methods.iter_mut().find(|method| method.0 == name) {
                Some(method) => method.1.push(seconds),
                None => methods.push((name, vec![seconds], sigma)),
            }
            Ok(())
        };
        timed("one read pass", &mut || {
            Ok((clocked(|| read_pass(&factors[0])).0, Vec::new()))
        })?;
        timed("mlet, certified", &mut || {
            let (seconds, result) = clocked(|| certified_values(factors, Accuracy::default()));
            Ok((seconds, result?.sigma))
        })?;
        timed("mlet, TSQR", &mut || {
            let (seconds, result) = clocked(|| singular_values(factors));
            Ok((seconds, result?))
        })?;
        if let Some(peer) = &mut peer {
            for (name, most) in PEERS {
                if round < most {
                    timed(name, &mut || peer.ask(name))?;
                }
            }
        }
    }
    let reference = certified_values(factors, Accuracy::default())?;
    let read = median(&mut methods[0].1.clone());
    let own = median(&mut methods[1].1.clone());
    for (name, seconds, sigma) in &mut methods {
        let seconds = median(seconds);
        let error = worst(sigma, &reference.sigma).map_or("–".into(), |error| format!("{error:.1e}"));
        println!(
            "| {shape} | {name} | {:.1} ms | {:.1} | {:.1} | {error} |",
            1e3 * seconds,
            seconds / read,
            seconds / own
        );
    }
    let width = reference
        .intervals
        .iter()
        .map(|i| i.relative_width())
        .fold(0.0, f64::max);
    println!(
        "| {shape} | proved width of the widest interval | {width:.1e} ({:?}) | | | |",
        reference.route
    );
    Ok(())
}

/// The largest relative distance among values above 1e-6·σ₁; none without values.
fn worst(sigma: &[f64], reference: &[f64]) -> Option<f64> {
    let floor = 1e-6 * reference.first()?;
    let asked = sigma.iter().zip(reference).filter(|(_, reference)| **reference > floor);
    asked.map(|(x, reference)| (x / reference - 1.0).abs()).reduce(f64::max)
}

fn clocked<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = std::hint::black_box(work());
    (start.elapsed().as_secs_f64(), result)
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let n = seconds.len();
    0.5 * (seconds[(n - 1) / 2] + seconds[n / 2])
}

/// Every byte of the table once, on all threads: the sum of its entries, sixteen at a time.
fn read_pass(factor: &Factor) -> f32 {
    const ROWS: usize = 1 << 14;
    let starts: Vec<usize> = (0..factor.rows()).step_by(ROWS).collect();
    let of_block = |&start: &usize| {
        let mut total = 0.0;
        factor.with_rows(start..(start + ROWS).min(factor.rows()), |entries| {
            if let mlet::spectrum::table::Entries::F32(x) = entries {
                let mut sums = [0.0f32; 64];
                for x in x.chunks_exact(64) {
                    sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
                }
                total = sums.iter().sum();
            }
        });
        total
    };
    starts.par_iter().map(of_block).sum()
}

/// Normal columns of falling size, as a table with a graded spectrum: 2^−j up to 16 columns, 10^(−4j/d) beyond.
fn write_table(path: &Path, n: usize, d: usize) -> Outcome<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, {d}), }}");
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(length as u16).to_le_bytes())?;
    file.write_all(format!("{header:<0$}\n", length - 1).as_bytes())?;
    let scale: Vec<f32> = (0..d)
        .map(|j| match d {
            ..=16 => 0.5f32.powi(j as i32),
            _ => 10f32.powf(-4.0 * j as f32 / d as f32),
        })
        .collect();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    for _ in 0..n {
        for scale in &scale {
            // Sum of four uniforms: near enough to normal for a spectrum.
            let x: f32 = (0..4).map(|_| random.random::<f32>() - 0.5).sum();
            file.write_all(&(x * scale).to_le_bytes())?;
        }
    }
    file.flush()?;
    Ok(())
}

/// A Python that holds the same table and times a method when asked.
struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(python: &str, table: &Path) -> Outcome<Self> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peer/spectra.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(table)
            .arg(rayon::current_num_threads().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = child.stdin.take().ok_or("no standard input")?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        answers.read_line(&mut String::new())?;
        Ok(Peer { child, ask, answers })
    }

    fn ask(&mut self, method: &str) -> Outcome<(f64, Vec<f64>)> {
        #[derive(serde::Deserialize)]
        struct Answer {
            seconds: f64,
            sigma: Vec<f64>,
        }
        writeln!(self.ask, "{method}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Answer = serde_json::from_str(&line)?;
        Ok((answer.seconds, answer.sigma))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends with its input; a peer that hangs is not waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
