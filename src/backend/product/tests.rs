use super::{
    Form, GROUP, Left, Right, Sums, View, add_transposed, columns_a_task, columns_of, pack, packed_len, product, tiles,
    zeros,
};
use crate::backend::lanes::{self, Lanes};
use ndarray::Axis;
use pulp::{Arch, Scalar, Scalar512b, Simd, WithSimd};

/// Small whole numbers: every sum is exact, so the product must be too.
fn numbers(count: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0).collect()
}

#[test]
fn products_replace_the_columns_that_count_and_nothing_else() {
    for (rows, cols, inner) in [
        (1, 64, 13),
        (1, 5, 4),
        (2, 5, 4),
        (33, 1, 7),
        (17, 20, 1),
        (40, 50, 60),
        (9, 35, 1100),
    ] {
        for form in [Form::Plain, Form::RightTransposed, Form::LeftTransposed] {
            let (a_rows, a_cols) = if form == Form::LeftTransposed {
                (inner, rows)
            } else {
                (rows, inner)
            };
            let (b_rows, b_cols) = if form == Form::RightTransposed {
                (cols, inner)
            } else {
                (inner, cols)
            };
            let (a, b) = (numbers(a_rows * (a_cols + 2)), numbers(b_rows * (b_cols + 3)));
            let stride = cols + 1;
            let mut out = vec![0.5; rows * stride];
            let a_view = View::rows_of(&a, 0..a_rows, a_cols, a_cols + 2);
            let b_view = View::rows_of(&b, 0..b_rows, b_cols, b_cols + 3);
            product(columns_of(&mut out, cols, stride), form, a_view, b_view);
            for (at, &value) in out.iter().enumerate() {
                let (i, j) = (at / stride, at % stride);
                let term = |k: usize| {
                    let a = if form == Form::LeftTransposed {
                        a[k * (a_cols + 2) + i]
                    } else {
                        a[i * (a_cols + 2) + k]
                    };
                    let b = if form == Form::RightTransposed {
                        b[j * (b_cols + 3) + k]
                    } else {
                        b[k * (b_cols + 3) + j]
                    };
                    a * b
                };
                let expected = if j == cols { 0.5 } else { (0..inner).map(term).sum() };
                assert_eq!(value, expected, "{form:?} {rows} × {cols} × {inner} at {i}, {j}");
            }
        }
    }
}

/// A left matrix with blocks of many zeros beside blocks of none: the rows of every second group of every second 64 terms.
fn with_zeros(rows: usize, inner: usize) -> Vec<f32> {
    let number = |at: usize| {
        let (row, k) = (at / inner, at % inner);
        let drawn = (at as u32).wrapping_mul(2_654_435_761) >> 9;
        let many = (row / GROUP + k / 64).is_multiple_of(2);
        let zero = if many {
            drawn % 16 < 11
        } else {
            drawn.is_multiple_of(16)
        };
        if zero { 0.0 } else { drawn as f32 / 1e6 - 4.0 }
    };
    (0..rows * inner).map(number).collect()
}

/// A product by each of the ways, and by its slow twin.
struct Ways<'a> {
    /// (rows, inner, cols)
    shape: (usize, usize, usize),
    left: Left<'a, f32>,
    right: Right<'a, f32>,
    /// (inner, cols): the right matrix as it is
    b: &'a [f32],
}

/// Which terms of a sum are added, and in which order.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// All, in ascending order.
    Ascending,
    /// Of every 8 rows and 64 terms that have few numbers: those that no row of a pair leaves out, then the row's others.
    Pairs,
}

impl Ways<'_> {
    fn number(&self, row: usize, k: usize) -> f32 {
        self.left.from(row, k)[0]
    }

    fn terms(&self, order: Order, row: usize) -> Vec<usize> {
        let (rows, inner, _) = self.shape;
        let group = row / GROUP * GROUP..rows.min((row / GROUP + 1) * GROUP);
        let block = |from: usize| {
            let terms = from..inner.min(from + 64);
            let not_zero = |row: usize, k: &usize| self.number(row, *k) != 0.0;
            let count: usize = group
                .clone()
                .map(|row| terms.clone().filter(|k| not_zero(row, k)).count())
                .sum();
            if matches!(order, Order::Ascending) || 8 * count > 5 * group.len() * terms.len() {
                return terms.collect::<Vec<_>>();
            }
            let other = if group.contains(&(row ^ 1)) { row ^ 1 } else { row };
            let (both, own): (Vec<_>, Vec<_>) = terms.filter(|k| not_zero(row, k)).partition(|k| not_zero(other, k));
            [both, own].concat()
        };
        (0..inner).step_by(64).flat_map(block).collect()
    }

    /// Sum by sum, term by term.
    fn twin<S: Simd>(&self, simd: S, order: Order, out: &mut [f32], stride: usize) {
        let (rows, _, cols) = self.shape;
        for row in 0..rows {
            let terms = self.terms(order, row);
            for col in 0..cols {
                let mut sum = f32::splat(simd, 0.0);
                for &k in &terms {
                    let factors = [self.number(row, k), self.b[k * cols + col]].map(|x| f32::splat(simd, x));
                    sum = <f32 as Lanes>::mul_add(simd, factors[0], factors[1], sum);
                }
                let mut lanes = [0.0; lanes::MOST];
                f32::store(simd, &mut lanes, sum);
                out[row * stride + col] = lanes[0];
            }
        }
    }
}

impl WithSimd for &Ways<'_> {
    /// Tiles, their twin; zeros left out, their twin.
    type Output = [Vec<u32>; 4];

    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let (rows, inner, cols) = self.shape;
        let stride = cols + 3;
        let mut outs = std::array::from_fn(|_| vec![0.5f32; rows * stride]);
        for (way, out) in outs.iter_mut().enumerate() {
            let sums = Sums {
                out: columns_of(out, cols, stride),
                inner,
                begin: true,
            };
            let (left, right) = (self.left, self.right);
            match way {
                0 => tiles::Multiply { sums, left, right }.with_simd(simd),
                2 => {
                    let scratch = &mut vec![f32::NAN; zeros::scratch_len(&sums)];
                    let multiply = zeros::Multiply {
                        sums,
                        left,
                        right,
                        scratch,
                    };
                    multiply.with_simd(simd);
                }
                1 => self.twin(simd, Order::Ascending, out, stride),
                _ => self.twin(simd, Order::Pairs, out, stride),
            }
        }
        outs.map(|out| out.into_iter().map(f32::to_bits).collect())
    }
}

#[test]
fn tiles_and_zeros_left_out_have_the_bits_of_their_twins() {
    for (rows, inner, cols) in [
        (8, 64, 64),
        (13, 100, 131),
        (150, 77, 70),
        (40, 600, 367),
        (270, 530, 40),
        (1, 65, 300),
    ] {
        let row_major = with_zeros(rows, inner);
        let columns: Vec<f32> = (0..rows * inner)
            .map(|at| row_major[at % rows * inner + at / rows])
            .collect();
        let lefts = [Left::new(&row_major, inner, 1), Left::new(&columns, 1, rows)];
        let b: Vec<f32> = numbers(inner * cols).into_iter().map(|x| x as f32 / 3.0).collect();
        let transposed: Vec<f32> = (0..inner * cols).map(|at| b[at % inner * cols + at / inner]).collect();
        let mut panels = vec![0.0; packed_len(cols, inner)];
        pack(&mut panels, View::rows_of(&transposed, 0..cols, inner, inner));
        for (l, left) in lefts.into_iter().enumerate() {
            for (r, right) in [Right::Rows(&b, cols), Right::Panels(&panels)].into_iter().enumerate() {
                let shape = (rows, inner, cols);
                let ways = Ways {
                    shape,
                    left,
                    right,
                    b: &b,
                };
                // A machine's vectors, long ones, and one number a vector: without a fused multiply-add the bits are others.
                let machines = [
                    Arch::new().dispatch(&ways),
                    ways.with_simd(Scalar512b),
                    ways.with_simd(Scalar),
                ];
                for (machine, [tiles, ascending, zeros, pairs]) in machines.into_iter().enumerate() {
                    let what = format!("machine {machine}, left {l}, right {r} of {rows} × {inner} × {cols}");
                    assert!(tiles == ascending, "tiles: {what}");
                    assert!(zeros == pairs, "zeros: {what}");
                }
            }
        }
    }
}

#[test]
fn a_long_product_in_parts_has_the_same_bits() {
    for (rows, inner, cols) in [(64, 300, 16), (40, 600, 80), (8, 100, 64), (13, 70, 5), (5, 30, 64)] {
        let (a, stride) = (with_zeros(inner, rows), cols + 3);
        // In the last term 0·∞, which is 0 where it is left out and no number where it is added.
        let last = cols * (inner - 1);
        let number = |at| if at < last { at as f32 / 7.0 } else { f32::INFINITY };
        let b: Vec<f32> = (0..inner * cols).map(number).collect();
        let part = |terms: std::ops::Range<usize>| {
            let a = View::rows_of(&a, terms.clone(), rows, rows);
            (a, View::rows_of(&b, terms, cols, cols))
        };
        let mut whole = vec![0.5; rows * stride];
        let (left, right) = part(0..inner);
        product(columns_of(&mut whole, cols, stride), Form::LeftTransposed, left, right);
        for step in [64, 128] {
            let mut sums = vec![0.5; rows * stride];
            for first in (0..inner).step_by(step) {
                let (left, right) = part(first..inner.min(first + step));
                let out = columns_of(&mut sums, cols, stride);
                match first {
                    0 => product(out, Form::LeftTransposed, left, right),
                    _ => add_transposed(out, left, right),
                }
            }
            let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(
                bits(&sums),
                bits(&whole),
                "{rows} × {cols} × {inner} in parts of {step} terms"
            );
        }
    }
}

#[test]
fn zeros_are_left_out_where_they_are_many() {
    let infinite = vec![f32::INFINITY; 64 * 64];
    let sum = |not_zero: usize| {
        let left: Vec<f32> = (0..8 * 64).map(|at| if at < not_zero { 1.0 } else { 0.0 }).collect();
        let mut out = vec![0.0; 8 * 64];
        let (a, b) = (
            View::rows_of(&left, 0..8, 64, 64),
            View::rows_of(&infinite, 0..64, 64, 64),
        );
        product(columns_of(&mut out, 64, 64), Form::Plain, a, b);
        out[7 * 64] // of a row that is all zeros in either case
    };
    assert_eq!(sum(8 * 64 * 5 / 8), 0.0);
    assert!(sum(8 * 64 * 5 / 8 + 1).is_nan(), "0·∞ is no number in a tile");
}

#[test]
fn rows_cut_in_groups_have_the_same_bits() {
    let (rows, inner, cols) = (96, 200, 90);
    let left = with_zeros(rows, inner);
    // Sums that end in −0 where a zero's term is left out, and in 0 where it is added.
    let right: Vec<f32> = (0..inner * cols)
        .map(|at| if at % 2 == 0 { -1e-45 } else { 1e-45 })
        .collect();
    let right = View::rows_of(&right, 0..inner, cols, cols);
    let whole = cut_in(rows, &left, right, rows);
    for part in [8, 16, 40] {
        assert_eq!(cut_in(rows, &left, right, part), whole, "in parts of {part} rows");
    }
}

#[test]
fn columns_cut_as_tasks_have_the_same_bits() {
    let (rows, inner) = (24, 200);
    let left = with_zeros(rows, inner);
    for cols in [64, 96, 100, 128, 130, 256, 300, 512, 1000] {
        // In the last term 0·∞, as above.
        let number = |at| {
            if at % inner < inner - 1 {
                at as f32 / 7.0
            } else {
                f32::INFINITY
            }
        };
        let right: Vec<f32> = (0..cols * inner).map(number).collect();
        let cut_for = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let width = pool.install(|| columns_a_task(rows, cols)).unwrap_or(cols);
            let mut out = vec![0f32; rows * cols];
            for (i, out) in columns_of(&mut out, cols, cols)
                .axis_chunks_iter_mut(Axis(1), width)
                .enumerate()
            {
                let of = i * width..cols.min((i + 1) * width);
                let a = View::rows_of(&left, 0..rows, inner, inner);
                product(out, Form::RightTransposed, a, View::rows_of(&right, of, inner, inner));
            }
            (width, out.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        let (whole, bits) = cut_for(1);
        assert_eq!(whole, cols.next_multiple_of(super::PANEL));
        for threads in [2, 3, 4, 7, 8, 16] {
            let (width, same) = cut_for(threads);
            assert!(
                same == bits,
                "{cols} columns in parts of {width}, for {threads} threads"
            );
        }
    }
    assert_eq!(columns_a_task(1, 0), None);
}

/// The bits of a product in parts of `part` rows.
fn cut_in(rows: usize, left: &[f32], right: View<'_, f32>, part: usize) -> Vec<u32> {
    let mut out = vec![0.0; rows * right.cols];
    for (i, out) in out.chunks_mut(part * right.cols).enumerate() {
        let range = i * part..rows.min((i + 1) * part);
        let left = View::rows_of(left, range, right.rows, right.rows);
        product(columns_of(out, right.cols, right.cols), Form::Plain, left, right);
    }
    out.into_iter().map(f32::to_bits).collect()
}
