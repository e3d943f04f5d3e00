//! The threads of a backend, kept awake between the operations of a step.

use rayon::{ThreadPool, Yield};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread looks for work without a pause: longer than any operation keeps it waiting for the others.
const PATIENCE: Duration = Duration::from_millis(1);
/// The pauses of one that has lost its patience: while the loader is waited for, or a file written.
const NAP: Duration = Duration::from_micros(100);

/// The threads of a backend, for a loop of many steps.
#[derive(Clone)]
pub struct Crew(pub(super) Option<Arc<ThreadPool>>);

impl Crew {
    /// Runs `work` on one of the CPU backend's own threads, so that the steps in it are not handed over one by one; for a
    /// GPU, here.
    ///
    /// The other threads stay awake meanwhile. An operation takes some ten microseconds, and a thread that the system put to
    /// sleep as long to come back: it would be there when the operation is over.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let Some(threads) = &self.0 else { return work() };
        threads.scope(|scope| {
            let here = rayon::current_thread_index();
            let over = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&over);
            scope.spawn_broadcast(move |_, thread| {
                if Some(thread.index()) != here {
                    look_for_work(&seen);
                }
            });
            // Also when `work` panics: the scope waits for the others.
            let _over = Over(&over);
            work()
        })
    }
}

/// Does what the pool has to do, until `over`. Between two looks it gives way to threads that wait for a processor.
fn look_for_work(over: &AtomicBool) {
    let mut idle_since = Instant::now();
    while !over.load(Ordering::Acquire) {
        match rayon::yield_now() {
            Some(Yield::Executed) => idle_since = Instant::now(),
            _ if idle_since.elapsed() < PATIENCE => thread::yield_now(),
            _ => thread::sleep(NAP),
        }
    }
}

/// Says that the work is over when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;

    fn crew(threads: usize) -> Crew {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Crew(Some(Arc::new(pool.unwrap())))
    }

    #[test]
    fn threads_that_stay_awake_take_part_also_after_a_nap() {
        let crew = crew(3);
        for pause in [Duration::ZERO, 5 * PATIENCE] {
            let met = crew.run(|| {
                thread::sleep(pause);
                // Three tasks that wait for one another: each has a thread, or this never ends.
                let barrier = Barrier::new(3);
                (0..3)
                    .into_par_iter()
                    .with_max_len(1)
                    .map(|_| {
                        barrier.wait();
                        1
                    })
                    .sum::<i32>()
            });
            assert_eq!(met, 3);
        }
    }

    #[test]
    fn runs_within_runs_and_one_thread_alone() {
        let crew = crew(2);
        assert_eq!(crew.run(|| crew.run(|| rayon::join(|| 1, || 2))), (1, 2));
        assert_eq!(self::crew(1).run(|| rayon::join(|| 1, || 2)), (1, 2));
        assert_eq!(Crew(None).run(|| 3), 3);
    }

    #[test]
    fn a_panic_ends_the_run() {
        let crew = crew(2);
        let panic = catch_unwind(AssertUnwindSafe(|| crew.run(|| panic!("in the work"))));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"in the work"));
        assert_eq!(crew.run(|| 4), 4);
    }
}
