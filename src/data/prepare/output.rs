//! Second pass: the spool → splits, tables, vocabularies.

use std::fs::File;
use std::io::BufReader;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use rayon::prelude::*;

use super::columns::{BatchSlices, split_code};
use super::number::Read;
use super::split_file::SplitFile;
use super::staging::Staging;
use super::tables::Table;
use super::values::Values;
use super::{OnProgress, Options, Phase, PrepareError, Progress, append_value};
use crate::data::schema::{PerSplit, Split};
use crate::data::source::{RawCategorical, RawFeatures, SourceProgress, SplitRule};
use crate::data::vocabulary;

/// What the second pass wrote.
pub(super) struct Written {
    pub rows: PerSplit,
    pub positives: PerSplit,
    pub tables: Vec<Table>,
}

pub(super) fn write(
    staging: &Staging,
    features: &RawFeatures,
    read: &Read,
    rule: SplitRule,
    options: &Options,
    on_progress: &mut OnProgress<'_>,
) -> Result<Written, PrepareError> {
    let pass = Pass {
        read,
        rule,
        num_dense: features.dense.len(),
    };
    // without an option that asks for them the uses need not be known beforehand, and are counted on the way
    let before = options.min_count.is_some() || options.max_rows_per_table.is_some();
    let mut tables = if before {
        pass.tables(options, on_progress)?
    } else {
        pass.plain_tables()
    };
    let mut outputs = Vec::new();
    for split in Split::ALL {
        outputs.push(SplitFile::create(
            staging.output().join(format!("{split}.arrow")),
            features,
        )?);
    }
    let (mut rows, mut positives) = (PerSplit::default(), PerSplit::default());
    pass.each_batch(on_progress, |batch, splits| {
        let mut picked: [Vec<u32>; 3] = Default::default();
        for (row, (&code, &label)) in splits.iter().zip(batch.labels).enumerate() {
            let split = Split::ALL[usize::from(code)];
            picked[usize::from(code)].push(row as u32);
            *rows.get_mut(split) += 1;
            *positives.get_mut(split) += u64::from(label == 1.0);
        }
        if !before {
            count_uses(tables.iter_mut().map(|table| &mut table.frequencies), batch, &picked[0]);
        }
        outputs
            .iter_mut()
            .zip(&picked)
            .try_for_each(|(output, picked)| output.push(batch, picked, &tables))
    })?;
    outputs.into_iter().try_for_each(SplitFile::finish)?;
    write_vocabularies(staging, features, read, &tables)?;
    Ok(Written {
        rows,
        positives,
        tables,
    })
}

/// How the spool is read.
struct Pass<'a> {
    read: &'a Read,
    rule: SplitRule,
    num_dense: usize,
}

impl Pass<'_> {
    /// Every category keeps its row, used 0 times so far.
    fn plain_tables(&self) -> Vec<Table> {
        let table = |rows| Table {
            frequencies: vec![0; rows],
            ..Table::default()
        };
        self.read
            .categories
            .iter()
            .map(|categories| table(categories.len()))
            .collect()
    }

    /// Counts the uses in the training split and decides who keeps a row.
    fn tables(&self, options: &Options, on_progress: &mut OnProgress<'_>) -> Result<Vec<Table>, PrepareError> {
        let mut counted = self.plain_tables();
        let train = split_code(Some(Split::Train));
        self.each_batch(on_progress, |batch, splits| {
            let picked = (0..).zip(splits).filter(|&(_, &code)| code == train);
            let picked: Vec<u32> = picked.map(|(row, _)| row).collect();
            count_uses(counted.iter_mut().map(|table| &mut table.frequencies), batch, &picked);
            Ok(())
        })?;
        let table = |counted: Table| Table::new(counted.frequencies, options.min_count, options.max_rows_per_table);
        Ok(counted.into_par_iter().map(table).collect())
    }

    /// Calls `each` with every spooled batch and the split of each of its rows, while the batch behind it is read.
    fn each_batch(
        &self,
        on_progress: &mut OnProgress<'_>,
        mut each: impl FnMut(&BatchSlices<'_>, &[u8]) -> Result<(), PrepareError> + Send,
    ) -> Result<(), PrepareError> {
        let path = &self.read.spool;
        let arrow = |source| PrepareError::Arrow {
            path: path.clone(),
            source,
        };
        let file = File::open(path).map_err(|source| PrepareError::Io {
            path: path.clone(),
            source,
        })?;
        let mut reader = StreamReader::try_new(BufReader::with_capacity(1 << 20, file), None).map_err(arrow)?;
        let mut next = reader.next();
        let mut first = 0;
        while let Some(batch) = next {
            let batch: RecordBatch = batch.map_err(arrow)?;
            let slices = BatchSlices::new(&batch, self.num_dense);
            let slices = slices.ok_or_else(|| arrow(ArrowError::SchemaError("not the spooled columns".into())))?;
            let each_of_it = || match in_order(self.rule, self.read.rows) {
                None => each(&slices, slices.splits),
                Some(bounds) => {
                    let place = |row: u64| bounds.iter().filter(|&&bound| row >= bound).count() as u8;
                    let splits: Vec<u8> = (first..).take(batch.num_rows()).map(place).collect();
                    each(&slices, &splits)
                }
            };
            let (read, done) = rayon::join(|| reader.next(), each_of_it);
            done?;
            next = read;
            first += batch.num_rows() as u64;
            let work = SourceProgress {
                done: first,
                total: Some(self.read.rows),
            };
            if on_progress(Progress {
                phase: Phase::Write,
                work,
                rows: self.read.rows,
            })
            .is_break()
            {
                return Err(PrepareError::Interrupted);
            }
        }
        Ok(())
    }
}

/// Adds the uses by the rows `picked`, feature by feature.
fn count_uses<'a>(frequencies: impl Iterator<Item = &'a mut Vec<u64>>, batch: &BatchSlices<'_>, picked: &[u32]) {
    let columns: Vec<_> = frequencies.zip(&batch.bags).collect();
    columns.into_par_iter().for_each(|(frequencies, column)| {
        for &row in picked {
            column
                .bag(row as usize)
                .iter()
                .for_each(|&category| frequencies[category as usize] += 1);
        }
    });
}

/// Where validation and test start among `rows` rows, if their order decides. What does not divide goes to the training
/// split first, then to the test.
fn in_order(rule: SplitRule, rows: u64) -> Option<[u64; 2]> {
    let SplitRule::InOrder(weights) = rule else { return None };
    let [train, validation, test] = weights.map(u128::from);
    let rest = (u128::from(rows) * (validation + test)) / (train + validation + test).max(1);
    let validating = rest * validation / (validation + test).max(1);
    let training = u128::from(rows) - rest;
    // neither is greater than `rows`
    Some([training as u64, (training + validating) as u64])
}

fn write_vocabularies(
    staging: &Staging,
    features: &RawFeatures,
    read: &Read,
    tables: &[Table],
) -> Result<(), PrepareError> {
    let directory = staging.output().join("vocabulary");
    std::fs::create_dir(&directory).map_err(|source| PrepareError::Io {
        path: directory.clone(),
        source,
    })?;
    let columns = features.categorical.par_iter().zip(&read.categories).zip(tables);
    let write = |((feature, categories), table): ((&RawCategorical, &Values), &Table)| {
        if table.len() == 0 {
            let message = "has no category in any row; leave it out".to_owned();
            return Err(PrepareError::Feature {
                name: feature.name.clone(),
                message,
            });
        }
        let path = directory.join(vocabulary::file_name(&feature.name));
        let append = |row: usize, text: &mut Vec<u8>| append_value(categories, table, row, text);
        vocabulary::write(&path, append, &table.frequencies)?;
        Ok(())
    };
    // of several failures the first
    columns.map(write).collect::<Vec<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_criteo_rule_is_six_sevenths_and_two_halves() {
        let bounds = |rows| in_order(SplitRule::InOrder([12, 1, 1]), rows);
        assert_eq!(
            bounds(45_840_617),
            Some([45_840_617 - 6_548_659, 45_840_617 - 6_548_659 + 3_274_329])
        );
        assert_eq!(bounds(14), Some([12, 13]));
        assert_eq!(bounds(13), Some([12, 12]));
        assert_eq!(bounds(1), Some([1, 1]));
        assert_eq!(in_order(SplitRule::InOrder([1, 0, 0]), 5), Some([5, 5]));
        assert_eq!(in_order(SplitRule::Random([8, 1, 1]), 5), None);
    }
}
