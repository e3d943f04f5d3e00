//! Which tensors are tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

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

/// Who decides what is a table.
struct Rule {
    include: Vec<(String, GlobMatcher)>,
    exclude: Vec<(String, GlobMatcher)>,
    /// The names are those that mlet gives.
    own: bool,
    /// Among the tensors that could be tables some are named like one.
    named: bool,
    says: bool,
    /// mlet's features of which a tensor is excluded: half a product is no table.
    excluded: BTreeSet<String>,
}

impl Rule {
    fn new(contents: &Contents, options: &Options) -> Result<Self, SourceError> {
        let names = || contents.tensors.iter().map(|tensor| tensor.name.as_str());
        let says = contents.names == Names::Say;
        let own = says && names().any(|name| place_in_model(name).is_ok()) && names().all(is_own);
        let candidate = |tensor: &&Tensor| tall(tensor).is_ok() && !is_optimiser_state(&tensor.name);
        let mut rule = Self {
            include: globs(&options.include)?,
            exclude: globs(&options.exclude)?,
            own,
            named: contents
                .tensors
                .iter()
                .filter(candidate)
                .any(|t| is_named_like_a_table(&t.name)),
            says,
            excluded: BTreeSet::new(),
        };
        if own {
            let places = names().filter_map(|name| Some((name, place_in_model(name).ok()?.0)));
            let excluded = places.filter(|(name, feature)| rule.matched(&rule.exclude, name, feature).is_some());
            rule.excluded = excluded.map(|(_, feature)| feature.to_string()).collect();
        }
        Ok(rule)
    }

    fn matched<'a>(&self, globs: &'a [(String, GlobMatcher)], name: &str, feature: &str) -> Option<&'a str> {
        let found = globs
            .iter()
            .find(|(_, glob)| glob.is_match(name) || glob.is_match(feature));
        found.map(|(text, _)| text.as_str())
    }

    /// The table that a tensor belongs to and its place in the product, or why it is in none.
    fn place(&self, tensor: &Tensor) -> Result<(String, usize), String> {
        let name = tensor.name.as_str();
        tensor.shape.clone()?;
        let own = if self.own { place_in_model(name).ok() } else { None };
        let feature = own.map_or(name, |(feature, _)| feature);
        if let Some(glob) = self.matched(&self.exclude, name, feature) {
            return Err(format!("excluded by `{glob}`"));
        }
        if self.excluded.contains(feature) {
            return Err("another factor of its product is excluded".into());
        }
        if !self.include.is_empty() {
            let included = self.matched(&self.include, name, feature).is_some();
            let place = own.unwrap_or((name, 1));
            return if included {
                Ok((place.0.into(), place.1))
            } else {
                Err("not among what is to be included".into())
            };
        }
        if self.own {
            return place_in_model(name).map(|(feature, j)| (feature.into(), j));
        }
        if self.says {
            if is_optimiser_state(name) {
                return Err("optimiser state".into());
            }
            tall(tensor)?;
            if self.named && !is_named_like_a_table(name) {
                return Err("not named like an embedding table (take it with --include)".into());
            }
        }
        Ok((name.into(), 1))
    }
}

fn globs(patterns: &[String]) -> Result<Vec<(String, GlobMatcher)>, SourceError> {
    let made = patterns.iter().map(|pattern| {
        let glob = GlobBuilder::new(pattern).build().map_err(|error| SourceError::Glob {
            pattern: pattern.clone(),
            message: error.kind().to_string(),
        })?;
        Ok((pattern.clone(), glob.compile_matcher()))
    });
    made.collect()
}

/// Whether a tensor has at least as many rows as columns.
fn tall(tensor: &Tensor) -> Result<(), String> {
    match tensor.shape.clone()? {
        Some((rows, cols)) if rows < cols => Err(format!(
            "has fewer rows ({rows}) than columns ({cols}) (take it with --include)"
        )),
        _ => Ok(()),
    }
}

/// Whether a name is one of those that mlet gives.
fn is_own(name: &str) -> bool {
    ["embedding.", "bottom_mlp.", "top_mlp.", "optimizer."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Whether a word of a name says that it is an embedding.
fn is_named_like_a_table(name: &str) -> bool {
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).any(|word| {
        let start = ["emb", "lookup", "table", "factor"];
        word.contains("embed")
            || start.iter().any(|start| word.starts_with(start))
            || ["emb", "embs"].iter().any(|end| word.ends_with(end))
            || ["lut", "wte", "syn0"].contains(&word)
    })
}

/// Whether a tensor is kept by an optimiser and not by the model.
fn is_optimiser_state(name: &str) -> bool {
    let parts = || name.split(['.', '/']);
    let whose = [
        "optimizer",
        "optimizers",
        "optim",
        "opt",
        "optimizer_states",
        "optimizer_state_dict",
        "opt_state_dict",
    ];
    let what = [
        "exp_avg",
        "exp_avg_sq",
        "max_exp_avg_sq",
        "momentum_buffer",
        "square_avg",
        "acc_delta",
    ];
    parts().any(|part| whose.contains(&part)) || parts().next_back().is_some_and(|part| what.contains(&part))
}

pub(super) fn tensor_error(path: &Path, tensor: &str, message: String) -> SourceError {
    SourceError::Tensor {
        path: path.to_path_buf(),
        tensor: tensor.into(),
        message,
    }
}

/// The feature and factor number of a tensor of a model, or why it belongs to no table. The feature's name may hold dots.
fn place_in_model(name: &str) -> Result<(&str, usize), String> {
    let Some(rest) = name.strip_prefix("embedding.") else {
        return Err(match name.split('.').next() {
            Some("bottom_mlp" | "top_mlp") => "part of an MLP, not of an embedding".into(),
            Some("optimizer") => "optimiser state".into(),
            _ => "not named `embedding.…`".into(),
        });
    };
    if let Some(feature) = rest.strip_suffix(".weight") {
        return Ok((feature, 1));
    }
    let factor = rest
        .rsplit_once(".factor.")
        .and_then(|(feature, j)| Some((feature, j.parse().ok()?)));
    factor
        .filter(|&(_, j)| j > 0)
        .ok_or_else(|| "neither `….weight` nor `….factor.<j>`".into())
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

    #[test]
    fn names_of_a_model() {
        assert_eq!(place_in_model("embedding.tailnum.factor.2"), Ok(("tailnum", 2)));
        assert_eq!(place_in_model("embedding.a.factor.1.factor.12"), Ok(("a.factor.1", 12)));
        assert_eq!(place_in_model("embedding.a.b.weight"), Ok(("a.b", 1)));
        for name in [
            "embedding.a.factor.0",
            "embedding.a.factor.x",
            "embedding.a",
            "top_mlp.0.weight",
            "optimizer.x.sum",
        ] {
            assert!(place_in_model(name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_of_other_models() {
        for name in [
            "emb_l.0.weight",
            "module.user_embedding.weight",
            "tok_embeddings.weight",
            "itememb.weight",
            "item_factors",
            "lookup/kernel",
            "tables.3",
        ] {
            assert!(is_named_like_a_table(name), "{name}");
        }
        for name in [
            "stable_mlp.0.weight",
            "assembly.weight",
            "members.weight",
            "top_l.0.weight",
            "σ",
        ] {
            assert!(!is_named_like_a_table(name), "{name}");
        }
        assert!(is_optimiser_state("optim.state.0.exp_avg"));
        assert!(is_optimiser_state("x.emb.exp_avg_sq"));
        assert!(!is_optimiser_state("optimal_embedding.weight"));
    }

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
    fn a_glob_that_is_none() {
        let error = globs(&["a[".into()]).unwrap_err().to_string();
        assert!(error.contains("`a[`"), "{error}");
    }
}
