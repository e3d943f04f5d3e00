//! Parts that do not belong together, and files that lie.

use std::path::Path;

use mlet::spectrum::partial::{Partial, PartialError};
use mlet::spectrum::sources::Source;
use mlet::spectrum::table::{Factor, Float, Table};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{factor, numbers};

fn part(name: &str, tables: Vec<Table>) -> Partial {
    Partial::of(&Source {
        name: name.into(),
        path: name.into(),
        tables,
        left_out: Vec::new(),
    })
    .unwrap()
}

fn table(name: &str, seed: u64) -> Table {
    Table::new(name, vec![factor(&numbers(20, 3, seed), Float::F32)])
}

fn product(seed: u64, last: u64) -> Table {
    Table::new(
        "t",
        vec![
            table("", seed).factors[0].clone(),
            factor(&numbers(3, 3, last), Float::F32),
        ],
    )
}

/// Merging the two fails with all of these words.
fn refused(a: Partial, b: Partial, words: &[&str]) {
    let folder = TempDir::new().unwrap();
    let paths = [folder.path().join("a.partial"), folder.path().join("b.partial")];
    a.write(&paths[0]).unwrap();
    b.write(&paths[1]).unwrap();
    for paths in [paths.clone(), [paths[1].clone(), paths[0].clone()]] {
        let message = Partial::merge(&paths).unwrap_err().to_string();
        assert!(message.contains(".partial"), "{message}");
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}

#[test]
fn parts_that_do_not_fit() {
    let one = || part("a", vec![table("t", 1)]);
    let narrow = Factor::f32("w", ndarray::Array2::ones((5, 2)));
    refused(
        one(),
        part("b", vec![Table::new("t", vec![narrow])]),
        &["`t`", "columns"],
    );
    refused(one(), part("b", vec![table("u", 2)]), &["missing"]);
    refused(
        one(),
        part("b", vec![table("t", 2), table("u", 2)]),
        &["`u`", "missing"],
    );
    let half = Table::new("t", vec![factor(&numbers(5, 3, 2), Float::F16)]);
    refused(one(), part("b", vec![half]), &["`t`", "spacing"]);
    refused(
        part("a", vec![product(1, 5)]),
        part("b", vec![product(2, 6)]),
        &["`t`", "factors"],
    );
    refused(one(), part("b", vec![product(2, 5)]), &["`t`", "factors"]);
    refused(one(), one(), &["twice"]);
}

#[test]
fn a_part_given_twice_is_found_inside_of_a_sum() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, seed) in [("a", 1), ("b", 2)] {
        part(name, vec![table("t", seed)]).write(&path(name)).unwrap();
    }
    Partial::merge(&[path("a"), path("b")])
        .unwrap()
        .write(&path("sum"))
        .unwrap();
    let error = Partial::merge(&[path("sum"), path("b")]).unwrap_err();
    assert!(matches!(error, PartialError::Twice { .. }), "{error}");
    // Equal rows out of files of different names are two parts.
    part("c", vec![table("t", 2)]).write(&path("c")).unwrap();
    assert_eq!(
        Partial::merge(&[path("sum"), path("c")]).unwrap().tables[0].gram.rows,
        60
    );
}

#[test]
fn a_table_that_failed_in_one_part_is_not_half_of_itself() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let bad = Table::new(
        "u",
        vec![Factor::f32("u", ndarray::array![[1.0, f32::NAN], [0.0, 1.0]])],
    );
    let good = Table::new("u", vec![Factor::f32("u", ndarray::array![[1.0, 2.0], [0.0, 1.0]])]);
    part("a", vec![table("t", 1), bad]).write(&path("a")).unwrap();
    part("b", vec![table("t", 2), good]).write(&path("b")).unwrap();
    for order in [["a", "b"], ["b", "a"]] {
        let sum = Partial::merge(&order.map(path)).unwrap();
        assert_eq!(sum.tables.len(), 1);
        assert_eq!(sum.failed.len(), 1);
        assert!(sum.failed[0].reason.contains("row 0, column 1"), "{:?}", sum.failed);
    }
}

/// Arrays as they lie in a file.
type Arrays = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

/// The file with its header and arrays changed; none of the arrays keeps its hash.
fn changed(path: &Path, change: impl FnOnce(&mut Value, &mut Arrays)) -> PartialError {
    let bytes = std::fs::read(path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut header: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["mlet"]).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut arrays: Arrays = (tensors.iter())
        .map(|(name, view)| {
            (
                name.to_string(),
                view.dtype(),
                view.shape().to_vec(),
                view.data().to_vec(),
            )
        })
        .collect();
    change(&mut header, &mut arrays);
    let views = arrays
        .iter()
        .map(|(n, t, s, b)| (n.as_str(), TensorView::new(*t, s.clone(), b).unwrap()));
    let metadata = std::collections::HashMap::from([("mlet".to_string(), header.to_string())]);
    let lie = path.with_extension("lie");
    std::fs::write(&lie, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    Partial::read(&lie).unwrap_err()
}

#[test]
fn files_that_lie_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.partial");
    part("a", vec![product(1, 5)]).write(&path).unwrap();
    assert!(Partial::read(&path).is_ok());
    let refuse = |words: &str, change: &dyn Fn(&mut Value, &mut Arrays)| {
        let message = changed(&path, change).to_string();
        assert!(
            message.contains(words) && message.contains("a.lie"),
            "{words}: {message}"
        );
    };
    fn gram(arrays: &mut Arrays) -> &mut (String, Dtype, Vec<usize>, Vec<u8>) {
        arrays.iter_mut().find(|array| array.0 == "gram.0").unwrap()
    }
    refuse("version 2", &|header, _| header["version"] = json!(2));
    refuse("not a file of", &|header, _| header["format"] = json!("x"));
    refuse("not a file of", &|header, _| header["tables"] = json!(7));
    refuse("not a file of", &|header, _| header["surprise"] = json!(7));
    refuse("in order", &|header, _| header["parts"] = json!([]));
    refuse("in order", &|header, _| header["parts"] = json!(["a", "a"]));
    refuse("4 columns", &|header, _| header["tables"][0]["cols"] = json!(4));
    refuse("columns", &|header, _| header["tables"][0]["cols"] = json!(u64::MAX));
    refuse("exponent", &|header, _| {
        header["tables"][0]["exponent"] = json!(1i64 << 40)
    });
    refuse("spacing", &|header, _| header["tables"][0]["epsilon"] = json!(0.5));
    refuse("no row", &|header, _| header["tables"][0]["rows"] = json!(0));
    refuse("no table", &|_, arrays| {
        arrays.push(("x".into(), Dtype::U8, vec![1], vec![0]))
    });
    refuse("negative", &|_, arrays| {
        let (_, _, shape, bytes) = gram(arrays);
        bytes[shape[1] - 1] = 0x80;
    });
    refuse("such products", &|_, arrays| {
        let (_, _, shape, bytes) = gram(arrays);
        let width = shape[1];
        bytes[2 * width - 1] = 0x7f;
    });
    refuse("wider", &|_, arrays| {
        let (_, _, shape, bytes) = gram(arrays);
        let wider = bytes.chunks(shape[1]).flat_map(|entry| {
            let sign = if entry[entry.len() - 1] >= 0x80 { 0xff } else { 0 };
            entry.iter().copied().chain([sign]).collect::<Vec<u8>>()
        });
        *bytes = wider.collect();
        shape[1] += 1;
    });
    refuse("even", &|_, arrays| {
        let (_, _, shape, bytes) = gram(arrays);
        for entry in bytes.chunks_mut(shape[1]) {
            let negative = entry[entry.len() - 1] >= 0x80;
            entry.fill(0);
            entry[0] = if negative { 0 } else { 2 };
        }
    });
    refuse("not finite", &|_, arrays| {
        let factor = arrays.iter_mut().find(|array| array.0 == "factor.0.0").unwrap();
        factor.3[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    refuse("columns", &|_, arrays| {
        let factor = arrays.iter_mut().find(|array| array.0 == "factor.0.0").unwrap();
        (factor.2, factor.3) = (vec![2, 3], factor.3[..24].to_vec());
    });
}

#[test]
fn every_cut_and_every_flipped_byte_is_an_error_or_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.partial");
    part("a", vec![product(1, 5)]).write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for end in 0..bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert!(Partial::read(&path).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        std::fs::write(&path, &other).unwrap();
        let _ = Partial::read(&path); // no panic
    }
}
