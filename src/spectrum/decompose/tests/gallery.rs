//! Matrices of every kind that LAPACK's testers use, and a few more.

use faer::Mat;

pub(super) const SHAPES: [(usize, usize); 14] = [
    (1, 1),
    (1, 5),
    (5, 1),
    (2, 3),
    (3, 2),
    (8, 8),
    (10, 4),
    (4, 10),
    (33, 17),
    (17, 33),
    (64, 64),
    (200, 64),
    (64, 200),
    (150, 140), // from 128 on faer divides and conquers
];

/// A number in [−1, 1) from a counter (SplitMix64).
pub(super) fn noise(seed: u64, i: usize, j: usize) -> f64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((i as u64) << 32 | j as u64);
    for multiplier in [0xBF58_476D_1CE4_E5B9u64, 0x94D0_49BB_1331_11EB] {
        z = (z ^ (z >> 30))
            .wrapping_mul(multiplier)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
    }
    (z ^ (z >> 31)) as i64 as f64 / 2f64.powi(63)
}

pub(super) fn random(seed: u64, m: usize, n: usize) -> Mat<f64> {
    Mat::from_fn(m, n, |i, j| noise(seed, i, j))
}

/// `U·diag(σ)·Vᵀ` with random orthonormal U and V from nalgebra.
fn planted(m: usize, n: usize, sigma: impl Fn(usize, usize) -> f64) -> Mat<f64> {
    let r = m.min(n);
    let basis = |seed, rows| {
        let q = nalgebra::DMatrix::from_fn(rows, r, |i, j| noise(seed, i, j)).qr().q();
        Mat::from_fn(rows, r, |i, j| q[(i, j)])
    };
    let (u, v) = (basis(3, m), basis(4, n));
    Mat::from_fn(m, r, |i, j| u[(i, j)] * sigma(j, r)) * v.transpose()
}

fn graded(i: usize, r: usize) -> f64 {
    10f64.powf(-16.0 * i as f64 / (r.max(2) - 1) as f64)
}

/// Matrices of every kind, by name, entries of the order of 1.
pub(super) fn gallery(m: usize, n: usize) -> Vec<(&'static str, Mat<f64>)> {
    let r = m.min(n);
    let base = random(5, m, n);
    vec![
        ("zero", Mat::zeros(m, n)),
        ("identity", Mat::identity(m, n)),
        (
            "graded diagonal",
            Mat::from_fn(m, n, |i, j| if i == j { graded(i, r) } else { 0.0 }),
        ),
        ("graded", planted(m, n, graded)),
        (
            "clustered at 1",
            planted(m, n, |i, r| if i + 1 < r { 1.0 } else { 1e-7 }),
        ),
        ("clustered below", planted(m, n, |i, _| if i == 0 { 1.0 } else { 1e-7 })),
        (
            "rank-deficient",
            planted(m, n, |i, r| if i < r.div_ceil(3) { 0.5f64.powi(i as i32) } else { 0.0 }),
        ),
        ("rank one", Mat::from_fn(m, n, |i, j| noise(6, i, 0) * noise(7, 0, j))),
        ("repeated rows", Mat::from_fn(m, n, |i, j| base[(i % 2, j)])),
        ("repeated columns", Mat::from_fn(m, n, |i, j| base[(i, j % 2)])),
        (
            "zero rows",
            Mat::from_fn(m, n, |i, j| if i % 3 == 1 { 0.0 } else { base[(i, j)] }),
        ),
        (
            "zero columns",
            Mat::from_fn(m, n, |i, j| if j % 3 == 0 { 0.0 } else { base[(i, j)] }),
        ),
        // Columns whose squares lose their digits in f32, and all but vanish in it.
        (
            "fading columns",
            Mat::from_fn(m, n, |i, j| base[(i, j)] * 10f64.powi(-10 * (j as i32 % 5))),
        ),
        (
            "fading rows",
            Mat::from_fn(m, n, |i, j| base[(i, j)] * 10f64.powi(-9 * (i as i32 % 6))),
        ),
        ("random", base),
    ]
}
