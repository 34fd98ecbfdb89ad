//! What the kernel says of the server's process.

use crate::{Failure, Result};
use std::fs;

/// The server's process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pid: u32,
}

impl Server {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Seconds of CPU that it has used, the kernel's work for it included.
    pub(crate) fn cpu_seconds(self) -> Result<f64> {
        let stat = self.read("stat")?;
        cpu_ticks(&stat)
            .map(|ticks| ticks as f64 / TICKS_PER_SECOND)
            .ok_or_else(|| Failure::new("/proc/PID/stat is not as proc(5) says"))
    }

    /// Bytes of memory that it has now.
    pub(crate) fn resident_len(self) -> Result<u64> {
        let status = self.read("status")?;
        resident_kib(&status)
            .map(|kib| kib * 1024)
            .ok_or_else(|| Failure::new("/proc/PID/status is not as proc(5) says"))
    }

    fn read(self, file: &str) -> Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid))
            .map_err(Failure::at("the server's process"))
    }
}

/// `utime` and `stime`. The name before them may have spaces, but ends with the last parenthesis.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Linux tells user space of ticks of this length on every machine that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_a_name_with_anything_in_it() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 300 0 0 0 12 30 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a"), None);
    }

    #[test]
    fn memory_is_found_in_its_line() {
        assert_eq!(resident_kib("VmHWM:\t  9 kB\nVmRSS:\t    1234 kB\n"), Some(1234));
        assert_eq!(resident_kib("VmHWM:\t  9 kB\n"), None);
    }
}
