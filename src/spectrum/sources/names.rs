//! What the name of a tensor says.

/// Whether a name is one of those that mlet gives.
pub(super) fn is_own(name: &str) -> bool {
    ["embedding.", "bottom_mlp.", "top_mlp.", "optimizer."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Whether a word of a name says that it is an embedding.
pub(super) fn is_named_like_a_table(name: &str) -> bool {
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
pub(super) fn is_optimiser_state(name: &str) -> bool {
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

/// The feature and factor number of a tensor of a model, or why it belongs to no table. The feature's name may hold dots.
pub(super) fn place_in_model(name: &str) -> Result<(&str, usize), String> {
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

/// The product and the factor's number in it that the name of another model's tensor speaks of: `X.factor.<j>`, as `mlet compress`
/// names the factors of a table `X`.
pub(super) fn place_in_product(name: &str) -> Option<(&str, usize)> {
    let (product, j) = name.rsplit_once(".factor.")?;
    let j = j.parse().ok().filter(|&j| j > 0)?;
    (!product.is_empty()).then_some((product, j))
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
}
