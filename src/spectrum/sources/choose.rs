//! Which tensors are tables.

use std::collections::BTreeMap;
use std::path::Path;

use super::rule::Rule;
use super::{LeftOut, SourceError};
use crate::spectrum::table::{Factor, Table};

/// Which tensors are tables, beside the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Globs on names; where there is one, the matrices that match one are the tables, whatever the rule says.
    pub include: Vec<String>,
    /// Globs on names; what matches one is no table, also where [`Options::include`] asks for it.
    pub exclude: Vec<String>,
}

/// What a file holds.
pub(super) struct Contents {
    pub names: Names,
    pub tensors: Vec<Tensor>,
}

/// Whether names say what a tensor is for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Names {
    /// Those of a model's parameters.
    Say,
    /// The file holds tables and nothing else.
    SayNothing,
}

/// One named thing in a file. Nothing of it is read before it is a table.
pub(super) struct Tensor {
    pub name: String,
    /// (rows, columns), where they are known before reading; or why it can be no table.
    pub shape: Result<Option<(usize, usize)>, String>,
    pub read: Box<Read>,
}

/// Reads a tensor: why it is no table after all, or what is wrong with the file.
type Read = dyn FnOnce() -> Result<Result<Factor, String>, SourceError>;

impl Tensor {
    /// A matrix.
    pub fn new(
        name: &str,
        shape: (usize, usize),
        read: impl FnOnce() -> Result<Result<Factor, String>, SourceError> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            shape: Ok(Some(shape)),
            read: Box::new(read),
        }
    }

    /// What can be no table, and why.
    pub fn none(name: &str, reason: String) -> Self {
        Self {
            name: name.into(),
            shape: Err(reason.clone()),
            read: Box::new(|| Ok(Err(reason))),
        }
    }
}

/// Reads the tables; what is none of them is named with its reason.
pub(super) fn choose(
    path: &Path,
    mut contents: Contents,
    options: &Options,
) -> Result<(Vec<Table>, Vec<LeftOut>), SourceError> {
    contents.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let rule = Rule::new(&contents, options)?;
    let mut left_out = Vec::new();
    let mut features: BTreeMap<String, BTreeMap<usize, Factor>> = BTreeMap::new();
    for tensor in contents.tensors {
        let name = tensor.name.clone();
        let made = match rule.place(&tensor) {
            Ok(place) => (tensor.read)()?.map(|factor| (place, factor)),
            Err(reason) => Err(reason),
        };
        let ((feature, j), factor) = match made {
            Ok(made) => made,
            Err(reason) => {
                left_out.push(LeftOut { name, reason });
                continue;
            }
        };
        if let Some(other) = features.entry(feature.clone()).or_default().insert(j, factor) {
            let message = format!("`{}` is the same factor of `{feature}`", other.name);
            return Err(tensor_error(path, &name, message));
        }
    }
    let tables = features
        .into_iter()
        .map(|(feature, factors)| table(path, &feature, factors))
        .collect::<Result<_, _>>()?;
    Ok((tables, left_out))
}

pub(super) fn tensor_error(path: &Path, tensor: &str, message: String) -> SourceError {
    SourceError::Tensor {
        path: path.to_path_buf(),
        tensor: tensor.into(),
        message,
    }
}

/// The factors of one feature, 1…N without a hole.
fn table(path: &Path, feature: &str, factors: BTreeMap<usize, Factor>) -> Result<Table, SourceError> {
    let last = factors.keys().copied().max().unwrap_or(0);
    if let Some(missing) = (1..=factors.len()).find(|j| !factors.contains_key(j)) {
        return Err(SourceError::MissingFactor {
            path: path.to_path_buf(),
            feature: feature.into(),
            missing,
            last,
        });
    }
    let factors: Vec<Factor> = factors.into_values().collect();
    for pair in factors.windows(2) {
        if pair[0].cols() != pair[1].rows() {
            let message = format!(
                "has {} columns, but the next factor of the product, `{}`, has {} rows",
                pair[0].cols(),
                pair[1].name,
                pair[1].rows()
            );
            return Err(tensor_error(path, &pair[0].name, message));
        }
    }
    Ok(Table::new(feature, factors))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[(&str, (usize, usize))], include: &[&str], exclude: &[&str]) -> (Vec<String>, Vec<LeftOut>) {
        let factor = |name: &str, shape| Factor::f32(name, ndarray::Array2::zeros(shape));
        let tensors = names.iter().map(|&(name, shape)| {
            let owned = name.to_string();
            Tensor::new(name, shape, move || Ok(Ok(factor(&owned, shape))))
        });
        let contents = Contents {
            names: Names::Say,
            tensors: tensors.collect(),
        };
        let owned = |globs: &[&str]| globs.iter().map(|glob| glob.to_string()).collect();
        let options = Options {
            include: owned(include),
            exclude: owned(exclude),
        };
        let (tables, left_out) = choose(Path::new("file"), contents, &options).unwrap();
        (tables.into_iter().map(|table| table.name).collect(), left_out)
    }

    #[test]
    fn a_foreign_model() {
        let model = [
            ("embedding.weight", (9, 2)),
            ("head.weight", (9, 2)),
            ("optimizer.state.0.exp_avg", (9, 2)),
            ("position_embedding.weight", (2, 9)),
        ];
        let (tables, left_out) = chosen(&model, &[], &[]);
        assert_eq!(tables, ["embedding.weight"]);
        let reasons: Vec<&str> = left_out.iter().map(|l| l.reason.as_str()).collect();
        assert!(reasons[0].contains("not named like"), "{reasons:?}");
        assert_eq!(reasons[1], "optimiser state");
        assert!(reasons[2].contains("fewer rows (2) than columns (9)"), "{reasons:?}");
        assert_eq!(
            chosen(&model, &["head.*", "position*"], &[]).0,
            ["head.weight", "position_embedding.weight"]
        );
        assert_eq!(chosen(&model, &["*"], &["*.weight"]).0, ["optimizer.state.0.exp_avg"]);
        // No name says what it is: every tall matrix.
        assert_eq!(chosen(&[("a", (3, 2)), ("b", (2, 3))], &[], &[]).0, ["a"]);
    }

    #[test]
    fn a_model_of_our_own() {
        let model = [
            ("bottom_mlp.0.weight", (4, 4)),
            ("embedding.a.factor.1", (9, 3)),
            ("embedding.a.factor.2", (3, 4)),
            ("embedding.b.weight", (2, 4)),
        ];
        assert_eq!(chosen(&model, &[], &[]).0, ["a", "b"]);
        assert_eq!(chosen(&model, &["a"], &[]).0, ["a"]);
        // Half a product is no table.
        let (tables, left_out) = chosen(&model, &[], &["*.factor.2"]);
        assert_eq!(tables, ["b"]);
        assert_eq!(left_out[1].reason, "another factor of its product is excluded");
        assert_eq!(chosen(&model, &["bottom*"], &[]).0, ["bottom_mlp.0.weight"]);
    }

    #[test]
    fn a_compressed_model_of_somebody_else() {
        let model = [
            ("user.weight.factor.1", (9, 3)),
            ("user.weight.factor.2", (3, 4)),
            ("item.weight", (9, 4)),
            ("item_embedding.factor.1", (9, 2)),
            ("item_embedding.factor.3", (2, 2)),
            ("geo.factor.1", (9, 2)),
            ("geo.factor.2", (3, 4)),
        ];
        // With a hole, or with shapes that do not fit, they are no product.
        let alone = ["geo.factor.1", "item_embedding.factor.1", "item_embedding.factor.3"];
        let (tables, left_out) = chosen(&model, &[], &[]);
        assert_eq!(tables, [&alone[..], &["user.weight"]].concat());
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        assert_eq!(chosen(&model, &["user*"], &[]).0, ["user.weight"]);
        assert_eq!(chosen(&model, &["user.weight"], &[]).0, ["user.weight"]);
        assert_eq!(chosen(&model, &["user*.2"], &[]).0, ["user.weight.factor.2"]);
        let (tables, left_out) = chosen(&model, &[], &["user*.2"]);
        assert_eq!(tables, alone);
        let reasons: Vec<&str> = left_out.iter().map(|l| l.reason.as_str()).collect();
        assert!(
            reasons.contains(&"another factor of its product is excluded"),
            "{reasons:?}"
        );
    }
}
