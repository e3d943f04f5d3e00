//! Compressed files of other people's models: the closest product, everything else as it was.

use crate::common::{fail, mlet, succeed, text};
use mlet::spectrum::singular_values;
use mlet::spectrum::table::Factor;
use ndarray::Array2;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Entries in (−1, 1) with 11 significant bits, so that f16 holds them; column j scaled by 2^−j.
fn table(rows: usize, cols: usize) -> Array2<f32> {
    let mut state = 7u64;
    Array2::from_shape_fn((rows, cols), |(_, j)| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((state >> 53) as f32 / 1024.0 - 1.0) / (1u32 << j) as f32
    })
}

fn bytes_of(table: &Array2<f32>, dtype: Dtype) -> Vec<u8> {
    let each = |x: &f32| match dtype {
        Dtype::F16 => half::f16::from_f32(*x).to_le_bytes().to_vec(),
        Dtype::F64 => f64::from(*x).to_le_bytes().to_vec(),
        _ => x.to_le_bytes().to_vec(),
    };
    table.iter().flat_map(each).collect()
}

/// A model with a table, and what is no table.
fn model(directory: &Path, table: &Array2<f32>, dtype: Dtype) -> PathBuf {
    let path = directory.join("model.safetensors");
    let data = bytes_of(table, dtype);
    let rest: Vec<u8> = (0..48).collect();
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).unwrap();
    let tensors = vec![
        ("item_emb.weight", view(dtype, &[table.nrows(), table.ncols()], &data)),
        ("head.weight", view(Dtype::F16, &[4, 6], &rest)),
        ("steps", view(Dtype::I64, &[6], &rest)),
    ];
    let about = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize_to_file(tensors, Some(about), &path).unwrap();
    path
}

fn read(file: &[u8], name: &str) -> Array2<f64> {
    let all = SafeTensors::deserialize(file).unwrap();
    let view = all.tensor(name).unwrap();
    let size = view.data().len() / view.shape().iter().product::<usize>();
    let values = view.data().chunks_exact(size).map(|b| match view.dtype() {
        Dtype::F16 => half::f16::from_le_bytes([b[0], b[1]]).to_f64(),
        Dtype::F32 => f64::from(f32::from_le_bytes(b.try_into().unwrap())),
        _ => f64::from_le_bytes(b.try_into().unwrap()),
    });
    Array2::from_shape_vec((view.shape()[0], view.shape()[1]), values.collect()).unwrap()
}

fn norm(a: &Array2<f64>) -> f64 {
    a.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ‖W − L·R‖_F lies between √(Σ_{i>r} σ²), below which no matrix of rank r gets (Eckart and Young), and that plus what rounding L
/// and R to a type of unit roundoff u can add: u·‖L‖_F·‖R‖_F each, ‖L‖_F ≤ ‖W‖_F and ‖R‖_F = √r; doubled for u² and the vectors.
#[test]
fn the_product_is_the_closest_of_its_rank() {
    for (dtype, u) in [
        (Dtype::F32, 2f64.powi(-24)),
        (Dtype::F16, 2f64.powi(-11)),
        (Dtype::F64, 2f64.powi(-53)),
    ] {
        for rank in [1, 3, 5] {
            let directory = tempfile::tempdir().unwrap();
            let w = table(700, 6);
            let (from, out) = (
                model(directory.path(), &w, dtype),
                directory.path().join("small.safetensors"),
            );
            let ranks = directory.path().join("ranks.toml");
            std::fs::write(&ranks, format!("\"item_emb.weight\" = {rank}\n")).unwrap();
            succeed(&["compress", text(&from), "--rank", text(&ranks), "--out", text(&out)]);
            let (before, after) = (std::fs::read(&from).unwrap(), std::fs::read(&out).unwrap());
            let (l, r) = (
                read(&after, "item_emb.weight.factor.1"),
                read(&after, "item_emb.weight.factor.2"),
            );
            assert_eq!((l.dim(), r.dim()), ((700, rank), (rank, 6)));
            let w = w.mapv(f64::from);
            let error = norm(&(&w - &l.dot(&r)));
            let sigma = singular_values(&[Factor::f64("w", w.clone())]).unwrap();
            let least = sigma[rank..].iter().map(|s| s * s).sum::<f64>().sqrt();
            // The f64 evaluation of `error` and `least`: products of r terms and sums of 4,200 squares, all positive.
            let measuring = 4300.0 * f64::EPSILON * norm(&w);
            let rounding = 2.0 * 2.0 * u * (rank as f64).sqrt() * norm(&w);
            assert!(error >= least - measuring, "{dtype:?} {rank}: {error} below {least}");
            assert!(
                error <= least + rounding + measuring,
                "{dtype:?} {rank}: {error} above {least}"
            );
            // What was said of it is what it is.
            let json = std::fs::read(directory.path().join("small.compress.json")).unwrap();
            let record: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let said = record["tables"][0]["error"].as_f64().unwrap() * norm(&w);
            assert!((said - error).abs() <= measuring, "{said} is not {error}");
            // The rest is as it was.
            let (all, was) = (
                SafeTensors::deserialize(&after).unwrap(),
                SafeTensors::deserialize(&before).unwrap(),
            );
            assert_eq!(all.len(), 4);
            assert_eq!(all.tensor("item_emb.weight.factor.1").unwrap().dtype(), dtype);
            for name in ["head.weight", "steps"] {
                assert_eq!(all.tensor(name).unwrap(), was.tensor(name).unwrap(), "{name}");
            }
            let (_, header) = SafeTensors::read_metadata(&after).unwrap();
            assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
        }
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let directory = tempfile::tempdir().unwrap();
    let from = model(directory.path(), &table(60_000, 6), Dtype::F32);
    let of = |threads: &str| {
        let out = directory.path().join(format!("{threads}.safetensors"));
        let mut command = mlet();
        command.args(["compress", text(&from), "--energy", "0.9", "--out", text(&out)]);
        assert!(
            command
                .env("RAYON_NUM_THREADS", threads)
                .output()
                .unwrap()
                .status
                .success()
        );
        std::fs::read(out).unwrap()
    };
    assert_eq!(of("1"), of("3"));
}

#[test]
fn a_table_not_worth_it_is_kept_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    let w = Array2::from_shape_fn((8, 8), |(i, j)| f32::from(i == j));
    let npy = directory.path().join("emb.npy");
    ndarray_npy::write_npy(&npy, &w).unwrap();
    let out = directory.path().join("out.safetensors");
    let said = succeed(&["compress", text(&npy), "--energy", "0.9", "--out", text(&out)]);
    assert!(said.contains("256 → 256 bytes"), "{said}");
    let file = std::fs::read(&out).unwrap();
    assert_eq!(read(&file, "emb"), w.mapv(f64::from));
}

#[test]
fn what_cannot_be_done_is_said_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let from = model(directory.path(), &table(50, 6), Dtype::F32);
    let (out, ranks) = (at("out.safetensors"), at("ranks.toml"));
    let said = |goal: &[&str], parts: &[&str]| {
        let error = fail(&[&["compress", text(&from), "--out", text(&out)], goal].concat());
        for part in parts {
            assert!(error.contains(part), "{goal:?}: {error}");
        }
        assert!(!out.exists());
    };
    said(&[], &["--energy", "--budget", "--rank"]);
    said(&["--energy", "1.5"], &["above 0 and at most 1"]);
    said(&["--energy", "nan"], &["above 0 and at most 1"]);
    said(&["--energy", "0.9", "--budget", "1MB"], &["cannot be used with"]);
    said(&["--budget", "10 lots"], &["10MB"]);
    said(&["--budget", "100"], &["100 bytes is too small", "224 bytes"]); // (50 + 6)·4
    for (file, parts) in [
        ("other = 2", &["`other`", "item_emb.weight"][..]),
        ("\"item_emb.weight\" = 0", &["no rank 0", "1 to 6"]),
        ("\"item_emb.weight\" = 7", &["no rank 7", "1 to 6"]),
        ("item_emb.weight = 2", &["quotes"]),
        ("\"item_emb.weight\" = 1.5", &["whole number"]),
        ("", &["names no feature"]),
        ("= 3", &["ranks.toml"]),
    ] {
        std::fs::write(&ranks, file).unwrap();
        said(&["--rank", text(&ranks)], parts);
    }
    said(&["--rank", "nowhere.toml"], &["nowhere.toml"]);
    said(
        &["--energy", "0.9", "--data", "d"],
        &["model.safetensors", "not written by mlet", "--data"],
    );
    let error = fail(&["compress", text(&from), "--energy", "0.5", "--out", text(&from)]);
    assert!(error.contains("the model itself"), "{error}");
    std::fs::write(&ranks, "").unwrap();
    let mut bad = table(50, 6);
    bad[(3, 2)] = f32::NAN;
    model(directory.path(), &bad, Dtype::F32);
    said(&["--energy", "0.9"], &["item_emb.weight", "row 3, column 2"]);
    let mut names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["model.safetensors", "ranks.toml"]);
}
