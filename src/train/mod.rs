//! Initial values, the step, a run.
