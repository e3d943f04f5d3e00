//! Files of tables, whoever wrote them: `mlet::spectrum::sources`. The files of `corpus/` are made by `make.py`.

mod allocation;
mod formats;
mod fuzz;
mod hostile;

use std::path::{Path, PathBuf};

use mlet::spectrum::sources::{Options, Source, SourceError, open_with};
use mlet::spectrum::table::{Factor, Table};
use ndarray::Array2;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sources/corpus")
        .join(name)
}

fn read(path: &Path, include: &[&str], exclude: &[&str]) -> Result<Source, SourceError> {
    let owned = |globs: &[&str]| globs.iter().map(|glob| glob.to_string()).collect();
    let options = Options {
        include: owned(include),
        exclude: owned(exclude),
    };
    open_with(path, &options)
}

/// The table of make.py.
fn table(rows: usize, columns: usize, offset: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        (((7 * i + 3 * j + offset) % 16) as f64 - 5.0) / 4.0
    })
}

/// All entries, row by row in pieces of two rows.
fn entries(factor: &Factor) -> Array2<f64> {
    let (rows, columns) = (factor.rows(), factor.cols());
    let mut all = Vec::new();
    for start in (0..rows).step_by(2) {
        factor.with_rows(start..rows.min(start + 2), |part| part.each(|_, x| all.push(x)));
    }
    Array2::from_shape_vec((rows, columns), all).unwrap()
}

fn names(source: &Source) -> Vec<&str> {
    source.tables.iter().map(|table| table.name.as_str()).collect()
}

fn find<'a>(source: &'a Source, name: &str) -> &'a Table {
    let found = source.tables.iter().find(|table| table.name == name);
    found.unwrap_or_else(|| panic!("no {name} among {:?}", names(source)))
}

fn reason<'a>(source: &'a Source, name: &str) -> &'a str {
    let found = source.left_out.iter().find(|tensor| tensor.name == name);
    let found = found.unwrap_or_else(|| panic!("no {name} among {:?}", source.left_out));
    &found.reason
}
