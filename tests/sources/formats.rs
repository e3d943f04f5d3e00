//! Every format and layout, number by number. Nothing rounds: the numbers of `table` are exact in every type.

use super::{corpus, entries, find, names, read, reason, table};
use mlet::spectrum::table::{Float, Values};

/// Stays in its file.
fn mapped(values: &Values) -> bool {
    matches!(values, Values::Mapped(_))
}

#[test]
fn npy() {
    for (name, float) in [
        ("f2", Float::F16),
        ("f4", Float::F32),
        ("f8", Float::F64),
        ("f2_big", Float::F16),
        ("f4_big", Float::F32),
        ("f8_big", Float::F64),
        ("fortran", Float::F32),
        ("fortran_big", Float::F64),
    ] {
        let source = read(&corpus(&format!("{name}.npy")), &[], &[]).unwrap();
        let factor = &find(&source, name).factors[0];
        assert_eq!(entries(factor), table(6, 3, 0), "{name}");
        assert_eq!(factor.epsilon, float.epsilon(), "{name}");
        assert!(mapped(&factor.values), "{name}");
        assert_eq!(
            entries(&factor.select_rows(&[4, 1])).row(1),
            table(6, 3, 0).row(1),
            "{name}"
        );
    }
}

#[test]
fn npz() {
    for name in ["stored", "deflated"] {
        let source = read(&corpus(&format!("{name}.npz")), &[], &[]).unwrap();
        assert_eq!(names(&source), ["item_emb", "user_emb"]);
        assert_eq!(entries(&find(&source, "user_emb").factors[0]), table(6, 3, 0), "{name}");
        let item = &find(&source, "item_emb").factors[0];
        assert_eq!(entries(item), table(5, 2, 1), "{name}");
        assert!(mapped(&item.values));
        assert_eq!(reason(&source, "bias"), "has 1 dimensions, not two");
        assert!(reason(&source, "ids").contains("<i8"), "{}", reason(&source, "ids"));
    }
}

#[test]
fn safetensors_of_another_model() {
    let source = read(&corpus("model.safetensors"), &[], &[]).unwrap();
    for (name, want, float) in [
        ("user_embedding.weight", table(6, 3, 0), Float::F32),
        ("item_embedding.weight", table(5, 2, 1), Float::F16),
        ("tag_embedding.weight", table(6, 3, 0), Float::Bf16),
        ("age_embedding.weight", table(4, 2, 2), Float::F64),
    ] {
        let factor = &find(&source, name).factors[0];
        assert_eq!(entries(factor), want, "{name}");
        assert_eq!(factor.epsilon, float.epsilon(), "{name}");
        assert!(mapped(&factor.values), "{name}");
    }
    assert_eq!(source.tables.len(), 4);
    assert!(reason(&source, "head.weight").contains("--include"));
    assert!(reason(&source, "ids").contains("dimensions"));
    let source = read(&corpus("model.safetensors"), &["{head,user*}.*"], &["user*"]).unwrap();
    assert_eq!(names(&source), ["head.weight"]);
    assert_eq!(reason(&source, "user_embedding.weight"), "excluded by `user*`");
    let error = read(&corpus("model.safetensors"), &["nothing*"], &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no embedding table") && error.contains("not among what is to be included"),
        "{error}"
    );
}

#[test]
fn sharded() {
    for path in ["sharded", "sharded/model.safetensors.index.json"] {
        let source = read(&corpus(path), &[], &[]).unwrap();
        assert_eq!(names(&source), ["item_embedding.weight", "user_embedding.weight"]);
        assert_eq!(entries(&source.tables[0].factors[0]), table(5, 2, 1));
        assert_eq!(entries(&source.tables[1].factors[0]), table(6, 3, 0));
        assert!(reason(&source, "forgotten.weight").contains("model-2-of-2.safetensors"));
    }
}

#[test]
fn columns_of_lists() {
    for name in [
        "plain.parquet",
        "snappy.parquet",
        "zstd.parquet",
        "gzip.parquet",
        "lz4.parquet",
        "plain.arrow",
        "lz4.arrow",
        "zstd.arrow",
    ] {
        let source = read(&corpus(name), &[], &[]).unwrap();
        assert_eq!(names(&source), ["fixed", "half", "lists"], "{name}");
        for (column, float) in [("fixed", Float::F32), ("half", Float::F16), ("lists", Float::F64)] {
            let factor = &find(&source, column).factors[0];
            assert_eq!(entries(factor), table(6, 3, 0), "{name} {column}");
            assert_eq!(factor.epsilon, float.epsilon(), "{name} {column}");
        }
        assert!(
            reason(&source, "ragged").contains("1 in row 0, 2 in row 1"),
            "{name}: {}",
            reason(&source, "ragged")
        );
        assert_eq!(reason(&source, "holes"), "has no list in row 1", "{name}");
        for column in ["id", "word", "counts"] {
            assert!(
                reason(&source, column).contains("not of lists of floats"),
                "{name} {column}"
            );
        }
        assert_eq!(names(&read(&corpus(name), &["h*"], &[]).unwrap()), ["half"], "{name}");
    }
}

#[test]
fn torch_state_dictionaries() {
    for name in ["state.pt", "state_deflated.pt"] {
        let source = read(&corpus(name), &[], &[]).unwrap();
        assert_eq!(names(&source), ["user_emb.weight"], "{name}");
        let factor = &source.tables[0].factors[0];
        assert_eq!(entries(factor), table(6, 3, 0), "{name}");
        assert!(mapped(&factor.values), "{name}");
        assert!(reason(&source, "top.weight").contains("fewer rows"), "{name}");
    }
    let source = read(&corpus("alone.pt"), &[], &[]).unwrap();
    assert_eq!(entries(&find(&source, "alone").factors[0]), table(6, 3, 0));
}

#[test]
fn torch_checkpoints() {
    let source = read(&corpus("nested.pt"), &[], &[]).unwrap();
    for (name, float) in [
        ("half_emb", Float::F16),
        ("bfloat_emb", Float::Bf16),
        ("double_emb", Float::F64),
        ("transposed_emb", Float::F32),
        ("offset_emb", Float::F32),
        ("parameter_emb", Float::F32),
    ] {
        let factor = &find(&source, &format!("model.{name}")).factors[0];
        assert_eq!(entries(factor), table(6, 3, 0), "{name}");
        assert_eq!(factor.epsilon, float.epsilon(), "{name}");
    }
    assert_eq!(source.tables.len(), 6);
    assert!(reason(&source, "model.sliced_emb").contains("steps 4 and 1"));
    assert!(reason(&source, "model.cube_emb").contains("3 dimensions"));
    assert!(reason(&source, "model.ids_emb").contains("int64"));
    assert_eq!(reason(&source, "optimizer.state.0.exp_avg"), "optimiser state");
}

#[test]
fn word_vectors() {
    for (file, name) in [("glove.txt", "glove"), ("word2vec.vec", "word2vec")] {
        let source = read(&corpus(file), &[], &[]).unwrap();
        assert_eq!(entries(&find(&source, name).factors[0]), table(6, 3, 0), "{file}");
    }
}
