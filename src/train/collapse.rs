//! Every table's factors multiplied into one table: W = W1·W2⋯WN, products in f64, stored as f32.

use super::error::TrainError;
use crate::model::architecture::{collapsed_name, factor_name};
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

/// Names and shapes of a feature's factors, in the order of the product, without their numbers. There is at least one,
/// and they chain: (n, k), (k, k) …, (k, d), with no size of zero.
fn factors_of(checkpoint: &Checkpoint, feature: &str) -> Result<Vec<(String, [usize; 2])>, CheckpointError> {
    let problem = |tensor: String, message: String| CheckpointError::Tensor {
        path: checkpoint.path().into(),
        tensor,
        message,
    };
    let tensors = checkpoint.tensors()?;
    let mut factors: Vec<(String, [usize; 2])> = Vec::new();
    for name in (0..).map(|index| factor_name(feature, index)) {
        let Ok(view) = tensors.tensor(&name) else { break };
        let &[rows, cols] = view.shape() else {
            return Err(problem(name, format!("expected a matrix, found {:?}", view.shape())));
        };
        if rows == 0 || cols == 0 {
            return Err(problem(name, format!("a factor of {rows} × {cols} has no numbers")));
        }
        if let Some((before, [_, inner])) = factors.last()
            && *inner != rows
        {
            let message = format!("its {rows} rows do not follow the {inner} columns of {before}");
            return Err(problem(name, message));
        }
        factors.push((name, [rows, cols]));
    }
    if factors.is_empty() {
        let message = "there are no factors to multiply".into();
        return Err(problem(factor_name(feature, 0), message));
    }
    Ok(factors)
}

/// Reads the factors of a feature, in the order of the product.
///
/// # Errors
/// [`CheckpointError::Tensor`] where there is none, where one is no matrix of f32, or where they do not chain.
pub fn read_factors(checkpoint: &Checkpoint, feature: &str) -> Result<Vec<Array2<f32>>, CheckpointError> {
    let read = |(name, shape): (String, [usize; 2])| {
        let values = checkpoint.read(&name, &shape)?;
        Array2::from_shape_vec(shape, values).map_err(|error| CheckpointError::Tensor {
            path: checkpoint.path().into(),
            tensor: name,
            message: error.to_string(),
        })
    };
    factors_of(checkpoint, feature)?.into_iter().map(read).collect()
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
        // Every shape is checked here, before the first byte is written.
        let shapes: Vec<[usize; 2]> = factors_of(&checkpoint, feature)?
            .into_iter()
            .map(|(_, shape)| shape)
            .collect();
        bytes.0 += shapes.iter().map(|[rows, cols]| 4 * (rows * cols) as u64).sum::<u64>();
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
    config.optimizer.freeze_further_factors = false; // a single layer has none
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

    /// A checkpoint of one feature whose factors have these shapes.
    fn written(path: &Path, shapes: &[Vec<usize>]) {
        let metadata = Metadata {
            config: crate::model::Config::default(),
            step: 0,
            data_sha256: String::new(),
            features: vec!["C1".into()],
            collapsed: false,
        };
        let tensors = shapes.iter().enumerate().map(|(index, shape)| Tensor::<TrainError> {
            name: factor_name("C1", index),
            shape: shape.clone(),
            values: Box::new(|| Ok(vec![1.0; shape.iter().product()])),
        });
        checkpoint::write(path, &metadata, tensors.collect()).unwrap();
    }

    #[test]
    fn factors_that_do_not_chain_are_refused_before_anything_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (
            directory.path().join("run.safetensors"),
            directory.path().join("out.safetensors"),
        );
        for (shapes, said) in [
            (
                vec![vec![5, 3], vec![2, 4]],
                "factor.2: its 2 rows do not follow the 3 columns",
            ),
            (
                vec![vec![5, 3], vec![3, 1, 4]],
                "factor.2: expected a matrix, found [3, 1, 4]",
            ),
            (vec![vec![5, 0], vec![0, 4]], "factor.1: a factor of 5 × 0"),
            (vec![], "factor.1: there are no factors"),
        ] {
            written(&from, &shapes);
            let error = collapse(&from, &to).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("run.safetensors"), "{error}");
            let read = read_factors(&Checkpoint::open(&from).unwrap(), "C1").unwrap_err();
            assert!(read.to_string().contains(said), "{read}");
            assert_eq!(
                std::fs::read_dir(directory.path()).unwrap().count(),
                1,
                "something was written"
            );
        }
        written(&from, &[vec![5, 3], vec![3, 4]]);
        let done = collapse(&from, &to).unwrap();
        assert_eq!((done.tables, done.bytes_before, done.bytes_after), (1, 4 * 27, 4 * 20));
    }
}
