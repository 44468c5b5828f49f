//! What the process uses, under the names that all of Prometheus' clients have.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Registry, Source};

/// Tells of the process that it is in. Memory, CPU time and open files are told on Linux
/// only.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// When it started, in seconds since 1970.
    pub start: f64,
}

impl Source for Process {
    fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(*self));
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut tell = |name, help, metric: &dyn EncodeMetric| {
            let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(encoder)
        };
        tell(
            "process_start_time_seconds",
            "When the process started, since 1970",
            &ConstGauge::new(self.start),
        )?;
        let Some(used) = used() else { return Ok(()) };
        tell(
            "process_cpu_seconds",
            "CPU time that was used, by the program and by the system for it",
            &ConstCounter::new(used.cpu),
        )?;
        tell(
            "process_resident_memory_bytes",
            "Memory in use",
            &ConstGauge::new(used.memory),
        )?;
        tell(
            "process_open_fds",
            "Open files and connections",
            &ConstGauge::new(used.files),
        )
    }
}

struct Used {
    cpu: f64,
    memory: i64,
    files: i64,
}

#[cfg(target_os = "linux")]
fn used() -> Option<Used> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (ticks, pages) = ticks_and_pages(&stat)?;
    let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // What is counted here is far below where a float is no longer exact.
    #[expect(clippy::cast_precision_loss, reason = "ticks of years fit")]
    let cpu = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    Some(Used {
        cpu,
        memory: i64::try_from(pages.checked_mul(page)?).ok()?,
        files: i64::try_from(files).ok()?,
    })
}

#[cfg(not(target_os = "linux"))]
fn used() -> Option<Used> {
    None
}

/// Of `/proc/self/stat`: utime and stime, and rss. Fields are counted from behind the
/// program's name, which may hold blanks and parentheses.
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
#[cfg(target_os = "linux")]
fn ticks_and_pages(stat: &str) -> Option<(u64, u64)> {
    let (_, behind) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
    // The first one here is field 3.
    let field = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(24)?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_programs_name_may_look_like_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 9 0 100 5000 321 0";
        assert_eq!(ticks_and_pages(stat), Some((300, 321)));
        assert_eq!(ticks_and_pages("7 (a) S 1"), None);
        assert_eq!(ticks_and_pages(""), None);
    }

    #[test]
    fn this_process_uses_something() {
        let used = used().unwrap();
        assert!(used.memory > 1_000_000 && used.files > 2 && used.cpu >= 0.0);
    }
}
