use super::*;
use crate::spectrum::table::{Float, Mapped, Order, Values};
use half::{bf16, f16};
use memmap2::MmapOptions;
use ndarray::Array2;
use num_rational::BigRational;
use num_traits::{One, Signed};
use proptest::prelude::*;
use std::io::Write;
use std::sync::Arc;

/// `mantissa · 2^exponent`.
fn scaled(mantissa: &BigInt, exponent: i64) -> BigRational {
    let power = BigRational::from_integer(BigInt::one() << exponent.unsigned_abs());
    let mantissa = BigRational::from_integer(mantissa.clone());
    if exponent < 0 {
        mantissa / power
    } else {
        mantissa * power
    }
}

/// Every entry against sums of rationals.
fn same(gram: &ExactGram, rows: &[Vec<f64>]) {
    let exact = |x: f64| BigRational::from_float(x).unwrap();
    for (i, j) in (0..gram.cols).flat_map(|i| (0..gram.cols).map(move |j| (i, j))) {
        let sum: BigRational = rows.iter().map(|row| exact(row[i]) * exact(row[j])).sum();
        assert_eq!(scaled(gram.at(i, j), gram.exponent), sum, "entry ({i}, {j})");
    }
}

/// A factor that lies in a file, as numbers of this type.
fn stored(float: Float, rows: &[Vec<f64>], order: Order) -> Factor {
    let (n, d) = (rows.len(), rows[0].len());
    let entries: Vec<f64> = match order {
        Order::Rows => rows.concat(),
        Order::Columns => (0..d).flat_map(|j| rows.iter().map(move |row| row[j])).collect(),
    };
    let bytes = |x: &f64| match float {
        Float::F64 => x.to_le_bytes().to_vec(),
        Float::F32 => (*x as f32).to_le_bytes().to_vec(),
        Float::F16 => f16::from_f64(*x).to_le_bytes().to_vec(),
        Float::Bf16 => bf16::from_f64(*x).to_le_bytes().to_vec(),
    };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&entries.iter().flat_map(bytes).collect::<Vec<u8>>())
        .unwrap();
    // SAFETY: nobody else has this file.
    let map = unsafe { MmapOptions::new().map(&file) }.unwrap();
    Factor::mapped("w", Mapped::new(Arc::new(map), 0, (n, d), float, order, false).unwrap())
}

/// The numbers as this type stores them.
fn rounded(float: Float, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let round = |x: &f64| match float {
        Float::F64 => *x,
        Float::F32 => f64::from(*x as f32),
        Float::F16 => f16::from_f64(*x).to_f64(),
        Float::Bf16 => bf16::from_f64(*x).to_f64(),
    };
    rows.iter().map(|row| row.iter().map(round).collect()).collect()
}

/// Numbers of a type over a share of its exponents, subnormal ones and zeros among them.
fn table(float: Float) -> impl Strategy<Value = Vec<Vec<f64>>> {
    let (low, high) = match float {
        Float::F64 => (-1080, 1020),
        Float::F32 | Float::Bf16 => (-151, 125),
        Float::F16 => (-26, 13),
    };
    let entry = move |spread: i32| {
        (-2.0f64..2.0, 0..=spread).prop_map(move |(x, e)| {
            let e = low + e * (high - low) / spread;
            if x.abs() < 0.2 { 0.0 } else { libm::ldexp(x, e) }
        })
    };
    (1usize..5, 1usize..300, prop_oneof![Just(1000), Just(3)])
        .prop_flat_map(move |(d, n, spread)| proptest::collection::vec(proptest::collection::vec(entry(spread), d), n))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn of_every_type(
        (float, rows) in prop_oneof![Just(Float::F64), Just(Float::F32), Just(Float::F16), Just(Float::Bf16)]
            .prop_flat_map(|float| (Just(float), table(float))),
        columns in any::<bool>(),
    ) {
        let rows = rounded(float, &rows);
        let order = if columns { Order::Columns } else { Order::Rows };
        same(&ExactGram::of(&stored(float, &rows, order)).unwrap(), &rows);
    }

    #[test]
    fn any_split_adds_up(rows in table(Float::F32), at in 0.0f64..1.0) {
        let rows = rounded(Float::F32, &rows);
        let whole = stored(Float::F32, &rows, Order::Rows);
        let all: Vec<usize> = (0..rows.len()).collect();
        let (a, b) = all.split_at((at * rows.len() as f64) as usize);
        let part = |rows: &[usize]| ExactGram::of(&whole.select_rows(rows)).unwrap();
        prop_assert_eq!(part(a).and(&part(b)), ExactGram::of(&whole).unwrap());
    }
}

/// Many tasks, sums that leave 64 bits, and one row far below the others, which takes more digits in its task.
#[test]
fn many_rows() {
    let (n, d) = (3 * digits::ROWS + 17, 3);
    let entry = |i: usize, j: usize| {
        let x = ((i * 7919 + j * 104_729) % 8191) as f32 - 4095.0;
        if i == 20_000 {
            x * 2f32.powi(-100)
        } else {
            x * 2f32.powi(100)
        }
    };
    let array = Array2::from_shape_fn((n, d), |(i, j)| entry(i, j));
    let rows: Vec<Vec<f64>> = array.outer_iter().map(|row| row.mapv(f64::from).to_vec()).collect();
    let gram = ExactGram::of(&Factor::f32("w", array.clone())).unwrap();
    assert!(gram.at(0, 0) > &(BigInt::one() << 400), "the row far below is gone");
    same(&gram, &rows);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(alone.install(|| ExactGram::of(&Factor::f32("w", array)).unwrap()), gram);
}

/// The greatest numbers that any digit and any sum can hold.
#[test]
fn nothing_overflows() {
    let greatest = [f64::MAX, -f64::MAX, 5e-324, f64::MIN_POSITIVE.next_down()];
    let rows: Vec<Vec<f64>> = (0..digits::ROWS).map(|_| greatest.to_vec()).collect();
    let array = Array2::from_shape_fn((digits::ROWS, 4), |(i, j)| rows[i][j]);
    let gram = ExactGram::of(&Factor::f64("w", array)).unwrap();
    let squared = |x: f64| BigRational::from_float(x).unwrap().pow(2) * BigInt::from(digits::ROWS);
    for i in [0, 1, 3] {
        assert_eq!(scaled(gram.at(i, i), gram.exponent), squared(greatest[i]));
    }
    assert!(gram.at(0, 1).is_negative() && gram.at(0, 1).abs() == *gram.at(0, 0));
    // All 53 bits of every digit set.
    let ones = Array2::from_elem((digits::ROWS, 1), ((1u64 << 53) - 1) as f64);
    let gram = ExactGram::of(&Factor::f64("w", ones)).unwrap();
    assert_eq!(scaled(gram.at(0, 0), gram.exponent), squared(((1u64 << 53) - 1) as f64));
}

#[test]
fn nothing_and_not_finite() {
    let zero = ExactGram::of(&Factor::f32("w", Array2::zeros((5, 2)))).unwrap();
    assert_eq!((zero.exponent, zero.rows), (0, 5));
    assert!(zero.entries.len() == 4 && zero.entries.iter().all(Zero::is_zero));
    assert_eq!(zero.and(&zero).rows, 10);
    assert!(ExactGram::of(&Factor::f32("w", Array2::zeros((0, 2)))).is_ok());
    assert!(ExactGram::of(&Factor::f32("w", Array2::zeros((3, 0)))).is_ok());
    let mut bad = Array2::<f64>::ones((40_000, 3));
    bad[(33_333, 1)] = f64::NAN;
    let error = ExactGram::of(&Factor {
        values: Values::F64(bad),
        ..Factor::f64("w", Array2::zeros((1, 1)))
    })
    .unwrap_err();
    assert!(
        matches!(
            error,
            SpectrumError::NotFinite {
                row: 33_333,
                column: 1,
                ..
            }
        ),
        "{error}"
    );
}
