//! Who decides which tensors are tables.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobMatcher};

use super::SourceError;
use super::choose::{Contents, Names, Options, Tensor};
use super::names::{is_named_like_a_table, is_optimiser_state, is_own, place_in_model, place_in_product};

/// Who decides what is a table.
pub(super) struct Rule {
    include: Vec<(String, GlobMatcher)>,
    exclude: Vec<(String, GlobMatcher)>,
    /// The names are those that mlet gives.
    own: bool,
    /// Among the tensors that could be tables some are named like one.
    named: bool,
    says: bool,
    /// In the file of another model: the place of each tensor that is a factor of a product.
    factors: BTreeMap<String, (String, usize)>,
    /// Products of which a tensor is excluded: half a product is no table.
    excluded: BTreeSet<String>,
}

impl Rule {
    pub(super) fn new(contents: &Contents, options: &Options) -> Result<Self, SourceError> {
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
            factors: BTreeMap::new(),
            excluded: BTreeSet::new(),
        };
        if says && !own {
            rule.factors = rule.products(&contents.tensors);
        }
        let places = names().filter_map(|name| Some((name, rule.product_of(name)?.0)));
        let excluded = places.filter(|(name, feature)| rule.matched(&rule.exclude, name, feature).is_some());
        rule.excluded = excluded.map(|(_, feature)| feature.to_string()).collect();
        Ok(rule)
    }

    /// The product that a tensor is a factor of, and its place in it.
    fn product_of<'a>(&'a self, name: &'a str) -> Option<(&'a str, usize)> {
        if self.own {
            return place_in_model(name).ok();
        }
        self.factors.get(name).map(|(product, j)| (product.as_str(), *j))
    }

    /// The factors `X.factor.1` … `X.factor.N` of another model, N ≥ 2, where there are all of them, where they can be multiplied to a
    /// table with at least as many rows as columns, and where `--include` does not ask for some of them alone.
    fn products(&self, tensors: &[Tensor]) -> BTreeMap<String, (String, usize)> {
        let mut products: BTreeMap<&str, BTreeMap<usize, (&str, usize, usize)>> = BTreeMap::new();
        for tensor in tensors {
            if let (Some((product, j)), Ok(Some((rows, cols)))) = (place_in_product(&tensor.name), &tensor.shape) {
                products
                    .entry(product)
                    .or_default()
                    .insert(j, (&tensor.name, *rows, *cols));
            }
        }
        products.retain(|product, factors| {
            let whole = factors.len() >= 2 && factors.keys().copied().eq(1..=factors.len());
            let shapes: Vec<(usize, usize)> = factors.values().map(|&(_, rows, cols)| (rows, cols)).collect();
            let fits = shapes.windows(2).all(|pair| pair[0].1 == pair[1].0);
            let tall = shapes.first().map(|s| s.0) >= shapes.last().map(|s| s.1);
            let mut asked = factors
                .values()
                .map(|(name, ..)| self.matched(&self.include, name, product).is_some());
            let alone = asked.clone().any(|asked| asked) && !asked.all(|asked| asked);
            whole && fits && tall && !alone
        });
        let places = products.iter().flat_map(|(product, factors)| {
            let place =
                move |(j, (name, ..)): (&usize, &(&str, usize, usize))| (name.to_string(), (product.to_string(), *j));
            factors.iter().map(place)
        });
        places.collect()
    }

    fn matched<'a>(&self, globs: &'a [(String, GlobMatcher)], name: &str, feature: &str) -> Option<&'a str> {
        let found = globs
            .iter()
            .find(|(_, glob)| glob.is_match(name) || glob.is_match(feature));
        found.map(|(text, _)| text.as_str())
    }

    /// The table that a tensor belongs to and its place in the product, or why it is in none.
    pub(super) fn place(&self, tensor: &Tensor) -> Result<(String, usize), String> {
        let name = tensor.name.as_str();
        tensor.shape.clone()?;
        let place = self.product_of(name);
        let feature = place.map_or(name, |(feature, _)| feature);
        if let Some(glob) = self.matched(&self.exclude, name, feature) {
            return Err(format!("excluded by `{glob}`"));
        }
        if self.excluded.contains(feature) {
            return Err("another factor of its product is excluded".into());
        }
        if !self.include.is_empty() {
            let included = self.matched(&self.include, name, feature).is_some();
            let (feature, j) = place.unwrap_or((name, 1));
            return if included {
                Ok((feature.into(), j))
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
            if let Some((product, j)) = place {
                return Ok((product.into(), j));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_that_is_none() {
        let error = globs(&["a[".into()]).unwrap_err().to_string();
        assert!(error.contains("`a[`"), "{error}");
    }
}
