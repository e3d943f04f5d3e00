//! A directory that appears whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use super::PrepareError;

/// A temporary directory beside the target, renamed to it at the end and removed on any other way out.
#[derive(Debug)]
pub(super) struct Staging {
    temporary: tempfile::TempDir,
    target: PathBuf,
    replace: bool,
}

impl Staging {
    /// Makes the temporary directory. `target` must not exist, be empty, or (with `replace`) be a prepared data set.
    pub fn create(target: &Path, replace: bool) -> Result<Staging, PrepareError> {
        let io = |source| PrepareError::Io {
            path: target.to_owned(),
            source,
        };
        check_target(target, replace)?;
        // a link or `.` stands for the directory behind it
        let target = if target.exists() {
            target.canonicalize()
        } else {
            std::path::absolute(target)
        }
        .map_err(io)?;
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned());
        let (Some(parent), Some(name)) = (target.parent(), name) else {
            return Err(PrepareError::Exists {
                path: target,
                advice: "name a directory that does not exist yet",
            });
        };
        fs::create_dir_all(parent).map_err(|source| PrepareError::Io {
            path: parent.to_owned(),
            source,
        })?;
        let temporary = tempfile::Builder::new()
            .prefix(&format!(".{name}.preparing-"))
            .tempdir_in(parent);
        let temporary = temporary.map_err(|source| PrepareError::Io {
            path: parent.to_owned(),
            source,
        })?;
        let staging = Staging {
            temporary,
            target,
            replace,
        };
        let output = staging.output();
        fs::create_dir(&output).map_err(|source| PrepareError::Io { path: output, source })?;
        Ok(staging)
    }

    /// What will become the target.
    pub fn output(&self) -> PathBuf {
        self.temporary.path().join("output")
    }

    /// A file that is gone afterwards.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// Puts the output into its place.
    pub fn publish(self) -> Result<(), PrepareError> {
        let io = |source| PrepareError::Io {
            path: self.target.clone(),
            source,
        };
        check_target(&self.target, self.replace)?;
        let old = self.scratch("replaced");
        let replaced = self.target.exists();
        if replaced {
            fs::rename(&self.target, &old).map_err(io)?;
        }
        fs::rename(self.output(), &self.target).map_err(|source| {
            if replaced {
                let _ = fs::rename(&old, &self.target);
            }
            io(source)
        })
    }
}

/// Only what is surely a data set is ever replaced: `--force --out ~` must not empty a home.
fn check_target(target: &Path, replace: bool) -> Result<(), PrepareError> {
    let exists = |advice| {
        Err(PrepareError::Exists {
            path: target.to_owned(),
            advice,
        })
    };
    let entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return exists("it is not a directory; name another one");
        }
        Err(source) => {
            return Err(PrepareError::Io {
                path: target.to_owned(),
                source,
            });
        }
    };
    let mut entries = entries.peekable();
    match (entries.peek().is_none(), target.join("dataset.toml").is_file(), replace) {
        (true, _, _) | (false, true, true) => Ok(()),
        (false, true, false) => exists("it holds a data set; --force replaces it"),
        (false, false, _) => exists("it is neither empty nor a prepared data set; name another one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn published_or_nothing() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a/b");
        drop(Staging::create(&target, false).unwrap());
        assert!(names(&root.path().join("a")).is_empty());
        for content in ["1", "2"] {
            let staging = Staging::create(&target, true).unwrap();
            fs::write(staging.output().join("dataset.toml"), content).unwrap();
            staging.publish().unwrap();
            assert_eq!(names(&root.path().join("a")), ["b"]);
            assert_eq!(fs::read_to_string(target.join("dataset.toml")).unwrap(), content);
        }
        assert!(matches!(
            Staging::create(&target, false),
            Err(PrepareError::Exists { .. })
        ));
        assert!(matches!(
            Staging::create(root.path(), true),
            Err(PrepareError::Exists { .. })
        ));
        assert!(matches!(
            Staging::create(&target.join("dataset.toml"), true),
            Err(PrepareError::Exists { .. })
        ));
    }
}
