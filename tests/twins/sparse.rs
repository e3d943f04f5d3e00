//! Plans of the operations on unique rows, bags and shards.

use super::plan::Plan;
use mlet::backend::layout::stride;
use mlet::backend::{Matrix, Shard, ShardedRows, SparseBatch};
use mlet::kernels::rule::Rule;
use mlet::kernels::{Operation, embedding, factor, gather, pool, update_rows};
use std::collections::{BTreeMap, BTreeSet};

/// A batch to be made: rows of each table, examples, examples that are padding, the longest bag.
#[derive(Clone, Copy)]
pub struct Sizes {
    tables: &'static [usize],
    batch: usize,
    padding: usize,
    longest: u32,
    /// Rows of a shard, where shards are forced to be small.
    shard_rows: usize,
}

/// One row in one table; an ordinary batch; tables just below, at and above 64 rows with a feature that is always empty,
/// and bags of several rows; a short batch; many uses of few rows; and enough rows for sums in parts.
const BATCHES: [Sizes; 6] = [
    Sizes {
        tables: &[1],
        batch: 1,
        padding: 0,
        longest: 1,
        shard_rows: 1,
    },
    Sizes {
        tables: &[3, 1000, 20],
        batch: 65,
        padding: 0,
        longest: 1,
        shard_rows: 64,
    },
    Sizes {
        tables: &[63, 0, 64, 65, 500],
        batch: 130,
        padding: 0,
        longest: 5,
        shard_rows: 63,
    },
    Sizes {
        tables: &[7, 300],
        batch: 64,
        padding: 50,
        longest: 2,
        shard_rows: 7,
    },
    Sizes {
        tables: &[1, 2],
        batch: 300,
        padding: 1,
        longest: 3,
        shard_rows: 1,
    },
    Sizes {
        tables: &[40, 3000],
        batch: 1100,
        padding: 3,
        longest: 1,
        shard_rows: 2000,
    },
];

/// (inputs, outputs) of a factor.
const FACTORS: [(usize, usize); 5] = [(1, 1), (5, 3), (64, 16), (16, 66), (65, 7)];

pub fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for sizes in BATCHES {
        for factor in FACTORS {
            plans.extend([
                factor_forward(sizes, factor),
                factor_input(sizes, factor),
                factor_weight(sizes, factor, false),
                factor_weight(sizes, factor, true),
                embedding_forward(sizes, factor),
                embedding_backward(sizes, factor, false),
                embedding_backward(sizes, factor, true),
            ]);
        }
        for width in [1, 3, 16, 66] {
            plans.extend([pool_forward(sizes, width), pool_backward(sizes, width)]);
            for shard_rows in [sizes.shard_rows, 10_000] {
                plans.push(gather(sizes, width, shard_rows));
                plans.extend((0..3).map(|rule| update(sizes, width, shard_rows, rule)));
            }
        }
    }
    plans
}

struct Made {
    batch: SparseBatch,
    rows: Vec<u32>,
    table_rows: Vec<usize>,
    longest_use: usize,
}

/// Random bags, sorted as the loader sorts them. `shard_rows` are the rows of a shard.
fn batch(plan: &mut Plan, sizes: Sizes, shard_rows: usize) -> Made {
    let features = sizes.tables.len();
    let mut bags: Vec<Vec<u32>> = Vec::new();
    for b in 0..sizes.batch {
        let mut base = 0;
        for &rows in sizes.tables {
            let mut bag = Vec::new();
            if rows > 0 && b < sizes.batch - sizes.padding {
                let length = if sizes.longest == 1 {
                    1
                } else {
                    plan.below(sizes.longest + 1)
                };
                // The first rows are the frequent ones, as in a click log; a bag may hold a row twice.
                bag.extend((0..length).map(|_| base + plan.below(rows as u32).min(plan.below(rows as u32))));
            }
            bags.push(bag);
            base += rows as u32;
        }
    }
    let unique: Vec<u32> = bags
        .iter()
        .flatten()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let place: BTreeMap<u32, u32> = (0..).zip(&unique).map(|(place, &row)| (row, place)).collect();
    let mut uses = vec![Vec::new(); unique.len()];
    for (bag, rows) in (0..).zip(&bags) {
        rows.iter().for_each(|row| uses[place[row] as usize].push(bag));
    }
    let ends = |limits: &[usize]| -> Vec<u32> {
        let below = |&limit: &usize| unique.partition_point(|&row| (row as usize) < limit) as u32;
        std::iter::once(0).chain(limits.iter().map(below)).collect()
    };
    let running = |lengths: &[usize]| -> Vec<u32> {
        let sums = lengths.iter().scan(0, |sum, &length| {
            *sum += length as u32;
            Some(*sum)
        });
        std::iter::once(0).chain(sums).collect()
    };
    let tables: Vec<usize> = running(sizes.tables)
        .into_iter()
        .skip(1)
        .map(|end| end as usize)
        .collect();
    let total = tables.last().copied().unwrap_or(0);
    let shards: Vec<usize> = (1..=total.div_ceil(shard_rows))
        .map(|s| (s * shard_rows).min(total))
        .collect();
    let entries: usize = bags.iter().map(Vec::len).sum();
    // Room for more than there is, with row numbers that nothing may follow.
    let capacity = entries + 19;
    let room = |mut values: Vec<u32>| {
        values.resize(capacity, u32::MAX);
        values
    };
    let lengths: Vec<usize> = bags.iter().map(Vec::len).collect();
    let use_lengths: Vec<usize> = uses.iter().map(Vec::len).collect();
    let unique_table = unique
        .iter()
        .map(|&row| tables.partition_point(|&end| end <= row as usize) as u32)
        .collect();
    let mut use_offsets = running(&use_lengths);
    use_offsets.resize(capacity + 1, u32::MAX);
    Made {
        batch: SparseBatch {
            num_tables: features,
            num_bags: bags.len(),
            capacity,
            counts: plan.ints(vec![(sizes.batch - sizes.padding) as u32, unique.len() as u32, 0, 0]),
            table_start: plan.ints(ends(&tables)),
            shard_start: plan.ints(ends(&shards)),
            unique_rows: plan.ints(room(unique.clone())),
            unique_table: plan.ints(room(unique_table)),
            bag_offsets: plan.ints(running(&lengths)),
            bag_entries: plan.ints(room(bags.iter().flatten().map(|row| place[row]).collect())),
            use_offsets: plan.ints(use_offsets),
            uses: plan.ints(room(uses.concat())),
        },
        table_rows: ends(&tables)
            .windows(2)
            .map(|ends| (ends[1] - ends[0]) as usize)
            .collect(),
        longest_use: use_lengths.into_iter().chain(lengths).max().unwrap_or(0),
        rows: unique,
    }
}

fn name(what: &str, sizes: Sizes) -> String {
    let Sizes {
        tables,
        batch,
        padding,
        longest,
        ..
    } = sizes;
    format!("{what}, tables {tables:?}, batch {batch} − {padding}, bags up to {longest}")
}

/// One row a unique row, only those random.
fn unique_input(plan: &mut Plan, made: &Made, cols: usize) -> Matrix {
    let input = plan.input(made.batch.capacity, cols);
    plan.poison_from(input, made.rows.len());
    input
}

fn factor_forward(sizes: Sizes, (inputs, outputs): (usize, usize)) -> Plan {
    let mut plan = Plan::new(name(&format!("factor forward {inputs} → {outputs}"), sizes));
    let made = batch(&mut plan, sizes, 100);
    let x = unique_input(&mut plan, &made, inputs);
    let weight = plan.input(sizes.tables.len() * inputs, outputs);
    let y = plan.output(made.batch.capacity, outputs);
    let op = factor::Forward {
        batch: made.batch,
        x,
        weight,
        y,
    };
    plan.runs(Operation::FactorForward(op), inputs as f64 + 1.0)
}

fn factor_input(sizes: Sizes, (inputs, outputs): (usize, usize)) -> Plan {
    let mut plan = Plan::new(name(&format!("factor backward_input {inputs} → {outputs}"), sizes));
    let made = batch(&mut plan, sizes, 100);
    let grad_y = unique_input(&mut plan, &made, outputs);
    let weight = plan.input(sizes.tables.len() * inputs, outputs);
    let grad_x = plan.output(made.batch.capacity, inputs);
    let op = factor::BackwardInput {
        batch: made.batch,
        grad_y,
        weight,
        grad_x,
    };
    plan.runs(Operation::FactorBackwardInput(op), outputs as f64 + 1.0)
}

/// As `linear_weight` of dense.rs.
fn factor_weight(sizes: Sizes, (inputs, outputs): (usize, usize), adagrad: bool) -> Plan {
    let what = format!("factor backward_weight {inputs} → {outputs}, adagrad {adagrad}");
    let mut plan = Plan::new(name(&what, sizes));
    let made = batch(&mut plan, sizes, 100);
    let (x, grad_y) = (
        unique_input(&mut plan, &made, inputs),
        unique_input(&mut plan, &made, outputs),
    );
    plan.subtract(grad_y.buffer);
    let rows = sizes.tables.len() * inputs;
    let longest = made.table_rows.iter().max().copied().unwrap_or(0).max(1) as f64;
    let weight = plan.input(rows, outputs);
    let rule = match adagrad {
        true => {
            let sum = plan.input(rows, outputs).buffer;
            plan.map(sum, |s| s.abs() + (longest * longest) as f32);
            Rule::Adagrad { sum }
        }
        false => Rule::Sgd,
    };
    let op = factor::BackwardWeight {
        batch: made.batch,
        x,
        grad_y,
        weight,
        rule,
        scalars: plan.floats(vec![0.0, 0.3, 0.0, 0.0]),
        rate: 1,
    };
    let constant = if adagrad { 1.5 * longest + 21.0 } else { longest + 4.0 };
    plan.runs(Operation::FactorBackwardWeight(op), constant)
}

/// A gather and a factor in one; the CPU does not keep x.
fn embedding_forward(sizes: Sizes, (inputs, outputs): (usize, usize)) -> Plan {
    let mut plan = Plan::new(name(&format!("embedding forward {inputs} → {outputs}"), sizes));
    let total = sizes.tables.iter().sum();
    let made = batch(&mut plan, sizes, total);
    let tables = tables(&mut plan, sizes, inputs, total, false);
    let x = plan.output(made.batch.capacity, inputs);
    let kept = kept_rows(&plan, &made, &tables, x);
    plan.leaves(x.buffer, kept);
    let factor = factor::Forward {
        batch: made.batch,
        x,
        weight: plan.input(sizes.tables.len() * inputs, outputs),
        y: plan.output(made.batch.capacity, outputs),
    };
    let gather = gather::Forward {
        tables,
        batch: made.batch,
        x,
    };
    let operations = vec![Operation::GatherForward(gather), Operation::FactorForward(factor)];
    let operations = embedding::fuse(operations);
    assert_eq!(operations.len(), 1);
    plan.runs_all(operations, inputs as f64 + 1.0)
}

/// x as it is once the unique rows of the tables are in it.
fn kept_rows(plan: &Plan, made: &Made, tables: &ShardedRows, x: Matrix) -> Vec<f32> {
    let stride = x.stride();
    let mut kept = plan.values(x.buffer).to_vec();
    for (&row, kept) in made.rows.iter().zip(kept.chunks_exact_mut(stride)) {
        let at = row as usize * stride;
        kept.copy_from_slice(&plan.values(tables.shards[0].buffer)[at..at + stride]);
    }
    kept
}

/// A factor's backward pass and the step of the rows in one: the constants of both weights' steps.
fn embedding_backward(sizes: Sizes, (inputs, outputs): (usize, usize), adagrad: bool) -> Plan {
    let what = format!("embedding backward {inputs} → {outputs}, adagrad {adagrad}");
    let mut plan = Plan::new(name(&what, sizes));
    let total = sizes.tables.iter().sum();
    let made = batch(&mut plan, sizes, total);
    let longest = made.table_rows.iter().max().copied().unwrap_or(0).max(1);
    let terms = longest.max(outputs) as f64;
    let w1 = tables(&mut plan, sizes, inputs, total, false);
    let grad_y = unique_input(&mut plan, &made, outputs);
    plan.subtract(grad_y.buffer);
    let weight = plan.input(sizes.tables.len() * inputs, outputs);
    let (rule, rows_rule) = match adagrad {
        true => {
            let sum = plan.input(sizes.tables.len() * inputs, outputs).buffer;
            let sums = tables(&mut plan, sizes, inputs, total, true);
            for buffer in [sum, sums.shards[0].buffer] {
                plan.map(buffer, |s| s.abs() + (terms * terms) as f32);
            }
            (Rule::Adagrad { sum }, update_rows::Rule::Adagrad { sum: sums })
        }
        false => (Rule::Sgd, update_rows::Rule::Sgd),
    };
    // What the CPU gathers anew, a device has kept.
    // The forward pass keeps what the backward pass takes.
    let x = plan.output(made.batch.capacity, inputs);
    plan.leave_out(x.buffer);
    let y = plan.output(made.batch.capacity, outputs);
    let grad_x = plan.output(made.batch.capacity, inputs);
    plan.leave_out(grad_x.buffer);
    let scalars = plan.floats(vec![0.0, 0.3, 0.0, 0.0]);
    let operations = vec![
        Operation::GatherForward(gather::Forward {
            tables: w1.clone(),
            batch: made.batch,
            x,
        }),
        Operation::FactorForward(factor::Forward {
            batch: made.batch,
            x,
            weight,
            y,
        }),
        Operation::FactorBackwardInput(factor::BackwardInput {
            batch: made.batch,
            grad_y,
            weight,
            grad_x,
        }),
        Operation::FactorBackwardWeight(factor::BackwardWeight {
            batch: made.batch,
            x,
            grad_y,
            weight,
            rule,
            scalars,
            rate: 1,
        }),
        Operation::UpdateRows(update_rows::UpdateRows {
            rule: rows_rule,
            tables: w1,
            batch: made.batch,
            grad: grad_x,
            scalars,
            rate: 1,
        }),
    ];
    let terms = terms.max(inputs as f64);
    let constant = if adagrad { 1.5 * terms + 21.0 } else { terms + 4.0 };
    let operations = embedding::fuse(operations);
    assert_eq!(operations.len(), 2);
    plan.runs_all(operations, constant)
}

fn pool_forward(sizes: Sizes, width: usize) -> Plan {
    let mut plan = Plan::new(name(&format!("pool forward {width}"), sizes));
    let made = batch(&mut plan, sizes, 100);
    let y = unique_input(&mut plan, &made, width);
    let pooled = plan.whole_output(made.batch.num_bags, width);
    let op = pool::Forward {
        batch: made.batch,
        y,
        pooled,
    };
    plan.runs(Operation::PoolForward(op), made.longest_use as f64)
}

fn pool_backward(sizes: Sizes, width: usize) -> Plan {
    let mut plan = Plan::new(name(&format!("pool backward {width}"), sizes));
    let made = batch(&mut plan, sizes, 100);
    let grad_pooled = plan.input(made.batch.num_bags, width);
    let grad_y = plan.output(made.batch.capacity, width);
    let op = pool::Backward {
        batch: made.batch,
        grad_pooled,
        grad_y,
    };
    plan.runs(Operation::PoolBackward(op), made.longest_use as f64)
}

/// The tables in shards of `shard_rows` rows each.
fn tables(plan: &mut Plan, sizes: Sizes, cols: usize, shard_rows: usize, positive: bool) -> ShardedRows {
    let total = sizes.tables.iter().sum();
    let ranges = ShardedRows::cut(total, cols, shard_rows * stride(cols));
    let shard = |range: std::ops::Range<usize>| {
        let buffer = plan.input(range.len(), cols).buffer;
        if positive {
            plan.map(buffer, f32::abs);
        }
        Shard {
            buffer,
            first_row: range.start,
            rows: range.len(),
        }
    };
    ShardedRows {
        shards: ranges.into_iter().map(shard).collect(),
        cols,
    }
}

fn gather(sizes: Sizes, width: usize, shard_rows: usize) -> Plan {
    let mut plan = Plan::new(name(&format!("gather {width}, shards of {shard_rows}"), sizes));
    let made = batch(&mut plan, sizes, shard_rows);
    let tables = tables(&mut plan, sizes, width, shard_rows, false);
    let x = plan.output(made.batch.capacity, width);
    let op = gather::Forward {
        tables,
        batch: made.batch,
        x,
    };
    plan.runs(Operation::GatherForward(op), 0.0)
}

/// The constants of `update`, and the row's mean of squares, a sum of `width` terms.
fn update(sizes: Sizes, width: usize, shard_rows: usize, rule: usize) -> Plan {
    let rule_name = ["sgd", "adagrad", "rowwise_adagrad"][rule];
    let mut plan = Plan::new(name(
        &format!("update_rows {rule_name} {width}, shards of {shard_rows}"),
        sizes,
    ));
    let made = batch(&mut plan, sizes, shard_rows);
    let parameters = tables(&mut plan, sizes, width, shard_rows, false);
    let grad = unique_input(&mut plan, &made, width);
    plan.subtract(grad.buffer);
    let rule = match rule {
        0 => update_rows::Rule::Sgd,
        1 => update_rows::Rule::Adagrad {
            sum: tables(&mut plan, sizes, width, shard_rows, true),
        },
        _ => update_rows::Rule::RowwiseAdagrad {
            sum: tables(&mut plan, sizes, 1, shard_rows, true),
        },
    };
    let scalars = plan.floats(vec![0.0, 0.3, 0.0, 0.0]);
    let op = update_rows::UpdateRows {
        rule,
        tables: parameters,
        batch: made.batch,
        grad,
        scalars,
        rate: 1,
    };
    plan.runs(Operation::UpdateRows(op), width as f64 + 22.0)
}
