//! Every statement of the theory layer as a property: it holds, its equality case is attained, and wrong variants of it are
//! caught. `PROPTEST_CASES` sets the number of cases (256 without it); failing seeds are kept in `proptest-regressions`.

mod common;
mod dynamics_exact;
mod floating;
mod flows;
mod intervals;
mod planted_exact;
mod ranks_exact;
