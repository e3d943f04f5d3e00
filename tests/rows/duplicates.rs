//! Estimates where a table has more distinct rows than are kept.

use super::{Random, plain};
use mlet::spectrum::rows::{CAPACITY, Duplicates, count_rows};
use ndarray::Array2;

/// A table of one column: its rows are numbers, so that the truth is known by construction.
fn duplicates(rows: Vec<f32>) -> Duplicates {
    let table = Array2::from_shape_vec((rows.len(), 1), rows).unwrap();
    count_rows(&plain(table)).unwrap().distinct.duplicates()
}

/// Distinct rows: all f32 with these bits are different numbers.
fn number(i: usize) -> f32 {
    f32::from_bits(0x2000_0000 + i as u32)
}

/// Five standard errors: a chance of 6e-7 with a fixed seed's luck, which is none once it has passed.
fn near(found: Duplicates, distinct: usize, n: usize) {
    assert!(!found.exact && found.largest_group.is_none(), "{found:?}");
    assert_eq!(found.distinct_rows + found.repeated_rows, n as u64);
    let apart = (found.distinct_rows as f64 - distinct as f64).abs();
    assert!(
        apart <= 5.0 * found.standard_error + 0.5,
        "{found:?}, but {distinct} are distinct"
    );
}

#[test]
fn exact_up_to_the_capacity() {
    let found = duplicates((0..CAPACITY).chain(0..1000).map(number).collect());
    assert!(found.exact);
    assert_eq!((found.distinct_rows, found.repeated_rows), (CAPACITY as u64, 1000));
    assert_eq!(found.largest_group, Some(2));
    assert!(!duplicates((0..=CAPACITY).map(number).collect()).exact);
}

/// Many rows, of which fewer are distinct than the first guess at the sampling level takes for likely.
#[test]
fn exact_also_where_most_rows_repeat() {
    let (n, distinct) = (2_400_000, 800_000);
    let found = duplicates((0..n).map(|i| number(i % distinct)).collect());
    assert!(found.exact, "{found:?}");
    assert_eq!((found.distinct_rows, found.largest_group), (distinct as u64, Some(3)));
}

#[test]
fn nothing_repeats() {
    let n = 3_000_000;
    let found = duplicates((0..n).map(number).collect());
    assert_eq!(
        (found.exact, found.repeated_rows, found.standard_error),
        (false, 0, 0.0)
    );
}

#[test]
fn pairs_and_larger_groups() {
    // 2 M rows that occur once and 300,000 that occur three times, in no order.
    let mut random = Random(3);
    let mut rows: Vec<usize> = (0..2_300_000)
        .chain(2_000_000..2_300_000)
        .chain(2_000_000..2_300_000)
        .collect();
    for i in (1..rows.len()).rev() {
        rows.swap(i, random.below(i + 1));
    }
    let n = rows.len();
    let found = duplicates(rows.into_iter().map(number).collect());
    near(found, 2_300_000, n);
    assert!(found.standard_error < 3000.0, "{found:?}");
}

/// A row that is repeated very often is either in the sample or not: the estimate must not depend on that.
#[test]
fn one_row_repeated_often() {
    for seed in 0..6 {
        let often = number(5_000_000 + seed);
        let rows: Vec<f32> = (0..1_500_000)
            .map(number)
            .chain(std::iter::repeat_n(often, 500_000))
            .collect();
        let n = rows.len();
        let found = duplicates(rows);
        near(found, 1_500_001, n);
        assert!(found.standard_error < 1000.0, "{found:?}");
    }
}

/// Cut in any way, a sampled table adds up to the bit.
#[test]
fn samples_of_parts_add_up() {
    let rows: Vec<f32> = (0..1_200_000).chain(0..300_000).map(number).collect();
    let count = |rows: &[f32]| {
        let table = Array2::from_shape_vec((rows.len(), 1), rows.to_vec()).unwrap();
        count_rows(&plain(table)).unwrap().distinct
    };
    let whole = count_rows(&plain(Array2::from_shape_vec((rows.len(), 1), rows.clone()).unwrap())).unwrap();
    assert!(!whole.distinct.duplicates().exact);
    for cut in [1, 700_000, 1_499_999] {
        let part = |rows: &[f32]| {
            let table = Array2::from_shape_vec((rows.len(), 1), rows.to_vec()).unwrap();
            count_rows(&plain(table)).unwrap()
        };
        assert_eq!(part(&rows[..cut]).and(&part(&rows[cut..])).distinct, whole.distinct);
        assert_eq!(part(&rows[cut..]).and(&part(&rows[..cut])).distinct, whole.distinct);
    }
    assert_ne!(count(&rows[1..]), whole.distinct);
}
