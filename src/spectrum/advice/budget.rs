//! Which ranks to choose where all tables together may take so many bytes.
//!
//! What is minimised is `Σ_t w_t·‖W_t − Ŵ_t‖_F²`, a table's part being `w_t·Σ_{i>d'} σ²_{t,i}` at rank d' (Eckart and Young). One
//! more direction of table t costs the same, (n_t + d_t) numbers, for every d', and gains the less the larger d' is; the last step,
//! to the whole table, may cost less. So each table offers a list of (bytes, gain) of which one entry is chosen: a multiple-choice
//! knapsack. That is NP-hard, but steps taken by gain per byte along each list's concave hull solve it where bytes may be divided
//! (Sinha and Zoltners, Operations Research 1979); so after every such step the choice is the best for the bytes it takes, and what
//! the steps leave of the budget can gain at most its size times the density of the first step that did not fit:
//! [`Plan::least_loss`]. Where every step within reach costs the same, the choice is optimal.

use super::{Form, Size};

/// A table to choose for.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its sizes.
    pub size: Size,
    /// Its singular values, descending.
    pub sigma: &'a [f64],
    /// w: how much its squared error counts; not negative.
    pub weight: f64,
}

/// A form for every table.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// A form a table, in the order of the candidates.
    pub forms: Vec<Form>,
    /// Bytes of all tables.
    pub bytes: u64,
    /// `Σ w·Σ_{i>d'} σ²` over `Σ w·Σσ²`: 0 to 1.
    pub loss: f64,
    /// No choice within the budget loses less than this; below `loss` at most by the gain of one step.
    pub least_loss: f64,
}

/// A budget below what the tables take at rank 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a budget of {budget} bytes is too small: with one column a table they take {least} bytes")]
pub struct TooSmall {
    /// The bytes asked for.
    pub budget: u64,
    /// The least that can be had.
    pub least: u64,
}

/// One form of a table: what it takes and what is lost with it.
#[derive(Debug, Clone, Copy)]
struct Choice {
    form: Form,
    bytes: u64,
    loss: f64,
}

/// Smaller first: rank 1, 2, … as long as that is smaller than the whole table, then the whole.
fn choices(table: &Candidate<'_>, unit: f64) -> Vec<Choice> {
    let squares: Vec<f64> = table.sigma.iter().map(|s| (s / unit) * (s / unit)).collect();
    let mut lost = vec![0.0; squares.len() + 1];
    for i in (0..squares.len()).rev() {
        lost[i] = lost[i + 1] + table.weight * squares[i]; // the smallest first, or they would vanish in the sum
    }
    let whole = table.size.whole();
    let bytes = table.size.bytes(whole);
    let narrower = (1..squares.len())
        .map(|rank| (Form::Factored(rank), lost[rank]))
        .map(|(form, loss)| Choice {
            form,
            bytes: table.size.bytes(form),
            loss,
        })
        .take_while(|choice| choice.bytes < bytes);
    let last = Choice {
        form: whole,
        bytes,
        loss: 0.0,
    };
    narrower.chain([last]).collect()
}

/// The step of the greatest gain per byte from one choice to a later one that takes at most `room` bytes more: which, and how
/// much a byte gains.
fn best_step(choices: &[Choice], from: usize, room: u64) -> Option<(usize, f64)> {
    let now = choices[from];
    let mut best: Option<(usize, f64)> = None;
    for (to, next) in choices.iter().enumerate().skip(from + 1) {
        let bytes = next.bytes - now.bytes;
        let density = (now.loss - next.loss) / bytes as f64;
        // Not >: of equal ones the longer step, so that a flat stretch is one step.
        if bytes <= room && best.is_none_or(|(_, found)| density >= found) {
            best = Some((to, density));
        }
    }
    best.filter(|&(_, density)| density > 0.0)
}

/// Chooses a form for every table so that together they take at most `budget` bytes and as little as possible is lost.
///
/// # Errors
/// [`TooSmall`] where the tables take more even with one column each.
pub fn within_budget(tables: &[Candidate<'_>], budget: u64) -> Result<Plan, TooSmall> {
    let greatest = tables
        .iter()
        .filter_map(|table| table.sigma.first())
        .fold(0.0, |a: f64, &b| a.max(b));
    let unit = if greatest > 0.0 { greatest } else { 1.0 }; // so that no square overflows
    let lists: Vec<Vec<Choice>> = tables.iter().map(|table| choices(table, unit)).collect();
    let energy = |table: &Candidate<'_>| {
        let squares = table.sigma.iter().rev().map(|s| (s / unit) * (s / unit));
        table.weight * squares.sum::<f64>()
    };
    let total: f64 = tables.iter().map(energy).sum();
    let mut at = vec![0; lists.len()];
    let least: u64 = lists.iter().map(|list| list[0].bytes).sum();
    let mut room = budget.checked_sub(least).ok_or(TooSmall { budget, least })?;
    let loss_of = |at: &[usize]| lists.iter().zip(at).map(|(list, &at)| list[at].loss).sum::<f64>();
    let mut least_loss = None;
    // The best step of each table, whether it fits or not.
    let mut steps: Vec<_> = lists.iter().map(|list| best_step(list, 0, u64::MAX)).collect();
    loop {
        let density = |t: &usize| steps[*t].map_or(f64::NEG_INFINITY, |(_, density)| density);
        let open = (0..lists.len()).filter(|&t| steps[t].is_some());
        // The first of equal ones, whatever the order of max_by.
        let Some(t) = open.reduce(|a, b| if density(&b) > density(&a) { b } else { a }) else {
            break;
        };
        let Some((to, density)) = steps[t] else { break };
        let bytes = lists[t][to].bytes - lists[t][at[t]].bytes;
        if bytes <= room {
            room -= bytes;
            at[t] = to;
            steps[t] = best_step(&lists[t], to, if least_loss.is_some() { room } else { u64::MAX });
            continue;
        }
        // Up to the first step that does not fit, this is the best division of the bytes; behind it, what still fits is taken.
        least_loss.get_or_insert_with(|| (loss_of(&at) - density * room as f64).max(0.0));
        steps[t] = best_step(&lists[t], at[t], room);
    }
    let loss = loss_of(&at);
    let share = |loss: f64| if total > 0.0 { loss / total } else { 0.0 };
    Ok(Plan {
        forms: lists.iter().zip(&at).map(|(list, &at)| list[at].form).collect(),
        bytes: budget - room,
        loss: share(loss),
        least_loss: share(least_loss.unwrap_or(loss)),
    })
}
