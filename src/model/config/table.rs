//! Settings as TOML tables, laid on one another.

use super::ConfigError;
use std::path::Path;

/// Reads a TOML file as a table.
pub fn read_table(path: &Path) -> Result<toml::Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })?;
    text.parse().map_err(|error: toml::de::Error| ConfigError::Parse {
        origin: path.display().to_string(),
        message: error.to_string().trim().into(),
    })
}

/// Puts `a.b=c` into a table. The right side is read as TOML; what is not TOML is taken as a string.
pub fn set(table: &mut toml::Table, setting: &str) -> Result<(), ConfigError> {
    let problem = |message: &str| ConfigError::Parse {
        origin: format!("--set {setting}"),
        message: message.into(),
    };
    let (key, value) = setting.split_once('=').ok_or_else(|| problem("expected key=value"))?;
    let value = match format!("value = {value}").parse::<toml::Table>() {
        Ok(mut parsed) => parsed.remove("value").ok_or_else(|| problem("expected one value"))?,
        Err(_) => toml::Value::String(value.into()),
    };
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let last = path
        .pop()
        .filter(|last| !last.is_empty())
        .ok_or_else(|| problem("the key is empty"))?;
    let mut inner = table;
    for part in path {
        inner = inner
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| problem("a part of the key is a value, not a table"))?;
    }
    inner.insert(last.into(), value);
    Ok(())
}

/// Lays `over` on `table`, key by key, tables inside tables.
pub fn overlay(table: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => overlay(inner, value),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}
