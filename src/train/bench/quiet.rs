//! Whether anything else was computing: the share of the processors' time that other processes had, as Linux counts it.

use std::time::{Duration, Instant};

/// Above this share a round is disturbed.
pub const DISTURBED: f64 = 0.05;
/// How long is looked before the machine is taken to be quiet.
const LOOK: Duration = Duration::from_millis(300);

/// The processors' time up to now, in the system's ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// All processors, idle or not.
    all: f64,
    /// Not idle.
    busy: f64,
    /// This process.
    own: f64,
    /// Number of processors.
    processors: f64,
}

impl Gauge {
    /// Reads `/proc`; `None` where there is none.
    pub fn now() -> Option<Self> {
        let read = |path| std::fs::read_to_string(path).ok();
        Self::of(&read("/proc/stat")?, &read("/proc/self/stat")?)
    }

    fn of(machine: &str, process: &str) -> Option<Self> {
        let processors = machine.lines().filter(|line| line.starts_with("cpu")).count() - 1;
        let ticks = machine.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in user already.
        let ticks: Vec<f64> = ticks.take(8).map(|tick| tick.parse().ok()).collect::<Option<_>>()?;
        let all: f64 = ticks.iter().sum();
        // The name in brackets may hold blanks; utime and stime are the 12th and 13th numbers behind it.
        let (_, behind) = process.rsplit_once(')')?;
        let mut times = behind.split_whitespace().skip(11).take(2);
        let mut next = || times.next()?.parse::<f64>().ok();
        Some(Self {
            all,
            busy: all - ticks.get(3)? - ticks.get(4)?,
            own: next()? + next()?,
            processors: processors as f64,
        })
    }

    /// The share of the processors' time since `earlier` that other processes had.
    pub fn others_since(&self, earlier: &Self) -> f64 {
        let others = (self.busy - earlier.busy) - (self.own - earlier.own);
        (others / (self.all - earlier.all).max(1.0)).clamp(0.0, 1.0)
    }

    /// The processors that this process had since `earlier`, on average: 2.0 for two threads that never wait.
    pub fn own_since(&self, earlier: &Self) -> f64 {
        self.processors * (self.own - earlier.own) / (self.all - earlier.all).max(1.0)
    }
}

/// Waits until other processes have next to none of the processors, at most until `until`.
pub(super) fn wait(until: Instant) {
    while Instant::now() < until {
        let before = Gauge::now();
        std::thread::sleep(LOOK);
        match before.zip(Gauge::now()) {
            Some((before, now)) if now.others_since(&before) > DISTURBED => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_had_is_what_is_busy_and_not_ours() {
        let stat = |user, idle| format!("cpu  {user} 0 10 {idle} 5 0 0 0 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 1\n");
        let own = |user| format!("7 (a (b) c) R 1 1 1 0 -1 0 1 0 0 0 {user} 20 0 0 20 0\n");
        let before = Gauge::of(&stat(100, 100), &own(50)).unwrap();
        let after = Gauge::of(&stat(180, 120), &own(110)).unwrap();
        // 100 ticks: 20 idle, 60 ours.
        assert_eq!(after.others_since(&before), 0.2);
        assert_eq!(after.own_since(&before), 1.2);
        assert_eq!(after.others_since(&after), 0.0);
        assert_eq!(Gauge::of("cpu  1 2", &own(1)), None);
        if cfg!(target_os = "linux") {
            assert!(Gauge::now().is_some());
        }
    }
}
