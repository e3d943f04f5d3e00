//! Plans of the Gram matrices of tables.

use super::plan::Plan;
use mlet::backend::Matrix;
use mlet::backend::layout::stride;
use mlet::kernels::Operation;
use mlet::kernels::gram::{Gram, Piece, Scratch};

/// (rows of each piece, k, m or none for A itself, rows of a chunk).
type Case = (&'static [usize], usize, Option<usize>, usize);

const CASES: [Case; 9] = [
    (&[1], 1, None, 64),
    (&[1], 1, Some(1), 64),
    (&[63], 5, None, 64),
    (&[65], 64, Some(16), 128),
    (&[64, 1, 130], 7, Some(3), 64),
    (&[200, 77], 17, None, 128),
    (&[300], 3, Some(70), 128),
    (&[4300], 4, Some(5), 4352),
    (&[9000, 33], 8, None, 4608),
];

pub fn plans() -> Vec<Plan> {
    CASES.into_iter().map(gram).collect()
}

/// The sum over the rows has `roundings_gpu` roundings; each factor of a term, a sum of k products, k + 1.
fn gram((pieces, k, m, chunk): Case) -> Plan {
    const TABLES: usize = 3;
    let mut plan = Plan::new(format!("gram {pieces:?} × {k}, right {m:?}, chunks of {chunk}"));
    let table = plan.below(TABLES as u32) as usize;
    let mut found = Vec::new();
    for &count in pieces {
        let before = plan.below(4) as usize;
        let rows = plan.input(before + count + 2, k);
        plan.poison_from(rows, before + count);
        let piece = Piece {
            buffer: rows.buffer,
            rows: before..before + count,
        };
        found.push(piece);
    }
    let right = m.map(|m| plan.input(TABLES * k, m));
    let cols = m.unwrap_or(k);
    let gram = plan.output(TABLES * cols, cols);
    // Neither block of another table nor padding is written; the CPU writes `low`, the GPU does not.
    plan.map(gram.buffer, |_| 0.0);
    let zeros = plan.floats(vec![0.0; TABLES * cols * stride(cols)]);
    let low = Matrix { buffer: zeros, ..gram };
    let squares = plan.output(TABLES, 4);
    let [projected, partial] = Scratch::lens(chunk, cols);
    let scratch = Scratch {
        rows: chunk,
        projected: plan.floats(vec![0.0; projected]),
        partial: plan.floats(vec![0.0; partial]),
    };
    plan.leave_out(scratch.projected);
    plan.leave_out(scratch.partial);
    let op = Gram {
        table,
        pieces: found,
        cols: k,
        right,
        gram,
        low,
        squares,
        scratch: Some(scratch),
    };
    // What is left of an entry in f32 is at most its rounding: entries are at most Σ rows·(k or 1)².
    let rows: usize = pieces.iter().sum();
    let most = rows as f64 * if m.is_some() { (k * k) as f64 } else { 1.0 };
    plan.state(low.buffer, vec![most; TABLES * cols * stride(cols)]);
    let constant = op.roundings_gpu() + 2 * (k + 1) + 2;
    plan.runs(Operation::Gram(op), constant as f64)
}
