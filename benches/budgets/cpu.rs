//! What a process, or some of its threads, have spent: proc(5).

use std::path::Path;
use std::process::Child;

/// Seconds of CPU that a process has spent so far.
pub(crate) fn of_process(child: &Child) -> f64 {
    let stat = format!("/proc/{}/stat", child.id());
    spent(Path::new(&stat)).unwrap()
}

/// Bytes of a process in memory.
pub(crate) fn resident(child: &Child) -> f64 {
    resident_by(&format!("/proc/{}/status", child.id()))
}

/// Bytes of this process in memory.
pub(crate) fn resident_here() -> f64 {
    resident_by("/proc/self/status")
}

/// `VmRSS`.
fn resident_by(path: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<f64>().unwrap() * 1e3
}

/// Seconds that this thread spent on a CPU, to the nanosecond: `schedstat`.
pub(crate) fn of_this_thread() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}

/// Seconds that this process spent so far: all threads but those of this name, and those.
pub(crate) fn but_for_threads(name: &str) -> (f64, f64) {
    let mut theirs = 0.0;
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let thread = thread.unwrap().path();
        // One that has just ended is none of them.
        let called = std::fs::read_to_string(thread.join("comm")).unwrap_or_default();
        if called.trim() == name {
            theirs += spent(&thread.join("stat")).unwrap_or_default();
        }
    }
    // Of the process, not the sum of its threads: some have ended.
    let all = spent(Path::new("/proc/self/stat")).unwrap();
    (all - theirs, theirs)
}

/// `utime` and `stime`, in hundredths of a second.
fn spent(stat: &Path) -> Option<f64> {
    let stat = std::fs::read_to_string(stat).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / 100.0)
}
