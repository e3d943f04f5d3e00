//! A pool's threads, kept awake through one piece of work that cuts itself up many times.
//!
//! A training step has some thirty parallel regions of 10 to 700 µs. Between two of them a thread of rayon's without work goes to
//! sleep, and waking it can take longer than the next region lasts: then one thread does the work of all.

use rayon::Yield;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Idle looks for work between two offers of the processor to other processes.
const LOOKS: u32 = 64;

/// Asked for once: the system's answer is read from files, with allocations.
static PROCESSORS: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

/// Runs `work` on this thread of a rayon pool, with the pool's others looking for pieces of it until it is done; without
/// them where the machine has fewer processors than the pool threads.
pub fn awake<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let threads = rayon::current_num_threads();
    if threads > *PROCESSORS {
        return work();
    }
    let done = Done(AtomicBool::new(false));
    let (result, ()) = rayon::join(
        || {
            let _end = End(&done);
            work()
        },
        || look(threads - 1, &done),
    );
    result
}

struct Done(AtomicBool);

/// Says that the work is done, even where it panics.
struct End<'a>(&'a Done);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

/// Keeps `threads` threads looking for work.
fn look(threads: usize, done: &Done) {
    match threads {
        0 => {}
        1 => look_here(done),
        _ => {
            rayon::join(|| look_here(done), || look(threads - 1, done));
        }
    }
}

fn look_here(done: &Done) {
    let mut idle = 0;
    while !done.0.load(Ordering::Acquire) {
        match rayon::yield_now() {
            Some(Yield::Executed) => idle = 0,
            _ => {
                idle += 1;
                if idle % LOOKS == 0 {
                    std::thread::yield_now();
                } else {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::awake;
    use rayon::prelude::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn the_work_is_done_once_on_any_number_of_threads_and_a_panic_ends_it() {
        for threads in 1..5 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let sum = pool.install(|| awake(|| (0..1000u32).into_par_iter().with_max_len(1).sum::<u32>()));
            assert_eq!(sum, 499_500);
            let ended = catch_unwind(AssertUnwindSafe(|| pool.install(|| awake(|| panic!("as it should")))));
            assert!(ended.is_err());
        }
    }
}
