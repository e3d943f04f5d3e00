//! Every table's factors multiplied into one table: W = W1·W2⋯WN, products in f64, stored as f32.

use super::error::TrainError;
use crate::model::architecture::collapsed_name;
use crate::model::checkpoint::{self, Checkpoint, CheckpointError, Metadata, Tensor};
use ndarray::{Array2, ArrayView2, Axis};
use std::path::Path;

/// What a collapse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collapsed {
    /// Number of tables.
    pub tables: usize,
    /// Bytes of all factors.
    pub bytes_before: u64,
    /// Bytes of all tables.
    pub bytes_after: u64,
}

/// Rows multiplied at a time: the f64 copies stay small.
const ROWS: usize = 4096;

/// W1·(W2⋯WN) in f64, rounded once to f32: (n, k), (k, k)…, (k, d) → (n, d).
pub fn end_to_end(factors: &[Array2<f32>]) -> Array2<f32> {
    let Some((first, further)) = factors.split_first() else {
        return Array2::zeros((0, 0));
    };
    let mut further = further.iter().map(|factor| factor.mapv(f64::from));
    let Some(second) = further.next() else {
        return first.clone();
    };
    let right = further.fold(second, |product, factor| product.dot(&factor));
    let mut table = Array2::zeros((first.nrows(), right.ncols()));
    let blocks = first
        .axis_chunks_iter(Axis(0), ROWS)
        .zip(table.axis_chunks_iter_mut(Axis(0), ROWS));
    for (rows, mut out) in blocks {
        out.assign(&multiply(rows, &right));
    }
    table
}

fn multiply(rows: ArrayView2<'_, f32>, right: &Array2<f64>) -> Array2<f32> {
    rows.mapv(f64::from).dot(right).mapv(|value| value as f32)
}

/// Reads the factors of a feature, in the order of the product.
pub fn read_factors(checkpoint: &Checkpoint, feature: &str) -> Result<Vec<Array2<f32>>, CheckpointError> {
    let tensors = checkpoint.tensors()?;
    let names = (0..).map(|index| crate::model::architecture::factor_name(feature, index));
    let mut factors = Vec::new();
    for name in names.take_while(|name| tensors.tensor(name).is_ok()) {
        let problem = |message: String| CheckpointError::Tensor {
            path: checkpoint.path().into(),
            tensor: name.clone(),
            message,
        };
        let shape = tensors
            .tensor(&name)
            .map_err(|error| problem(error.to_string()))?
            .shape()
            .to_vec();
        let [rows, cols] = shape[..] else {
            return Err(problem(format!("expected a matrix, found {shape:?}")));
        };
        let values = checkpoint.read(&name, &shape)?;
        factors.push(Array2::from_shape_vec((rows, cols), values).map_err(|error| problem(error.to_string()))?);
    }
    let chained = factors.windows(2).all(|pair| pair[0].ncols() == pair[1].nrows());
    if factors.is_empty() || !chained {
        return Err(CheckpointError::Tensor {
            path: checkpoint.path().into(),
            tensor: format!("embedding.{feature}.factor.*"),
            message: "there are no factors that chain to a product".into(),
        });
    }
    Ok(factors)
}

/// Collapses the checkpoint `from` into the model `to`: the MLPs unchanged, one table a feature. Tables are made one at a
/// time, while they are written.
pub fn collapse(from: &Path, to: &Path) -> Result<Collapsed, TrainError> {
    let checkpoint = Checkpoint::open(from)?;
    let metadata = checkpoint.metadata()?;
    if metadata.collapsed {
        return Err(TrainError::AlreadyCollapsed(from.into()));
    }
    let tensors = checkpoint.tensors()?;
    let (mut out, mut bytes) = (Vec::new(), (0, 0));
    for (name, view) in tensors
        .iter()
        .filter(|(name, _)| name.contains("_mlp.") && !name.starts_with("optimizer."))
    {
        let (values, shape) = (checkpoint.read(name, view.shape())?, view.shape().to_vec());
        let values = Box::new(move || Ok(values.clone()));
        let name = name.to_string();
        out.push(Tensor { name, shape, values });
    }
    for feature in &metadata.features {
        let shapes: Vec<_> = read_shapes(&checkpoint, feature)?;
        bytes.0 += shapes.iter().map(|shape| 4 * (shape[0] * shape[1]) as u64).sum::<u64>();
        let shape = vec![shapes[0][0], shapes[shapes.len() - 1][1]];
        bytes.1 += 4 * (shape[0] * shape[1]) as u64;
        let checkpoint = &checkpoint;
        out.push(Tensor::<TrainError> {
            name: collapsed_name(feature),
            shape,
            values: Box::new(move || {
                let factors = read_factors(checkpoint, feature)?;
                Ok(end_to_end(&factors).into_raw_vec_and_offset().0)
            }),
        });
    }
    let mut config = metadata.config.clone();
    (config.model.inner_dim, config.model.depth) = (None, None);
    let collapsed = Metadata {
        config,
        collapsed: true,
        ..metadata.clone()
    };
    checkpoint::write(to, &collapsed, out)?;
    Ok(Collapsed {
        tables: metadata.features.len(),
        bytes_before: bytes.0,
        bytes_after: bytes.1,
    })
}

/// Shapes of a feature's factors, without their numbers.
fn read_shapes(checkpoint: &Checkpoint, feature: &str) -> Result<Vec<Vec<usize>>, CheckpointError> {
    let tensors = checkpoint.tensors()?;
    let names = (0..).map(|index| crate::model::architecture::factor_name(feature, index));
    let views = names.map_while(|name| tensors.tensor(&name).ok());
    let shapes: Vec<Vec<usize>> = views.map(|view| view.shape().to_vec()).collect();
    if shapes.is_empty() || shapes.iter().any(|shape| shape.len() != 2) {
        return Err(CheckpointError::Tensor {
            path: checkpoint.path().into(),
            tensor: format!("embedding.{feature}.factor.*"),
            message: "there are no factors that chain to a product".into(),
        });
    }
    Ok(shapes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn products_are_rounded_once() {
        let big = 1e8f32;
        let factors = [array![[big, 1.0, -big]], array![[1.0f32], [1.0], [1.0]]];
        assert_eq!(end_to_end(&factors), array![[1.0f32]]); // in f32 the 1 would be lost
    }

    #[test]
    fn three_factors_multiply_in_order() {
        let factors = [
            array![[1.0f32, 2.0]],
            array![[0.0f32, 1.0], [1.0, 0.0]],
            array![[3.0f32], [5.0]],
        ];
        assert_eq!(end_to_end(&factors), array![[11.0f32]]);
    }
}
