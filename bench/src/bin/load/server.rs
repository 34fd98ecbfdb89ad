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

    /// Seconds of CPU that its threads have used, the kernel's work for them included.
    pub(crate) fn cpu_seconds(self) -> Result<f64> {
        let folder = format!("/proc/{}/task", self.pid);
        let threads = fs::read_dir(folder).map_err(Failure::at("the server's threads"))?;
        // One that has just ended has no file any more.
        let times = threads.flatten().filter_map(|thread| {
            let schedstat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            nanoseconds(&schedstat)
        });
        Ok(times.sum::<u64>() as f64 / 1e9)
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

/// TCP segments with data that this machine has sent (`TcpExt: TCPOrigDataSent`).
pub(crate) fn segments_sent() -> Result<u64> {
    let netstat = fs::read_to_string("/proc/net/netstat").map_err(Failure::at("netstat"))?;
    counter(&netstat, "TcpExt:", "TCPOrigDataSent")
        .ok_or_else(|| Failure::new("/proc/net/netstat has no TCPOrigDataSent"))
}

/// A line with names, then one with their numbers.
fn counter(netstat: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter(|line| line.starts_with(group));
    let at = lines.next()?.split(' ').position(|word| word == name)?;
    lines.next()?.split(' ').nth(at)?.parse().ok()
}

/// The time on a processor is the first of three numbers.
fn nanoseconds(schedstat: &str) -> Option<u64> {
    schedstat.split(' ').next()?.parse().ok()
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_time_is_known_and_grows() {
        assert_eq!(nanoseconds("42 7 3\n"), Some(42));
        let own = Server::new(std::process::id());
        let before = own.cpu_seconds().unwrap();
        while own.cpu_seconds().unwrap() <= before {}
    }

    #[test]
    fn a_counter_is_found_below_its_name() {
        let netstat = "TcpExt: A TCPOrigDataSent B\nTcpExt: 1 22 3\nIpExt: A\nIpExt: 9\n";
        assert_eq!(counter(netstat, "TcpExt:", "TCPOrigDataSent"), Some(22));
        assert_eq!(counter(netstat, "IpExt:", "TCPOrigDataSent"), None);
    }

    #[test]
    fn memory_is_found_in_its_line() {
        assert_eq!(resident_kib("VmHWM:\t  9 kB\nVmRSS:\t    1234 kB\n"), Some(1234));
        assert_eq!(resident_kib("VmHWM:\t  9 kB\n"), None);
    }
}
