//! `plan.toml`: data, arms, seeds.

use super::metric::Metric;
use super::prepared::Source;
use crate::model::Config;
use crate::model::config::overlay;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The file's name in a study's directory.
pub const FILE: &str = "plan.toml";

/// What a study does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The study's directory.
    pub directory: PathBuf,
    /// In a few words.
    pub title: String,
    /// What it asks.
    pub question: String,
    /// What is trained on.
    pub data: Source,
    /// One run an arm for each.
    pub seeds: Vec<u64>,
    /// What is compared; the others are compared with the first.
    pub arms: Vec<Arm>,
    /// What the table shows, the first one being what decides.
    pub metrics: Vec<Metric>,
    /// Runs at the same time on the CPU; absent: as many as there are cores.
    pub parallel: Option<usize>,
}

/// One configuration of a study.
#[derive(Debug, Clone)]
pub struct Arm {
    /// In the tables and plots.
    pub name: String,
    /// Its folder under `runs/`.
    pub folder: String,
    /// Its settings, the plan's `[base]` beneath; `data`, `seed`, `device` and `threads` are the study's to fill in.
    pub config: Config,
}

/// Why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("{}: {source}; a study is a directory with a {FILE}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, lacks something, or holds a key or value that cannot be used.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the key.
        message: String,
    },
}

/// The file as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    question: String,
    data: toml::Table,
    seeds: Vec<u64>,
    #[serde(default)]
    base: toml::Table,
    arms: Vec<toml::Table>,
    metrics: Option<Vec<String>>,
    parallel: Option<usize>,
}

/// Settings of a run that a study gives itself.
const OWN: [(&str, &str); 4] = [
    ("data", "the plan's [data] says what is trained on"),
    ("seed", "the plan's seeds are those of the runs"),
    ("device", "say it on the command line, --device"),
    ("threads", "the study divides the cores among its runs"),
];

impl Plan {
    /// Reads `plan.toml` of the study in `directory`.
    ///
    /// # Errors
    /// [`PlanError`], with the file and the key.
    pub fn load(directory: &Path) -> Result<Plan, PlanError> {
        let path = directory.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| PlanError::Read {
            path: path.clone(),
            source,
        })?;
        Self::parse(directory, &text).map_err(|message| PlanError::Content { path, message })
    }

    /// Reads a plan from its text; the message of an error names the key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(directory: &Path, text: &str) -> Result<Plan, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        distinct("seeds", file.seeds.iter())?;
        if file.parallel == Some(0) {
            return Err("parallel = 0: must be at least 1; leave it out for one run a core".into());
        }
        refuse_own(&file.base, "[base]")?;
        Config::from_table(file.base.clone(), "[base]").map_err(|error| error.to_string())?;
        let arms = file.arms.into_iter().map(|settings| arm(settings, &file.base));
        let arms = arms.collect::<Result<Vec<_>, _>>()?;
        distinct("arms", arms.iter().map(|arm| &arm.name))?;
        for (place, arm) in arms.iter().enumerate() {
            if let Some(other) = arms[..place].iter().find(|other| other.folder == arm.folder) {
                let (one, two) = (&other.name, &arm.name);
                return Err(format!(
                    "arms: {one:?} and {two:?} would share the folder runs/{}",
                    arm.folder
                ));
            }
        }
        let metrics = match file.metrics {
            Some(names) => names.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?,
            None => Metric::DEFAULT.to_vec(),
        };
        distinct("metrics", metrics.iter())?;
        Ok(Plan {
            directory: directory.to_path_buf(),
            title: file.title,
            question: file.question.trim().to_owned(),
            data: Source::parse(file.data, directory)?,
            seeds: file.seeds,
            arms,
            metrics,
            parallel: file.parallel,
        })
    }
}

/// An arm's table laid on the base.
pub(super) fn arm(mut settings: toml::Table, base: &toml::Table) -> Result<Arm, String> {
    let name = match settings.remove("name") {
        Some(toml::Value::String(name)) if !name.trim().is_empty() => name.trim().to_owned(),
        Some(_) => return Err("arms: name must be a text that is not empty".into()),
        None => return Err("arms: every arm needs a name".into()),
    };
    let origin = format!("arm {name:?}");
    refuse_own(&settings, &origin)?;
    let mut table = base.clone();
    overlay(&mut table, settings);
    let config = Config::from_table(table, &origin).map_err(|error| format!("{origin}: {error}"))?;
    let folder = folder(&name).ok_or_else(|| format!("{origin}: a name needs a letter or a digit"))?;
    Ok(Arm { name, folder, config })
}

/// `two layers (64, 8)` → `two-layers-64-8`.
fn folder(name: &str) -> Option<String> {
    let words = name.split(|c: char| !c.is_alphanumeric() && c != '.');
    let words: Vec<String> = words
        .map(|word| word.trim_matches('.').to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    (!words.is_empty()).then(|| words.join("-"))
}

pub(super) fn refuse_own(table: &toml::Table, origin: &str) -> Result<(), String> {
    let own = OWN.iter().find(|(key, _)| table.contains_key(*key));
    own.map_or(Ok(()), |(key, why)| {
        Err(format!("{origin}: {key} cannot be set here: {why}"))
    })
}

/// There must be some, each once.
fn distinct<T: PartialEq + std::fmt::Display>(key: &str, values: impl Iterator<Item = T>) -> Result<(), String> {
    let values: Vec<T> = values.collect();
    if values.is_empty() {
        return Err(format!("{key}: at least one is needed"));
    }
    for (place, value) in values.iter().enumerate() {
        if values[..place].contains(value) {
            return Err(format!("{key}: {value} stands there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
        title = "A title"
        question = "A question?"
        seeds = [0, 1]
        [data]
        kind = "flights"
        [base]
        model.top_mlp = [16]
        optimizer.learning_rate = 0.1
        [[arms]]
        name = "single d=8"
        model.embedding_dim = 8
        [[arms]]
        name = "two layers (64, 8)"
        model = { embedding_dim = 8, inner_dim = 64 }
    "#;

    fn parse(text: &str) -> Result<Plan, String> {
        Plan::parse(Path::new("study"), text)
    }

    #[test]
    fn arms_lie_on_the_base() {
        let plan = parse(PLAN).unwrap();
        assert_eq!(plan.arms[0].folder, "single-d-8");
        assert_eq!(plan.arms[1].folder, "two-layers-64-8");
        assert_eq!(plan.arms[1].config.model.inner_dim, Some(64));
        assert_eq!(plan.arms[1].config.model.top_mlp, [16]);
        assert_eq!(plan.arms[0].config.optimizer.learning_rate, 0.1);
        assert_eq!(plan.metrics, Metric::DEFAULT);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |from: &str, to: &str| {
            assert!(PLAN.contains(from));
            parse(&PLAN.replace(from, to)).unwrap_err()
        };
        let cases = [
            (wrong("title =", "titel ="), "titel"),
            (wrong("top_mlp", "topmlp"), "topmlp"),
            (wrong("embedding_dim = 8,", "embeding_dim = 8,"), "two layers (64, 8)"),
            (wrong("embedding_dim = 8,", "embeding_dim = 8,"), "embeding_dim"),
            (wrong("[0, 1]", "[0, 0]"), "seeds: 0"),
            (wrong("[0, 1]", "[]"), "seeds"),
            (wrong("[0, 1]", "[-1]"), "-1"),
            (wrong("two layers (64, 8)", "single d=8"), "single d=8"),
            (wrong("two layers (64, 8)", "Single D 8"), "runs/single-d-8"),
            (wrong("two layers (64, 8)", "(...)"), "a letter"),
            (wrong("\"flights\"", "\"trains\""), "trains"),
            (wrong("\"flights\"", "\"flights\"\nsede = 1"), "sede"),
            (wrong("optimizer.learning_rate = 0.1", "seed = 3"), "[base]: seed"),
            (wrong("model.embedding_dim = 8", "device = \"cpu\""), "--device"),
            (wrong("inner_dim = 64", "inner_dim = 0"), "model.inner_dim"),
            (wrong("seeds", "parallel = 0\nseeds"), "parallel"),
            (wrong("seeds", "metrics = [\"test.auk\"]\nseeds"), "test.auk"),
        ];
        for (message, part) in cases {
            assert!(message.contains(part), "{part:?} is missing in: {message}");
        }
    }
}
