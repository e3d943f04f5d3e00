//! Batches between the threads that fill them and the step that uses them, in the order of the steps.

use super::Prepared;
use crate::data::loader::{Batch, LoaderError};
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Used batches go back so many at a time: a thread wakes once for all of them, and takes a processor from the step as
/// seldom.
const BUNCH: usize = 4;

/// Batches on their way round.
pub(super) struct Queue {
    state: Mutex<State>,
    /// There are empty batches.
    empty: Condvar,
    /// The batch of the next step is ready.
    ready: Condvar,
}

struct State {
    /// Steps whose batches are still to be begun.
    steps: Range<u64>,
    /// The step whose batch is handed out next.
    next: u64,
    /// Whether it is waited for.
    waits: bool,
    /// That of step s in place s mod their number.
    filled: Vec<Option<Filled>>,
    /// How many of these there are.
    count: usize,
    empty: Vec<Batch>,
    /// Used ones that wait for their bunch.
    bunch: Vec<Batch>,
    /// Threads that fill batches or look for one.
    awake: usize,
    /// Those of them that were called and still sleep.
    called: usize,
    threads: usize,
    closed: bool,
}

type Filled = (Prepared, Result<(), LoaderError>);

impl Queue {
    /// For the batches of `steps`, of which `empty` exist.
    pub fn new(steps: Range<u64>, empty: Vec<Batch>, threads: usize) -> Self {
        let state = State {
            next: steps.start,
            steps,
            waits: false,
            filled: empty.iter().map(|_| None).collect(),
            count: 0,
            empty,
            bunch: Vec::with_capacity(BUNCH),
            awake: threads,
            called: 0,
            threads,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            empty: Condvar::new(),
            ready: Condvar::new(),
        }
    }

    /// What a thread holds while it works: should it panic, a batch will be missing, for which the step must not wait.
    pub fn guard(&self) -> Guard<'_> {
        Guard(self)
    }

    /// A step and an empty batch for it, once there is one; `None` after the last step.
    pub fn begin(&self) -> Option<(u64, Batch)> {
        let mut state = self.lock();
        loop {
            if state.closed || state.steps.is_empty() {
                return None;
            }
            if state.has_work() {
                let batch = state.empty.pop()?;
                let step = state.steps.next()?;
                self.call(&mut state);
                return Some((step, batch));
            }
            state.awake -= 1;
            while state.called == 0 && !state.closed {
                state = self.empty.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.called = state.called.saturating_sub(1);
        }
    }

    /// A batch that was begun, and whether that went well.
    pub fn hand_over(&self, prepared: Prepared, result: Result<(), LoaderError>) {
        let mut state = self.lock();
        let step = prepared.step;
        let place = state.place(step);
        state.filled[place] = Some((prepared, result));
        state.count += 1;
        if state.waits && state.next == step {
            drop(state);
            self.ready.notify_one();
        }
    }

    /// The batch of the next step; `None` after the last.
    pub fn next(&self) -> Result<Option<Prepared>, LoaderError> {
        let mut state = self.lock();
        loop {
            let place = state.place(state.next);
            if let Some((prepared, result)) = state.filled[place].take() {
                state.next += 1;
                state.count -= 1;
                drop(state);
                if let Err(error) = result {
                    self.give_back(prepared.batch);
                    return Err(error);
                }
                return Ok(Some(prepared));
            }
            if state.closed || state.next >= state.steps.end {
                return Ok(None);
            }
            state.waits = true;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waits = false;
        }
    }

    pub fn give_back(&self, batch: Batch) {
        let mut state = self.lock();
        state.bunch.push(batch);
        if state.bunch.len() == BUNCH {
            let State { empty, bunch, .. } = &mut *state;
            empty.append(bunch);
            self.call(&mut state);
        }
    }

    /// Ends the threads, and tells the step that nothing more comes.
    pub fn close(&self) {
        self.lock().closed = true;
        self.empty.notify_all();
        self.ready.notify_all();
    }

    /// Wakes a thread where there is work for it: waking is expensive, so one does all of it while many batches are ready,
    /// and each that begins with one calls the next while few are.
    fn call(&self, state: &mut State) {
        let few = 2 * state.count < state.filled.len();
        if state.has_work() && state.awake < state.threads && (few || state.awake == 0) {
            state.awake += 1;
            state.called += 1;
            self.empty.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a batch can be begun.
    fn has_work(&self) -> bool {
        let under_way = self.steps.start - self.next;
        !self.steps.is_empty() && !self.empty.is_empty() && under_way < self.filled.len() as u64
    }

    fn place(&self, step: u64) -> usize {
        (step % self.filled.len() as u64) as usize
    }
}

/// Closes the queue when a thread panics.
pub(super) struct Guard<'a>(&'a Queue);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}
