//! Counts and quantiles.

use super::{Random, hostile, plain};
use mlet::spectrum::rows::{BIN_WIDTH, SHARES, count_rows, row_statistics};
use mlet::spectrum::table::{Factor, Table};
use ndarray::{Array2, Axis};
use std::collections::HashMap;

/// Norms of the rows of a product, in f64.
fn norms(factors: &[Array2<f64>]) -> Vec<f64> {
    let (first, rest) = factors.split_first().unwrap();
    let product = rest.iter().fold(first.clone(), |product, next| product.dot(next));
    let mut norms: Vec<f64> = product
        .rows()
        .into_iter()
        .map(|row| {
            let greatest = row.iter().fold(0.0f64, |a, x| a.max(x.abs()));
            if greatest == 0.0 {
                return 0.0;
            }
            greatest * row.iter().map(|x| (x / greatest).powi(2)).sum::<f64>().sqrt()
        })
        .collect();
    norms.sort_by(f64::total_cmp);
    norms
}

/// Every quantile within half a bin of the sorted norms, and the ends to rounding: sums of d (and k) terms.
fn quantiles_agree(table: &Table, factors: &[Array2<f64>]) {
    let norms = norms(factors);
    let n = norms.len();
    let statistics = row_statistics(table).unwrap();
    assert_eq!(statistics.norms.len(), SHARES.len());
    for quantile in &statistics.norms {
        let place = ((quantile.share * n as f64).ceil() as usize).clamp(1, n);
        let truth = norms[place - 1];
        let rounding = 64.0 * f64::EPSILON;
        let tolerance = if place == 1 || place == n {
            rounding
        } else {
            0.5 * BIN_WIDTH + rounding
        };
        assert!(
            (quantile.norm - truth).abs() <= tolerance * truth,
            "share {}: {} for {truth}",
            quantile.share,
            quantile.norm
        );
    }
}

#[test]
fn quantiles_of_plain_tables_and_products() {
    for (n, d, seed) in [
        (1, 1, 1),
        (2, 3, 2),
        (100, 7, 3),
        (5000, 16, 4),
        (20_000, 5, 5),
        (33, 70, 6),
    ] {
        let w = hostile(n, d, seed);
        let wide = w.mapv(f64::from);
        quantiles_agree(&plain(w.clone()), std::slice::from_ref(&wide));
        let mut random = Random(seed);
        let further = Array2::from_shape_fn((d, 4), |_| random.number() + 1.0);
        let table = Table::new("w", vec![Factor::f32("a", w), Factor::f32("b", further.clone())]);
        // Sums of one sign's terms would be needed for a relative bound: rows without cancellation.
        let positive = wide.mapv(f64::abs);
        let mut of_one_sign = table.clone();
        of_one_sign.factors[0] = Factor::f64("a", positive.clone());
        quantiles_agree(&of_one_sign, &[positive, further.mapv(f64::from)]);
    }
}

/// Squares of these leave the range of f64.
#[test]
fn norms_at_the_ends_of_the_range() {
    for scale in [1e300, 1e160, 1e-160, 1e-300] {
        let w = hostile(200, 3, 9).mapv(|x| f64::from(x).clamp(-1.0, 1.0) * scale);
        let table = Table::new("w", vec![Factor::f64("w", w.clone())]);
        let statistics = row_statistics(&table).unwrap();
        let norms = norms(&[w]);
        let (least, greatest) = (statistics.norms[0].norm, statistics.norms[8].norm);
        assert!(
            (greatest - norms[199]).abs() <= 16.0 * f64::EPSILON * norms[199],
            "{scale}: {greatest}"
        );
        assert_eq!(least, 0.0);
    }
    let nan = Array2::from_shape_fn((3, 2), |(i, _)| if i == 1 { f64::NAN } else { 1.0 });
    let error = row_statistics(&Table::new("w", vec![Factor::f64("w", nan)])).unwrap_err();
    assert!(error.to_string().contains("row 1, column 0"), "{error}");
}

#[test]
fn counts_agree_with_a_map() {
    for (n, d, seed) in [(1, 1, 1), (50, 2, 2), (9000, 3, 3), (30_000, 16, 4)] {
        let w = hostile(n, d, seed);
        let mut initial = w.clone();
        let mut random = Random(seed + 100);
        for i in 0..n {
            if random.below(3) > 0 {
                initial[(i, random.below(d))] += 1.0;
            }
        }
        let frequencies: Vec<u64> = (0..n).map(|_| random.below(3) as u64).collect();
        let mut table = plain(w.clone());
        table.initial = Some(vec![Factor::f32("w", initial.clone())]);
        table.frequencies = Some(frequencies.clone());
        let statistics = row_statistics(&table).unwrap();
        let bits = |row: ndarray::ArrayView1<f32>| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let unchanged = |i: usize| bits(w.row(i)) == bits(initial.row(i));
        let count = |holds: &dyn Fn(usize) -> bool| (0..n).filter(|&i| holds(i)).count() as u64;
        assert_eq!(statistics.rows, n as u64);
        assert_eq!(statistics.zero_rows, count(&|i| w.row(i).iter().all(|&x| x == 0.0)));
        assert_eq!(statistics.initial_rows, Some(count(&unchanged)));
        assert_eq!(statistics.unused_rows, Some(count(&|i| frequencies[i] == 0)));
        assert_eq!(
            statistics.unused_initial_rows,
            Some(count(&|i| frequencies[i] == 0 && unchanged(i)))
        );
        let mut groups: HashMap<Vec<u32>, u64> = HashMap::new();
        for row in w.rows() {
            *groups
                .entry(row.iter().map(|x| (x + 0.0).to_bits()).collect())
                .or_default() += 1;
        }
        let duplicates = statistics.duplicates;
        assert!(duplicates.exact);
        assert_eq!(duplicates.standard_error, 0.0);
        assert_eq!(duplicates.distinct_rows, groups.len() as u64);
        assert_eq!(duplicates.repeated_rows, n as u64 - groups.len() as u64);
        assert_eq!(duplicates.largest_group, groups.values().max().copied());
        // The centre, within the rounding of sums of n terms.
        let wide = w.mapv(f64::from);
        let mean = wide.mean_axis(Axis(0)).unwrap();
        let norm = mean.dot(&mean).sqrt();
        let terms = wide.mapv(f64::abs).mean_axis(Axis(0)).unwrap();
        let tolerance = n as f64 * f64::EPSILON * terms.dot(&terms).sqrt();
        assert!(
            (statistics.centre_norm - norm).abs() <= tolerance,
            "{} for {norm}",
            statistics.centre_norm
        );
        // What is not known is not said.
        let unknown = row_statistics(&plain(w)).unwrap();
        assert_eq!(
            (unknown.initial_rows, unknown.unused_rows, unknown.unused_initial_rows),
            (None, None, None)
        );
    }
}

/// The same numbers in a narrower or a wider type.
#[test]
fn all_types_agree() {
    let mut random = Random(8);
    // Eighths of at most ±4 with three bits: exact in bf16.
    let mut w = Array2::from_shape_fn((3000, 2), |_| (random.below(9) as f32 - 4.0) / 8.0);
    w[(0, 0)] = -0.0;
    let folder = tempfile::tempdir().unwrap();
    let single = row_statistics(&plain(w.clone())).unwrap();
    let double = Table::new("w", vec![Factor::f64("w", w.mapv(f64::from))]);
    assert_eq!(row_statistics(&double).unwrap(), single);
    for dtype in [safetensors::Dtype::F16, safetensors::Dtype::BF16] {
        let bytes: Vec<u8> = w
            .iter()
            .flat_map(|&x| match dtype {
                safetensors::Dtype::F16 => half::f16::from_f32(x).to_le_bytes(),
                _ => half::bf16::from_f32(x).to_le_bytes(),
            })
            .collect();
        let view = safetensors::tensor::TensorView::new(dtype, vec![3000, 2], &bytes).unwrap();
        let path = folder.path().join("w.safetensors");
        safetensors::serialize_to_file([("embedding_w", view)], None, &path).unwrap();
        let table = mlet::spectrum::sources::open(&path).unwrap().tables.remove(0);
        let narrow = row_statistics(&table).unwrap();
        assert_eq!(narrow, single, "{dtype:?}");
    }
}

/// One thread or several, and the parts of a table: the same bits.
#[test]
fn parts_and_threads() {
    let w = hostile(70_001, 6, 21);
    let whole = count_rows(&plain(w.clone())).unwrap();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(alone.install(|| count_rows(&plain(w.clone())).unwrap()), whole);
    for cuts in [
        vec![0],
        vec![1],
        vec![35_000, 35_000],
        vec![13, 40_000, 70_000],
        vec![70_001],
    ] {
        let mut bounds = vec![0];
        bounds.extend(cuts);
        bounds.push(70_001);
        let sum = bounds
            .windows(2)
            .map(|ends| w.slice(ndarray::s![ends[0]..ends[1], ..]).to_owned())
            .map(|part| count_rows(&plain(part)).unwrap())
            .reduce(|a, b| a.and(&b))
            .unwrap();
        assert_eq!(sum.norms, whole.norms);
        assert_eq!(sum.distinct, whole.distinct);
        assert_eq!((sum.rows, sum.zero_rows), (whole.rows, whole.zero_rows));
        let sums = |terms: f64, a: f64, b: f64| (a - b).abs() <= 2.0 * 70_001.0 * f64::EPSILON * terms;
        for (j, (a, b)) in sum.sums.iter().zip(&whole.sums).enumerate() {
            assert!(sums(w.column(j).iter().map(|x| f64::from(x.abs())).sum(), *a, *b));
        }
        assert!(sums(whole.squares, sum.squares, whole.squares));
    }
}

#[test]
fn no_rows_and_no_columns() {
    let none = row_statistics(&plain(Array2::zeros((0, 4)))).unwrap();
    assert_eq!(
        (none.rows, none.norms.len(), none.duplicates.largest_group),
        (0, 0, Some(0))
    );
    let flat = row_statistics(&plain(Array2::zeros((4, 0)))).unwrap();
    assert_eq!((flat.rows, flat.zero_rows, flat.duplicates.repeated_rows), (4, 4, 3));
    let zero = row_statistics(&plain(Array2::zeros((4, 2)))).unwrap();
    assert_eq!((zero.zero_rows, zero.centre_share), (4, None));
}
