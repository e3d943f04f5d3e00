//! The inner loop of the pass over the rows: hash, squared norm and column sums of a block of rows, on vectors.
//!
//! A row's hash is multilinear: with w the 32-bit words of its entries (−0 taken as 0), `h_r = Σⱼ wⱼ·k_rj mod 2⁶⁴`, r = 1, 2, with
//! fixed keys k of 32 bits. Two rows that differ in word j have the same h_r for one value of k_rj at most, so for at most a share of
//! 2⁻³² of all keys, and the same pair for 2⁻⁶⁴ (Carter & Wegman 1979; Lemire & Kaser, *Strongly universal string hashing is fast*,
//! Computer Journal 2014). (h₁, h₂) is then mixed, one to one, so that any bits of it may be used.

use super::duplicates::Hash;
use super::scan::Right;
use pulp::{Arch, Simd, WithSimd};

/// Entries that are taken at a time.
const LANES: usize = 8;

/// Keys of 8 columns: those of h₁ and h₂ for the low, then for the high words of their entries.
pub(super) type Keys = [[u32; LANES]; 4];

/// The keys of a table with so many columns; the first ones are the same for any number.
pub(super) fn keys(cols: usize) -> Vec<Keys> {
    let chunk = |chunk: usize| {
        std::array::from_fn(|which| {
            std::array::from_fn(|lane| {
                let at = (chunk * 4 + which) * LANES + lane;
                (mixed((at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 32) as u32
            })
        })
    };
    (0..cols.div_ceil(LANES)).map(chunk).collect()
}

/// One to one on 64 bits (Stafford's thirteenth variant of MurmurHash3's finaliser, as in SplitMix64).
#[inline(always)]
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[inline(always)]
fn mixed_pair(first: u64, second: u64) -> Hash {
    let first = mixed(first);
    let second = mixed(second ^ first);
    [first.wrapping_add(second), second]
}

/// A stored number.
pub(super) trait Entry: Copy + Default + Into<f64> {
    /// Whether it has a high word.
    const LONG: bool;
    /// Its low and its high word, those of 0 for −0.
    fn words(self) -> (u32, u32);
}

impl Entry for f32 {
    const LONG: bool = false;

    #[inline(always)]
    fn words(self) -> (u32, u32) {
        // −0 + 0 is 0, and nothing else is changed by adding 0.
        ((self + 0.0).to_bits(), 0)
    }
}

impl Entry for f64 {
    const LONG: bool = true;

    #[inline(always)]
    fn words(self) -> (u32, u32) {
        let bits = (self + 0.0).to_bits();
        (bits as u32, (bits >> 32) as u32)
    }
}

/// What is found for each row of a block.
#[derive(Default)]
pub(super) struct Found {
    pub(super) hashes: Vec<Hash>,
    /// Of the end-to-end rows, without the exponent of [`Right`].
    pub(super) squares: Vec<f64>,
    /// The columns, each summed over the block.
    pub(super) sums: Vec<f64>,
    product: Vec<f64>,
}

/// Goes through `x`, rows of `cols` entries.
pub(super) fn go_through<T: Entry>(
    x: &[T],
    (rows, cols): (usize, usize),
    keys: &[Keys],
    right: Option<&Right>,
    found: &mut Found,
) {
    found.hashes.clear();
    found.squares.clear();
    found.sums.clear();
    found.sums.resize(cols, 0.0);
    // A struct: the body of a closure would be compiled for the least machine there is.
    Arch::new().dispatch(Block {
        x,
        rows,
        cols,
        keys,
        right,
        found,
    });
}

struct Block<'a, T> {
    x: &'a [T],
    rows: usize,
    cols: usize,
    keys: &'a [Keys],
    right: Option<&'a Right>,
    found: &'a mut Found,
}

impl<T: Entry> WithSimd for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Found {
            hashes,
            squares,
            sums,
            product,
        } = self.found;
        for i in 0..self.rows {
            let row = &self.x[i * self.cols..(i + 1) * self.cols];
            let (hash, square) = one(row, self.keys, sums);
            hashes.push(hash);
            squares.push(match self.right {
                None => square,
                Some(right) => {
                    multiply(row, right, product);
                    square_of(product)
                }
            });
        }
    }
}

/// Hash and square of a row; adds it to the sums.
#[inline(always)]
fn one<T: Entry>(row: &[T], keys: &[Keys], sums: &mut [f64]) -> (Hash, f64) {
    let (mut h, mut g, mut s) = ([0u64; LANES], [0u64; LANES], [0.0f64; LANES]);
    let mut chunks = row.chunks_exact(LANES);
    let mut sums = sums.chunks_exact_mut(LANES);
    for ((chunk, keys), sums) in (&mut chunks).zip(keys).zip(&mut sums) {
        eight(chunk, keys, sums, &mut h, &mut g, &mut s);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let (mut padded, mut padded_sums) = ([T::default(); LANES], [0.0; LANES]);
        padded[..rest.len()].copy_from_slice(rest);
        let sums = sums.into_remainder();
        padded_sums[..rest.len()].copy_from_slice(sums);
        eight(
            &padded,
            &keys[row.len() / LANES],
            &mut padded_sums,
            &mut h,
            &mut g,
            &mut s,
        );
        sums.copy_from_slice(&padded_sums[..rest.len()]);
    }
    let total = |h: [u64; LANES]| h.into_iter().fold(0, u64::wrapping_add);
    (mixed_pair(total(h), total(g)), folded(s))
}

#[inline(always)]
fn eight<T: Entry>(
    x: &[T],
    keys: &Keys,
    sums: &mut [f64],
    h: &mut [u64; LANES],
    g: &mut [u64; LANES],
    s: &mut [f64; LANES],
) {
    for i in 0..LANES {
        let (low, high) = x[i].words();
        h[i] = h[i].wrapping_add(u64::from(low) * u64::from(keys[0][i]));
        g[i] = g[i].wrapping_add(u64::from(low) * u64::from(keys[1][i]));
        if T::LONG {
            h[i] = h[i].wrapping_add(u64::from(high) * u64::from(keys[2][i]));
            g[i] = g[i].wrapping_add(u64::from(high) * u64::from(keys[3][i]));
        }
        let x: f64 = x[i].into();
        s[i] += x * x;
        sums[i] += x;
    }
}

#[inline(always)]
fn folded(s: [f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// Σx², in eight sums side by side whose order is the same for any width of vectors.
#[inline(always)]
pub(super) fn square_of(row: &[f64]) -> f64 {
    let mut s = [0.0f64; LANES];
    for chunk in row.chunks(LANES) {
        s.iter_mut().zip(chunk).for_each(|(s, &x)| *s += x * x);
    }
    folded(s)
}

/// `out = row · right.matrix`.
#[inline(always)]
pub(super) fn multiply<T: Copy + Into<f64>>(row: &[T], right: &Right, out: &mut Vec<f64>) {
    out.clear();
    out.resize(right.width, 0.0);
    for (&x, right) in row.iter().zip(right.matrix.chunks_exact(right.width.max(1))) {
        let x: f64 = x.into();
        out.iter_mut().zip(right).for_each(|(out, right)| *out += x * right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, word by word, in integers that do not overflow.
    fn slow<T: Entry>(row: &[T]) -> Hash {
        let keys = keys(row.len());
        let sum = |which: usize| {
            let term = |(j, x): (usize, &T)| {
                let (low, high) = x.words();
                let key = |which: usize| u128::from(keys[j / LANES][which][j % LANES]);
                u128::from(low) * key(which) + u128::from(high) * key(which + 2)
            };
            row.iter().enumerate().map(term).sum::<u128>() as u64
        };
        mixed_pair(sum(0), sum(1))
    }

    fn check<T: Entry>(entry: impl Fn(usize) -> T) {
        for cols in [0, 1, 2, 7, 8, 9, 16, 37] {
            let rows = 50;
            let x: Vec<T> = (0..rows * cols).map(&entry).collect();
            let mut found = Found::default();
            go_through(&x, (rows, cols), &keys(cols), None, &mut found);
            for i in 0..rows {
                let row = &x[i * cols..(i + 1) * cols];
                assert_eq!(found.hashes[i], slow(row), "row {i} of {cols} columns");
                let wide: Vec<f64> = row.iter().map(|&x| x.into()).collect();
                assert_eq!(found.squares[i], square_of(&wide));
            }
            for j in 0..cols {
                let sum = (0..rows).fold(0.0, |sum: f64, i| sum + x[i * cols + j].into());
                assert_eq!(found.sums[j], sum);
            }
        }
    }

    #[test]
    fn vectors_find_what_the_definition_says() {
        let entry = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 1009.0 - 0.4;
        check(|i| entry(i) as f32);
        check(entry);
        check(|i| if i % 3 == 0 { -0.0f32 } else { f32::MAX / (i + 1) as f32 });
    }

    /// Every bit of the hash of numbers in a row is set in half of them, to within six standard deviations, and no two are equal.
    #[test]
    fn hashes_spread() {
        let n = 40_000;
        for cols in [1, 3] {
            let x: Vec<f32> = (0..n * cols)
                .map(|i| if i % cols == 0 { (i / cols) as f32 } else { 1.0 })
                .collect();
            let mut found = Found::default();
            go_through(&x, (n, cols), &keys(cols), None, &mut found);
            for bit in 0..64 {
                for word in 0..2 {
                    let set = found.hashes.iter().filter(|hash| hash[word] >> bit & 1 == 1).count();
                    let apart = (set as f64 - n as f64 / 2.0).abs();
                    assert!(
                        apart < 3.0 * (n as f64).sqrt(),
                        "bit {bit} of word {word}: {set} of {n}"
                    );
                }
            }
            let mut hashes = found.hashes;
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), n);
        }
    }
}
