//! The leading singular values of a product with what their velocities are made of.

use crate::spectrum::table::Factor;
use crate::spectrum::{self, SpectrumError};
use crate::theory::error::{TheoryError, finite};
use crate::theory::number::Matrix;
use faer::MatMut;
use ndarray::Array2;
use std::ops::Range;

/// Rows of the first factor that are read at a time: its f64 copy stays small.
const BLOCK: usize = 4096;

/// A gap below this multiple of ‖W₁‖_F⋯‖W_N‖_F counts as none: √ε = 2⁻²⁶. Singular vectors err by about ε·∏‖Wⱼ‖/gap, so above
/// it a velocity has at least its first seven digits (docs/tolerances.md).
pub const LEAST_GAP: f64 = 1.4901161193847656e-8;

/// The rows of G = ∂L/∂W that are not zero: those whose category is in the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient {
    /// Row numbers in the table, each once.
    pub rows: Vec<usize>,
    /// (`rows.len()`×d).
    pub values: Matrix<f64>,
}

impl Gradient {
    /// The rows of a whole G (n×d) that are not zero.
    pub fn of(whole: &Matrix<f64>) -> Self {
        let rows: Vec<usize> = (0..whole.nrows())
            .filter(|&row| whole.row(row).iter().any(|&x| x != 0.0))
            .collect();
        let values = whole.select_rows(&rows);
        Self { rows, values }
    }
}

/// One singular value and how it moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Velocity {
    /// σ_r.
    pub sigma: f64,
    /// The distance from σ_r to the nearest other singular value or to 0.
    pub gap: f64,
    /// σ̇_r by E5; none where σ_r is not simple or is zero as far as f64 can tell ([`LEAST_GAP`]), or beyond f64.
    pub general: Option<f64>,
    /// σ̇_r by Eq. 6, right for balanced factors; none where `general` is.
    pub balanced: Option<f64>,
}

/// Why there is no velocity.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VelocityError {
    /// The factors have no spectrum.
    #[error(transparent)]
    Spectrum(#[from] SpectrumError),
    /// The gradient is not finite or does not fit.
    #[error(transparent)]
    Theory(#[from] TheoryError),
    /// The gradient names a row that the table has not.
    #[error("the gradient has a row {row}, but `{tensor}` has {rows} rows")]
    Row {
        /// The row.
        row: usize,
        /// The first factor.
        tensor: String,
        /// n.
        rows: usize,
    },
}

/// The leading singular values of a product and what its velocities are made of; the product itself is never formed.
#[derive(Debug, Clone)]
pub struct Leading {
    /// σ_r, descending: at most `count`.
    pub sigma: Vec<f64>,
    /// The distance of each to the nearest other one or to 0.
    pub gaps: Vec<f64>,
    /// v_r (d×count).
    pub right: Matrix<f64>,
    /// W₂⋯W_N·v_r (k×count); v_r itself for N = 1.
    pub inner: Matrix<f64>,
    /// W₁ᵀ·u_r (k×count); columns of singular values that have no velocity are zero.
    pub left: Matrix<f64>,
    /// ‖W₁‖_F⋯‖W_N‖_F.
    pub scale: f64,
    /// W₂ … W_N.
    pub further: Vec<Matrix<f64>>,
}

impl Leading {
    /// The `count` leading singular values of the product of the factors, with their vectors; fewer where min(n, d) is less.
    ///
    /// # Errors
    /// [`SpectrumError`].
    pub fn of(factors: &[Factor], count: usize) -> Result<Self, SpectrumError> {
        let spectrum::Leading { sigma, v } = spectrum::leading(factors, count.saturating_add(1))?;
        let count = count.min(sigma.len());
        let right = Matrix::from_fn(v.nrows(), count, |i, j| v[(i, j)]);
        let further: Vec<Matrix<f64>> = factors[1..]
            .iter()
            .map(|factor| read(factor, 0..factor.rows()))
            .collect();
        let inner = further.iter().rev().fold(right.clone(), |v, factor| factor * v);
        let mut left = Matrix::zeros(inner.nrows(), count);
        let mut squares = 0.0;
        for rows in blocks(factors[0].rows()) {
            let block = read(&factors[0], rows);
            squares += block.norm_squared();
            left += block.tr_mul(&(&block * &inner));
        }
        let scale = squares.sqrt() * further.iter().map(|factor| factor.norm()).product::<f64>();
        let gaps = gaps(&sigma, count);
        for (r, mut column) in left.column_iter_mut().enumerate() {
            let unit = if gaps[r] > LEAST_GAP * scale {
                1.0 / sigma[r]
            } else {
                0.0
            };
            column *= unit;
        }
        Ok(Self {
            sigma: sigma[..count].to_vec(),
            gaps,
            right,
            inner,
            left,
            scale,
            further,
        })
    }

    /// Whether σ_r is simple and not zero, as far as f64 can tell.
    pub fn separated(&self, r: usize) -> bool {
        self.gaps[r] > LEAST_GAP * self.scale // not >=, or the zero matrix would have velocities
    }

    /// The rows of the gradient as [`Leading::velocities`] needs them: W₁ and G on these rows.
    ///
    /// # Errors
    /// [`VelocityError`]: shapes, entries that are not finite, rows beyond the table.
    pub fn rows(&self, first: &Factor, gradient: &Gradient) -> Result<Rows, VelocityError> {
        let (d, n) = (self.right.nrows(), first.rows());
        if gradient.values.shape() != (gradient.rows.len(), d) {
            return Err(VelocityError::Theory(TheoryError::Shapes {
                left: "G".into(),
                left_rows: gradient.values.nrows(),
                left_cols: gradient.values.ncols(),
                right: "its rows of W".into(),
                right_rows: gradient.rows.len(),
                right_cols: d,
            }));
        }
        if let Some(&row) = gradient.rows.iter().find(|&&row| row >= n) {
            let tensor = first.name.clone();
            return Err(VelocityError::Row { row, tensor, rows: n });
        }
        if !gradient.rows.is_empty() {
            finite("G", &gradient.values)?;
        }
        let selected = first.select_rows(&gradient.rows);
        Ok(Rows {
            first: read(&selected, 0..selected.rows()),
            gradient: gradient.values.clone(),
        })
    }

    /// E5 and Eq. 6 for every singular value.
    pub fn velocities(&self, rows: &Rows) -> Vec<Velocity> {
        let projected = rows.first.tr_mul(&rows.gradient); // W₁ᵀG (k×d)
        let velocity = |r: usize| {
            let (along, general) = self.separated(r).then(|| self.directions(r, rows, &projected))?;
            let depth = self.further.len() as f64 + 1.0;
            let balanced = depth * self.sigma[r].powf(2.0 - 2.0 / depth) * along;
            (general.is_finite() && balanced.is_finite()).then_some((-general, -balanced))
        };
        (0..self.sigma.len())
            .map(|r| {
                let (general, balanced) = velocity(r).unzip();
                Velocity {
                    sigma: self.sigma[r],
                    gap: self.gaps[r],
                    general,
                    balanced,
                }
            })
            .collect()
    }

    /// `u_rᵀGv_r` and `u_rᵀ·(Σⱼ AⱼAⱼᵀ·G·BⱼᵀBⱼ)·v_r`.
    fn directions(&self, r: usize, rows: &Rows, projected: &Matrix<f64>) -> (f64, f64) {
        let v = self.right.column(r);
        let u = &rows.first * self.inner.column(r) / self.sigma[r]; // on the rows of the gradient; elsewhere G is zero
        let from_left = rows.gradient.tr_mul(&u); // Gᵀu_r (d)
        let along = from_left.dot(&v);
        let mut sum = 0.0;
        for j in 0..=self.further.len() {
            let behind = &self.further[j..]; // W_{j+2}…W_N, counted from 1: Bⱼ of the (j+1)-th factor
            let image = behind.iter().rev().fold(v.into_owned(), |x, factor| factor * x);
            let right = behind.iter().fold(image, |x, factor| factor.tr_mul(&x)); // BᵀB·v_r
            let left = match j {
                0 => from_left.clone(),
                _ => {
                    let between = &self.further[..j - 1]; // W₂…, between the first factor and this one
                    let down = between
                        .iter()
                        .fold(self.left.column(r).into_owned(), |x, factor| factor.tr_mul(&x));
                    let up = between.iter().rev().fold(down, |x, factor| factor * x);
                    projected.tr_mul(&up) // Gᵀ·A·Aᵀ·u_r
                }
            };
            sum += left.dot(&right);
        }
        (along, sum)
    }
}

/// W₁ and G on the rows where G is not zero.
#[derive(Debug, Clone)]
pub struct Rows {
    /// (rows×k).
    pub first: Matrix<f64>,
    /// (rows×d).
    pub gradient: Matrix<f64>,
}

/// E5 and Eq. 6 for the `count` leading singular values of the product of `factors` (W₁ n×k, …, W_N k×d), G given by its rows
/// that are not zero. No n×d matrix is formed.
///
/// # Errors
/// [`VelocityError`]: factors or gradient that do not fit or are not finite.
pub fn velocities(factors: &[Factor], gradient: &Gradient, count: usize) -> Result<Vec<Velocity>, VelocityError> {
    let leading = Leading::of(factors, count)?;
    let rows = leading.rows(&factors[0], gradient)?;
    Ok(leading.velocities(&rows))
}

/// Factors `W1`, `W2`, … of plain matrices.
pub fn factors(matrices: &[Matrix<f64>]) -> Vec<Factor> {
    let factor = |(index, matrix): (usize, &Matrix<f64>)| {
        let values = Array2::from_shape_fn(matrix.shape(), |at| matrix[at]);
        Factor::f64(format!("W{}", index + 1), values)
    };
    matrices.iter().enumerate().map(factor).collect()
}

/// Rows of a factor as f64.
pub(crate) fn read(factor: &Factor, rows: Range<usize>) -> Matrix<f64> {
    let (count, cols) = (rows.len(), factor.cols());
    let mut out = Matrix::zeros(count, cols);
    let view = MatMut::from_column_major_slice_mut(out.as_mut_slice(), count, cols);
    factor.read_rows(rows, 1.0, view);
    out
}

/// All rows of a table, a block at a time.
pub(crate) fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows)
        .step_by(BLOCK)
        .map(move |first| first..(first + BLOCK).min(rows))
}

/// The distance of each of the first `count` values to its neighbours and to 0.
fn gaps(sigma: &[f64], count: usize) -> Vec<f64> {
    let gap = |r: usize| {
        let above = r.checked_sub(1).map_or(f64::INFINITY, |above| sigma[above] - sigma[r]);
        let below = sigma[r] - sigma.get(r + 1).copied().unwrap_or(0.0);
        above.min(below).min(sigma[r])
    };
    (0..count).map(gap).collect()
}
