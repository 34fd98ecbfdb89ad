//! `cargo xtask bench million`: as many idle connections as were asked for, over as many server
//! processes as the limit of descriptors demands, each with a worker of the generator that comes
//! from a loopback address of its own.

use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::programs::{Program, Programs};
use crate::bench::servers::{OMNIWIRE_PATIENT, Running, with_descriptors};
use crate::bench::table::grouped;
use crate::bench::{machine, programs};
use crate::process::{self, Failure, Result};
use crate::repository::Repository;

/// What this suite starts.
pub(crate) const PROGRAMS: [Program; 1] = [OMNIWIRE_PATIENT.program];

/// Descriptors of a process that are not connections, and some to spare.
const SPARE_DESCRIPTORS: usize = 200;

/// Ports of one loopback address that go to one server.
const PORTS: usize = 28_000;

/// How long a worker may take from one report to the next.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// One server process and its worker.
struct Pair {
    server: Running,
    worker: Worker,
}

struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Connections it is to have.
    share: usize,
}

/// Opens them all, and says what they cost.
pub(crate) fn run(
    repository: &Repository,
    programs: &Programs,
    connections: usize,
) -> Result<String> {
    let per_process = (machine::descriptors()? - SPARE_DESCRIPTORS).min(PORTS);
    let processes = connections.div_ceil(per_process);
    println!("── million: {connections} connections, {processes} servers and as many workers");
    let servers =
        (0..processes).map(|_| Running::start_anywhere(repository, programs, &OMNIWIRE_PATIENT));
    let servers = servers.collect::<Result<Vec<_>>>()?;
    let before = Memory::of(&servers)?;
    let begun = Instant::now();
    let mut pairs = Vec::with_capacity(processes);
    for (number, server) in servers.into_iter().enumerate() {
        let rest = connections - number * connections / processes;
        let share = rest - (connections - (number + 1) * connections / processes);
        let worker = Worker::start(repository, &server, number, share)?;
        pairs.push(Pair { server, worker });
    }
    ramp_up(&pairs, connections)?;
    let ramp_s = begun.elapsed().as_secs();
    let mut report = format!(
        "\n## {} idle connections\n\n{processes} server processes of `omniwire-server` (plain \
         WebSocket, each connection in a room), {ramp_s} s to open.\n\n",
        grouped(connections as f64, 0)
    );
    report += &Memory::of_pairs(&pairs)?.report(&before, connections);
    report += &format!("\nPings: {}\n", total(&mut pairs, "ping", "alive")?);
    report += &format!("\nOne broadcast in each process: {}\n", total(&mut pairs, "say", "heard")?);
    for mut pair in pairs {
        pair.worker.end()?;
    }
    Ok(report)
}

/// Waits until each worker has all its connections; a bar shows how far they are.
fn ramp_up(pairs: &[Pair], connections: usize) -> Result {
    let mut opened = vec![0; pairs.len()];
    let mut shown = 0;
    while opened.iter().sum::<usize>() < connections {
        for (pair, opened) in pairs.iter().zip(&mut opened) {
            while *opened < pair.worker.share {
                let Some(line) = pair.worker.line(Duration::from_millis(20))? else { break };
                let count = line.strip_prefix("opened ").and_then(|count| count.parse().ok());
                *opened = count.ok_or_else(|| Failure::new(format!("a worker said {line}")))?;
            }
        }
        let percent = opened.iter().sum::<usize>() * 100 / connections;
        if percent > shown {
            shown = percent;
            show_bar(percent);
        }
    }
    println!();
    Ok(())
}

fn show_bar(percent: usize) {
    let bar = "█".repeat(percent / 2) + &"·".repeat(50 - percent / 2);
    if std::io::stdout().is_terminal() {
        print!("\r   {bar} {percent} %");
    } else if percent.is_multiple_of(10) {
        print!(" {percent} %");
    }
    // What is not shown now is shown with the next.
    let _ = std::io::stdout().flush();
}

/// Gives all the same order: the sum of what they answer, `WORD n of m`, and the longest time.
fn total(pairs: &mut [Pair], order: &str, word: &str) -> Result<String> {
    for pair in pairs.iter_mut() {
        pair.worker.tell(order)?;
    }
    let (mut done, mut of, mut slowest_ms) = (0, 0, 0);
    for pair in pairs {
        let line = loop {
            if let Some(line) = pair.worker.line(SILENCE_MAX)? {
                break line;
            }
        };
        let numbers: Vec<usize> = line.split(' ').filter_map(|part| part.parse().ok()).collect();
        let (true, [got, asked, rest @ ..]) = (line.starts_with(word), &numbers[..]) else {
            return Err(Failure::new(format!("a worker said {line}")));
        };
        done += got;
        of += asked;
        slowest_ms = slowest_ms.max(rest.first().copied().unwrap_or(0));
    }
    if done < of {
        return Err(Failure::new(format!("{word}: only {done} of {of}")));
    }
    let time = if slowest_ms > 0 { format!(", the last after {slowest_ms} ms") } else { "".into() };
    Ok(format!("{word} {} of {}{time}", grouped(done as f64, 0), grouped(of as f64, 0)))
}

impl Worker {
    fn start(
        repository: &Repository,
        server: &Running,
        number: usize,
        share: usize,
    ) -> Result<Self> {
        let from = format!("127.1.{}.{}", number / 250, number % 250 + 1);
        let mut command = with_descriptors(repository);
        command.arg(programs::beside(repository, "load")).arg("crowd");
        command.args(["--connections", &share.to_string(), "--from", &from]);
        command.args(["--address", &server.address, "--pid", &server.pid().to_string()]);
        command.args(["--lane", "websocket=/ws?room={room}", "--patience-seconds", "300"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| process::not_started(&command, &error))?;
        let orders = child.stdin.take();
        let output = child.stdout.take().expect("standard output is a pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, orders, lines, share })
    }

    /// Its next line, if one comes in this time.
    fn line(&self, at_most: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(at_most) {
            Ok(line) => Ok(Some(line)),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(error) => Err(Failure::new(format!("a worker has ended: {error}"))),
        }
    }

    fn tell(&mut self, order: &str) -> Result {
        let told = self.orders.as_mut().map(|orders| writeln!(orders, "{order}"));
        told.transpose()
            .map(|_| ())
            .map_err(|error| Failure::new(format!("a worker takes no orders: {error}")))
    }

    /// Closes its input, which ends it.
    fn end(&mut self) -> Result {
        drop(self.orders.take());
        let status = self.child.wait().map_err(|error| Failure::new(error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("a worker ended with {status}")))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is in use, in bytes.
#[derive(Debug, Clone, Copy)]
struct Memory {
    /// Of the server processes.
    user: u64,
    /// Of the kernel: its slabs and TCP's buffers, for both ends of every connection.
    kernel: u64,
}

impl Memory {
    fn of(servers: &[Running]) -> Result<Self> {
        let user: Result<u64> = servers.iter().map(|server| resident_len(server.pid())).sum();
        Ok(Self { user: user?, kernel: kernel_len()? })
    }

    fn of_pairs(pairs: &[Pair]) -> Result<Self> {
        let user: Result<u64> = pairs.iter().map(|pair| resident_len(pair.server.pid())).sum();
        Ok(Self { user: user?, kernel: kernel_len()? })
    }

    fn report(&self, before: &Self, connections: usize) -> String {
        let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / connections as f64;
        format!(
            "| | bytes per connection | in all, MB |\n|---|---:|---:|\n\
             | user space of the servers, grown | {} | {} |\n\
             | the same with what they had empty | {} | {} |\n\
             | kernel, both ends | {} | {} |\n",
            grouped(each(self.user, before.user), 0),
            grouped(self.user.saturating_sub(before.user) as f64 / 1e6, 0),
            grouped(each(self.user, 0), 0),
            grouped(self.user as f64 / 1e6, 0),
            grouped(each(self.kernel, before.kernel), 0),
            grouped(self.kernel.saturating_sub(before.kernel) as f64 / 1e6, 0),
        )
    }
}

fn resident_len(pid: u32) -> Result<u64> {
    let status = read(&format!("/proc/{pid}/status"))?;
    kib(&status, "VmRSS:").ok_or_else(|| Failure::new("/proc/PID/status has no VmRSS"))
}

fn kernel_len() -> Result<u64> {
    let slabs = kib(&read("/proc/meminfo")?, "Slab:");
    let pages = tcp_pages(&read("/proc/net/sockstat")?);
    let page_len = process::read(Command::new("getconf").arg("PAGESIZE"))?;
    let page_len: u64 = page_len.trim().parse().unwrap_or(4096);
    match (slabs, pages) {
        (Some(slabs), Some(pages)) => Ok(slabs + pages * page_len),
        _ => Err(Failure::new("/proc/meminfo and /proc/net/sockstat are not as proc(5) says")),
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Failure::new(format!("{path}: {error}")))
}

/// A line of `/proc`, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The last number of the line `TCP: inuse 9 orphan 0 tw 0 alloc 9 mem 1`.
fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find(|line| line.starts_with("TCP:"))?;
    line.split_once(" mem ")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(kib("MemFree: 1 kB\nSlab:    3 kB\n", "Slab:"), Some(3072));
        assert_eq!(kib("MemFree: 1 kB\n", "Slab:"), None);
        let sockstat = "sockets: used 9\nTCP: inuse 9 orphan 0 tw 0 alloc 9 mem 17\nUDP: mem 3\n";
        assert_eq!(tcp_pages(sockstat), Some(17));
    }

    #[test]
    fn the_report_is_per_connection() {
        let (before, after) =
            (Memory { user: 1000, kernel: 0 }, Memory { user: 21_000, kernel: 70_000 });
        let report = after.report(&before, 10);
        assert!(report.contains("| user space of the servers, grown | 2,000 | 0 |"), "{report}");
        assert!(report.contains("| kernel, both ends | 7,000 | 0 |"), "{report}");
    }
}
