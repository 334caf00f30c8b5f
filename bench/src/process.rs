//! What the kernel tells about a process.

use crate::Outcome;
use std::fs;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All that is resident: `VmRSS`.
    pub(crate) resident: u64,
    /// What is its own and no file's: `RssAnon`.
    pub(crate) anonymous: u64,
}

/// Processor time of a process so far, user and system, in microseconds.
pub(crate) fn cpu_micros(pid: u32) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(micros(ticks(&stat, OWN).ok_or("/proc/PID/stat has no times")?))
}

#[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
fn micros(ticks: u64) -> f64 {
    ticks as f64 * 1e6 / rustix::param::clock_ticks_per_second() as f64
}

/// The same of a process and all its children, those that have ended included.
pub(crate) fn cpu_micros_with_children(pid: u32) -> Outcome<f64> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let living = children.split_whitespace().filter_map(|child| child.parse().ok());
    // One that ends meanwhile is counted with its parent the next time.
    let of_living: f64 = living.filter_map(|child| cpu_micros(child).ok()).sum();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ended = ticks(&stat, ENDED_CHILDREN).ok_or("/proc/PID/stat has no times of children")?;
    Ok(cpu_micros(pid)? + of_living + micros(ended))
}

/// Its memory now.
pub(crate) fn memory(pid: u32) -> Outcome<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let read = |name| kilobytes(&status, name).map(|kilobytes| kilobytes * 1024);
    let resident = read("VmRSS:").ok_or("/proc/PID/status has no VmRSS")?;
    let anonymous = read("RssAnon:").ok_or("/proc/PID/status has no RssAnon")?;
    Ok(Memory { resident, anonymous })
}

/// The machine's load averages over 1, 5 and 15 minutes.
pub(crate) fn load_averages() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The processor's own name for itself.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or_else(String::new, |line| line.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// Where `/proc/PID/stat` has a process's own times, user and system, after its name.
const OWN: usize = 11;
/// Where it has those of its children that have ended.
const ENDED_CHILDREN: usize = 13;

fn ticks(stat: &str, place: usize) -> Option<u64> {
    // The program's name may hold blanks and brackets; fields are counted after its last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(place);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "12 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 30 12 5 2 20";
        assert_eq!(ticks(stat, OWN), Some(42));
        assert_eq!(ticks(stat, ENDED_CHILDREN), Some(7));
        assert_eq!(ticks("12 (a) R 1", OWN), None);
    }

    #[test]
    fn memory_is_read_by_name() {
        let status = "VmPeak:\t 9 kB\nVmRSS:\t   5120 kB\nRssAnon:\t     77 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(5120));
        assert_eq!(kilobytes(status, "RssAnon:"), Some(77));
        assert_eq!(kilobytes(status, "RssFile:"), None);
    }

    #[test]
    fn this_process_has_both() {
        let pid = std::process::id();
        let own = cpu_micros(pid).expect("time");
        assert!(own >= 0.0 && cpu_micros_with_children(pid).expect("time") >= own);
        let memory = memory(pid).expect("memory");
        assert!(memory.resident >= memory.anonymous && memory.anonymous > 0);
    }
}
