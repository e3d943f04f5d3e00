//! The advice in `spectrum.json` and `spectrum.csv`.

use crate::common::{succeed, text};

#[test]
fn advice_is_in_the_report() {
    let directory = tempfile::tempdir().unwrap();
    let (file, out) = (directory.path().join("t.npy"), directory.path().join("out"));
    // Two columns, energies 300·1 and 300·(1/8)²: the first alone keeps 98.46 %.
    let table = ndarray::Array2::from_shape_fn((300, 2), |(i, j)| {
        let sign = if (i >> j) % 2 == 0 { 1.0f32 } else { -1.0 };
        if j == 0 { sign } else { sign / 8.0 }
    });
    ndarray_npy::write_npy(&file, &table).unwrap();
    succeed(&["spectrum", text(&file), "--out", text(&out)]);
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("spectrum.json")).unwrap()).unwrap();
    let advice = json["features"][0]["advice"].as_array().unwrap();
    let of = |key: &str| advice.iter().map(|a| a[key].as_f64().unwrap()).collect::<Vec<f64>>();
    assert_eq!(of("energy"), [0.9, 0.95, 0.99, 0.999]);
    assert_eq!(of("rank"), [1.0, 1.0, 2.0, 2.0]);
    assert_eq!(of("bytes"), [1208.0, 1208.0, 2400.0, 2400.0]);
    assert_eq!(of("bytes_saved"), [1192.0, 1192.0, 0.0, 0.0]);
    let mut reader = csv::Reader::from_path(out.join("spectrum.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let line = reader.records().next().unwrap().unwrap();
    let cell = |name: &str| &line[header.iter().position(|h| h == name).unwrap()];
    assert_eq!((cell("advice_0.9_rank"), cell("advice_0.9_bytes_saved")), ("1", "1192"));
}
