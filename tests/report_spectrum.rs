//! `mlet spectrum` through the binary: planted tables in every format, the records, the page, bad input.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use ndarray::{Array1, Array2, Array3};
use ndarray_npy::{NpzWriter, write_npy};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use tempfile::TempDir;

/// The table with singular values `sigma` (n ≥ d = their number): n/d stacked multiples of a reflection's columns, so that
/// it is exact but for one rounding an entry.
fn planted(n: usize, sigma: &[f64]) -> Array2<f64> {
    let d = sigma.len();
    let copies = n / d;
    // Householder: I − 2vvᵀ/d with v of ones is orthogonal.
    let q = |i: usize, j: usize| f64::from(i == j) - 2.0 / d as f64;
    Array2::from_shape_fn((copies * d, d), |(i, j)| {
        sigma[i % d] * q(i % d, j) / (copies as f64).sqrt()
    })
}

/// One rounding of each entry to spacing `epsilon`: by Weyl ‖E‖₂ ≤ ‖E‖_F ≤ (ε/2)·‖W‖_F. The arithmetic in f64 adds
/// 50·n·2⁻⁵²·σ₁.
fn bound(sigma: &[f64], n: usize, epsilon: f64) -> f64 {
    let norm = sigma.iter().map(|s| s * s).sum::<f64>().sqrt();
    0.5 * epsilon * norm + 50.0 * n as f64 * f64::EPSILON * sigma[0]
}

fn mlet(arguments: &[&Path]) -> Command {
    let mut command = Command::cargo_bin("mlet").unwrap();
    command.arg("spectrum").args(arguments);
    command
}

/// Runs the command and gives spectrum.json.
fn report(inputs: &[&Path], out: &Path) -> Value {
    let mut arguments = inputs.to_vec();
    arguments.extend([Path::new("--out"), out]);
    mlet(&arguments).assert().success();
    serde_json::from_str(&std::fs::read_to_string(out.join("spectrum.json")).unwrap()).unwrap()
}

/// The message of a run that must fail.
fn failure(input: &Path) -> String {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let assert = mlet(&[input, Path::new("--out"), &out]).assert().failure();
    assert!(!out.exists(), "a failed run left {}", out.display());
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

fn feature<'a>(json: &'a Value, name: &str) -> &'a Value {
    let features = json["features"].as_array().unwrap();
    features
        .iter()
        .find(|f| f["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {json}"))
}

fn assert_planted(feature: &Value, sigma: &[f64], n: usize, epsilon: f64) {
    let got: Vec<f64> = feature["singular_values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect();
    assert_eq!(got.len(), sigma.len());
    let bound = bound(sigma, n, epsilon);
    for (i, (got, want)) in got.iter().zip(sigma).enumerate() {
        assert!(
            (got - want).abs() <= bound,
            "σ[{i}] is {got} and not {want}, bound {bound:e}"
        );
    }
}

fn save(path: &Path, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn single(a: &Array2<f64>) -> (Dtype, Vec<usize>, Vec<u8>) {
    (
        Dtype::F32,
        a.shape().to_vec(),
        a.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
    )
}

/// A model: a single-layer feature, a three-factor one, an MLP, optimiser state.
fn model(path: &Path) {
    let sigma = [2.0, 1.0, 0.5, 0.001];
    let with = |name, (dtype, shape, data)| (name, dtype, shape, data);
    save(
        path,
        &[
            with("embedding.plain.weight", single(&planted(40, &sigma))),
            with("embedding.deep.one.factor.1", single(&planted(600, &sigma))),
            with("embedding.deep.one.factor.2", single(&planted(4, &[1.0; 4]))),
            with(
                "embedding.deep.one.factor.3",
                single(&planted(4, &[1.0; 4]).slice_move(ndarray::s![.., ..2])),
            ),
            with("bottom_mlp.0.weight", single(&planted(8, &[1.0; 4]))),
            with("optimizer.embedding.plain.weight.sum", single(&planted(8, &[1.0; 4]))),
        ],
    );
}

/// A table whose entries f32 holds exactly, so that its singular values are known: every interval holds its own, and is no wider
/// than 1e-9 of it, the width that decides the route.
#[test]
fn intervals_hold_the_singular_values() {
    let folder = TempDir::new().unwrap();
    let sigma = [8.0, 4.0, 1.0, 0.25];
    let file = folder.path().join("w.npy");
    write_npy(&file, &planted(64, &sigma).mapv(|x| x as f32)).unwrap();
    let json = report(&[&file], &folder.path().join("out"));
    let intervals = json["features"][0]["intervals"].as_array().unwrap();
    assert_eq!(intervals.len(), sigma.len());
    for (interval, sigma) in intervals.iter().zip(sigma) {
        let (lo, hi) = (interval[0].as_f64().unwrap(), interval[1].as_f64().unwrap());
        assert!(lo <= sigma && sigma <= hi, "{sigma} is not in [{lo}, {hi}]");
        assert!(hi - lo <= 1e-9 * sigma, "[{lo}, {hi}] is too wide");
    }
}

#[test]
fn npy_and_npz_of_every_float() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let sigma = [3.0, 1.0, 0.25, 0.02];
    let w = planted(400, &sigma);
    let small = w.mapv(|x| x as f32);
    write_npy(at("double.npy"), &w).unwrap();
    write_npy(at("single.npy"), &small).unwrap();
    write_npy(at("fortran.npy"), &small.t().as_standard_layout().reversed_axes()).unwrap();
    // Two bytes, big-endian, written by hand as NumPy would.
    let header = "{'descr': '>f2', 'fortran_order': False, 'shape': (400, 4), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let padded = format!("{header:<117}\n");
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.bytes());
    bytes.extend(w.iter().flat_map(|&x| half::f16::from_f64(x).to_be_bytes()));
    std::fs::write(at("half.npy"), &bytes).unwrap();
    for (name, epsilon) in [
        ("double", 0.0),
        ("single", f32::EPSILON.into()),
        ("fortran", f32::EPSILON.into()),
        ("half", 2f64.powi(-10)),
    ] {
        let json = report(&[&at(&format!("{name}.npy"))], &at("out"));
        let feature = feature(&json, name);
        assert_planted(feature, &sigma, 400, epsilon);
        assert_eq!(
            (&feature["n"], &feature["d"], &feature["parameters"]),
            (&400.into(), &4.into(), &1600.into())
        );
        // 0.02 of 3 is below 1 %.
        assert_eq!(feature["rank_at_0.01"], 3);
        // 400·2⁻¹⁰ of σ₁ is 1.17: of so many halves, NumPy's rule trusts σ₁ alone.
        assert_eq!(feature["numerical_rank"], if name == "half" { 1 } else { 4 });
    }
    for compressed in [false, true] {
        let file = std::fs::File::create(at("all.npz")).unwrap();
        let mut archive = if compressed {
            NpzWriter::new_compressed(file)
        } else {
            NpzWriter::new(file)
        };
        archive.add_array("table", &w).unwrap();
        archive.add_array("counts", &Array2::<i64>::zeros((3, 3))).unwrap();
        archive.add_array("bias", &Array1::<f32>::zeros(3)).unwrap();
        archive.finish().unwrap();
        let json = report(&[&at("all.npz")], &at("out"));
        assert_planted(feature(&json, "table"), &sigma, 400, 0.0);
        assert_eq!(json["features"].as_array().unwrap().len(), 1);
        let left: Vec<&str> = json["left_out"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["name"].as_str().unwrap())
            .collect();
        assert_eq!(left, ["bias", "counts"]);
    }
}

#[test]
fn a_model_is_grouped_by_feature() {
    let folder = TempDir::new().unwrap();
    let (path, out) = (folder.path().join("model.safetensors"), folder.path().join("out"));
    model(&path);
    let json = report(&[&path], &out);
    assert_eq!(json["model"], "model");
    let names: Vec<&str> = json["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["deep.one", "plain"]); // the largest n·d first
    assert_planted(
        feature(&json, "plain"),
        &[2.0, 1.0, 0.5, 0.001],
        40,
        f32::EPSILON.into(),
    );
    let deep = feature(&json, "deep.one");
    assert_eq!(
        (&deep["n"], &deep["d"], &deep["inner_dim"], &deep["depth"]),
        (&600.into(), &2.into(), &4.into(), &3.into())
    );
    assert_eq!(deep["parameters"], 600 * 4 + 16 + 8);
    assert_eq!(deep["singular_values"].as_array().unwrap().len(), 2);
    let left: Vec<&str> = json["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["name"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["bottom_mlp.0.weight", "optimizer.embedding.plain.weight.sum"]);
    for key in [
        "name",
        "n",
        "d",
        "inner_dim",
        "depth",
        "parameters",
        "rows",
        "singular_values",
        "rank_at_0.01",
        "numerical_rank",
        "effective_rank",
        "stable_rank",
        "participation_ratio",
        "information_abundance",
        "spectral_entropy",
        "energy_dim_0.99",
        "condition_number",
        "power_law_alpha",
        "initial",
        "frequent",
    ] {
        assert!(deep.get(key).is_some(), "no {key} in {deep}");
    }
}

#[test]
fn a_file_without_features_gives_every_matrix() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tables.safetensors");
    let w = planted(8, &[1.0, 0.5]);
    let bytes = |f: fn(f64) -> Vec<u8>| w.iter().flat_map(|&x| f(x)).collect::<Vec<u8>>();
    save(
        &path,
        &[
            ("a.f64", Dtype::F64, vec![8, 2], bytes(|x| x.to_le_bytes().into())),
            (
                "b.f16",
                Dtype::F16,
                vec![8, 2],
                bytes(|x| half::f16::from_f64(x).to_le_bytes().into()),
            ),
            (
                "c.bf16",
                Dtype::BF16,
                vec![8, 2],
                bytes(|x| half::bf16::from_f64(x).to_le_bytes().into()),
            ),
            ("d.i32", Dtype::I32, vec![1, 1], vec![0; 4]),
            ("e.vector", Dtype::F32, vec![1], vec![0; 4]),
            ("f.empty", Dtype::F32, vec![0, 3], vec![]),
        ],
    );
    let json = report(&[&path], &folder.path().join("out"));
    for (name, epsilon) in [("a.f64", 0.0), ("b.f16", 2f64.powi(-10)), ("c.bf16", 2f64.powi(-7))] {
        assert_planted(feature(&json, name), &[1.0, 0.5], 8, epsilon);
    }
    let left: Vec<&str> = json["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["name"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["d.i32", "e.vector", "f.empty"]);
}

#[test]
fn several_inputs_are_laid_over_one_another() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model_in = |name: &str| {
        std::fs::create_dir(at(name)).unwrap();
        let path = at(name).join("checkpoint.safetensors");
        model(&path);
        at(name)
    };
    let (a, b) = (model_in("a"), model_in("b"));
    let json = report(&[&a, &b], &at("out"));
    let names: Vec<&str> = json["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(json.get("features").is_none());
    // Without a config.toml the start is not known, and the report says so.
    assert!(
        json["models"][0]["notes"][0].as_str().unwrap().contains("not known"),
        "{json}"
    );
    let csv = std::fs::read_to_string(at("out/spectrum.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(
        header.iter().take(4).collect::<Vec<_>>(),
        ["model", "feature", "n", "d"]
    );
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(
        rows.iter().map(|r| (&r[0], &r[1])).collect::<Vec<_>>(),
        [("a", "deep.one"), ("a", "plain"), ("b", "deep.one"), ("b", "plain")]
    );
    // Files of the same name are told apart by their folders; a name given twice is refused.
    let inputs = [a.join("checkpoint.safetensors"), b.join("checkpoint.safetensors")];
    let json = report(&[&inputs[0], &inputs[1]], &at("out"));
    assert_eq!(json["models"][1]["name"], "b/checkpoint");
    let name = Path::new("--name");
    let same = Path::new("x");
    let error = mlet(&[
        &inputs[0],
        &inputs[1],
        name,
        same,
        name,
        same,
        Path::new("--out"),
        &at("out"),
    ])
    .assert()
    .failure();
    assert!(String::from_utf8_lossy(&error.get_output().stderr).contains("`x`"));
}

#[test]
fn the_page_stands_alone_and_shows_every_plot() {
    let folder = TempDir::new().unwrap();
    let (path, out) = (folder.path().join("model.safetensors"), folder.path().join("out"));
    // Names that would break a page, a path or a file system.
    let names = ["<script>alert(1)</script>&\"'", "../../up", "UP", "up", "…", "σ"];
    let (dtype, shape, data) = single(&planted(8, &[1.0, 0.5]));
    let tensors: Vec<_> = names
        .iter()
        .map(|name| (*name, dtype, shape.clone(), data.clone()))
        .collect();
    save(&path, &tensors);
    report(&[&path], &out);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    // The overview, and of each feature a small picture and its plot.
    assert_eq!(page.matches("<svg ").count(), 1 + 2 * names.len());
    assert_eq!(page.matches("<article ").count(), names.len());
    assert!(!page.contains("<script>alert"), "a feature's name is not markup");
    let fetches = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for fetch in [
        "http://", "https://", "src=", "url(", "@import", "<link", "srcset", "//cdn",
    ] {
        assert!(!fetches.contains(fetch), "{fetch} in the page");
    }
    // Every reference is an anchor of the page or a file beside it.
    let mut plots = 0;
    for part in page.split("href=\"").skip(1) {
        let target = part.split('"').next().unwrap();
        match target.strip_prefix('#') {
            Some(anchor) => assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}"),
            None => {
                assert!(out.join(target).is_file(), "{target}");
                plots += usize::from(target.starts_with("plots/"));
            }
        }
    }
    assert_eq!(plots, names.len());
    let files: Vec<PathBuf> = std::fs::read_dir(out.join("plots"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    assert_eq!(files.len(), names.len() + 1, "{files:?}");
    for file in files {
        let decoder = png::Decoder::new(std::io::Cursor::new(std::fs::read(&file).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut pixels).unwrap();
        assert!(pixels.iter().any(|&p| p < 128), "{} is blank", file.display());
    }
    assert!(!folder.path().join("up.png").exists());
}

#[test]
fn zero_and_single_rows_have_a_report() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("odd.npz");
    let mut archive = NpzWriter::new(std::fs::File::create(&path).unwrap());
    archive.add_array("zero", &Array2::<f32>::zeros((5, 3))).unwrap();
    archive.add_array("row", &Array2::<f32>::ones((1, 9))).unwrap();
    archive.add_array("column", &Array2::<f32>::ones((9, 1))).unwrap();
    archive
        .add_array("wide", &Array2::<f32>::from_shape_fn((2, 9), |(i, j)| (i * j) as f32))
        .unwrap();
    archive.finish().unwrap();
    let out = folder.path().join("out");
    let json = report(&[&path], &out);
    let left: Vec<&str> = json["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["name"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["row", "wide"]); // fewer rows than columns
    let json = report(&[&path, Path::new("--include"), Path::new("*")], &out);
    let zero = feature(&json, "zero");
    for key in ["rank_at_0.01", "numerical_rank", "energy_dim_0.99"] {
        assert_eq!(zero[key], 0, "{key}");
    }
    assert_eq!(
        (zero["effective_rank"].as_f64(), zero["stable_rank"].as_f64()),
        (Some(0.0), Some(0.0))
    );
    assert!(zero["condition_number"].is_null());
    for name in ["row", "column"] {
        assert_planted(feature(&json, name), &[3.0], 9, 0.0);
    }
    assert_eq!(feature(&json, "wide")["rank_at_0.01"], 1);
}

#[test]
fn bad_input_is_named() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let contains = |input: &Path, parts: &[&str]| {
        let error = failure(input);
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        assert!(!error.contains("panicked"), "{error}");
    };
    contains(&at("absent.npy"), &["absent.npy", "cannot be read"]);
    contains(&at("absent"), &["absent", "cannot be read"]);
    std::fs::create_dir(at("folder")).unwrap();
    contains(&at("folder"), &["folder", "checkpoint.safetensors"]);
    std::fs::write(at("table.csv"), "1,2").unwrap();
    contains(&at("table.csv"), &["table.csv", ".safetensors"]);
    for name in ["short.npy", "short.npz", "short.safetensors"] {
        std::fs::write(at(name), "not it").unwrap();
        contains(&at(name), &[name, "not a whole"]);
        std::fs::write(at(name), "").unwrap();
        contains(&at(name), &[name]);
    }
    write_npy(at("ints.npy"), &Array2::<i64>::zeros((2, 2))).unwrap();
    contains(&at("ints.npy"), &["ints.npy", "floats"]);
    write_npy(at("cube.npy"), &Array3::<f32>::zeros((2, 2, 2))).unwrap();
    contains(&at("cube.npy"), &["cube.npy", "3 dimensions"]);
    let mut w = Array2::<f32>::zeros((7, 3));
    w[(4, 2)] = f32::NAN;
    write_npy(at("nan.npy"), &w).unwrap();
    contains(&at("nan.npy"), &["`nan`", "row 4", "column 2"]);
    // A header that claims more than there is, and more than there can be.
    write_npy(at("cut.npy"), &Array2::<f32>::zeros((7, 3))).unwrap();
    let whole = std::fs::read(at("cut.npy")).unwrap();
    std::fs::write(at("cut.npy"), &whole[..whole.len() - 5]).unwrap();
    contains(&at("cut.npy"), &["cut.npy", "not a whole"]);
    let text = String::from_utf8_lossy(&whole[10..128]).replace("(7, 3)", "(999999999999, 3)");
    let text = format!("{:<117}\n", text.trim_end());
    std::fs::write(at("huge.npy"), [&whole[..10], text.as_bytes(), &whole[128..]].concat()).unwrap();
    contains(&at("huge.npy"), &["huge.npy", "not a whole"]);
    let w = single(&planted(4, &[1.0; 4]));
    let with = |name, (dtype, shape, data): (Dtype, Vec<usize>, Vec<u8>)| (name, dtype, shape, data);
    let path = at("hole.safetensors");
    save(
        &path,
        &[
            with("embedding.x.factor.1", w.clone()),
            with("embedding.x.factor.3", w.clone()),
        ],
    );
    contains(&path, &["hole.safetensors", "embedding.x.factor.2"]);
    save(
        &path,
        &[
            with("embedding.x.factor.1", w.clone()),
            with("embedding.x.factor.2", single(&planted(3, &[1.0; 3]))),
        ],
    );
    contains(&path, &["`embedding.x.factor.1`", "4 columns", "3 rows"]);
    save(
        &path,
        &[
            with("embedding.x.factor.1", w.clone()),
            with("embedding.x.weight", w.clone()),
        ],
    );
    contains(&path, &["embedding.x"]);
    save(&path, &[("bias", Dtype::F32, vec![1], vec![0; 4])]);
    contains(&path, &["no embedding table", "`bias`"]);
}

#[test]
fn a_table_that_is_not_finite_does_not_hide_the_others() {
    let folder = TempDir::new().unwrap();
    let (path, out) = (folder.path().join("model.npz"), folder.path().join("out"));
    let mut archive = NpzWriter::new(std::fs::File::create(&path).unwrap());
    let sigma = [2.0, 1.0];
    archive.add_array("good_emb", &planted(8, &sigma)).unwrap();
    let mut bad = planted(8, &sigma);
    bad[(5, 1)] = f64::NEG_INFINITY;
    bad[(6, 0)] = f64::NAN;
    archive.add_array("bad_emb", &bad).unwrap();
    archive.finish().unwrap();
    let assert = mlet(&[&path, Path::new("--out"), &out]).assert().failure();
    let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    for part in ["`bad_emb` of model", "row 5, column 1"] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    let json: Value = serde_json::from_str(&std::fs::read_to_string(out.join("spectrum.json")).unwrap()).unwrap();
    assert_planted(feature(&json, "good_emb"), &sigma, 8, 0.0);
    assert_eq!(json["features"].as_array().unwrap().len(), 1);
    assert_eq!(json["failed"][0]["name"], "bad_emb");
    assert!(
        json["failed"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("row 5, column 1")
    );
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("row 5, column 1"), "the page names it too");
    // Left out on purpose, it is no failure.
    report(&[&path, Path::new("--exclude"), Path::new("bad*")], &out);
}

#[test]
fn a_report_is_replaced_file_by_file() {
    let folder = TempDir::new().unwrap();
    let (path, out) = (folder.path().join("w.npy"), folder.path().join("out"));
    write_npy(&path, &planted(8, &[1.0, 0.5])).unwrap();
    report(&[&path], &out);
    std::fs::write(out.join("mine.txt"), "kept").unwrap();
    write_npy(&path, &planted(8, &[3.0, 0.5])).unwrap();
    let json = report(&[&path], &out);
    assert_planted(feature(&json, "w"), &[3.0, 0.5], 8, 0.0);
    assert_eq!(std::fs::read_to_string(out.join("mine.txt")).unwrap(), "kept");
    let mut names: Vec<String> = std::fs::read_dir(&out)
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "mine.txt",
            "plots",
            "report.html",
            "singular_values.csv",
            "spectrum.csv",
            "spectrum.json",
            "spectrum.parquet"
        ]
    );
}
