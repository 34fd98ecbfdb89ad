//! Log lines go to standard error by a thread of their own. Whoever should read them may not: a
//! server that waited for that would stand still, and peers decide how much there is to log.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Reads what to log. Tracing would take a misspelt level for the name of a crate, and log nothing
/// else.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    let is_bare = |part: &str| !part.is_empty() && !part.contains(['=', '[', ']', '{', '}']);
    let is_ours = |part: &str| {
        part.strip_prefix("omniwire")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '_']))
    };
    for part in text.split(',').filter(|part| is_bare(part) && !is_ours(part)) {
        if part.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "'{part}' is no level (off, error, warn, info, debug, trace); that of a crate is \
                 given as in hyper=debug"
            ));
        }
    }
    EnvFilter::try_new(text).map_err(|error| format!("'{text}' is no filter: {error}"))
}

/// Lines that may wait; of more, only the number is told.
const WAITING_MAX: usize = 1024;

/// How long the last lines may take when the process ends.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes lines, one by each write, and never waits.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    waiting: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Job {
    Write(Vec<u8>),
    /// Says when everything before is written.
    Tell(SyncSender<()>),
}

impl Lines {
    /// Lines that a thread writes to `out`.
    ///
    /// # Errors
    /// The thread can't be started.
    pub(crate) fn to(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (waiting, jobs) = sync_channel(WAITING_MAX);
        let lines = Self { waiting, lost: Arc::default() };
        let lost = Arc::clone(&lines.lost);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            for job in jobs {
                let lost = lost.swap(0, Ordering::Relaxed);
                // Of what can't be written there is nobody to tell.
                if lost > 0 {
                    writeln!(out, "{lost} lines of the log were lost: nobody read them").ok();
                }
                match job {
                    Job::Write(line) => drop(out.write_all(&line)),
                    Job::Tell(done) => drop(done.try_send(())),
                }
            }
        })?;
        Ok(lines)
    }

    /// Waits until all is written, unless nobody reads it.
    pub(crate) fn finish(&self) {
        let (done, wait) = sync_channel(1);
        if self.waiting.try_send(Job::Tell(done)).is_ok() {
            wait.recv_timeout(LAST_LINES_TIMEOUT).ok();
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.waiting.try_send(Job::Write(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};

    #[test]
    fn a_log_that_nobody_reads_keeps_nobody_waiting() {
        let (reader, writer) = io::pipe().unwrap();
        let mut lines = Lines::to(writer).unwrap();
        let line = [b"x".repeat(1000), b"\n".to_vec()].concat();
        // More than fits in the pipe and in the queue: this ends only if it never waits.
        let written = 3 * WAITING_MAX;
        for _ in 0..written {
            lines.write_all(&line).unwrap();
        }
        // Somebody reads after all, and is told what is missing.
        let told = thread::spawn(move || {
            let mut read = BufReader::new(reader).lines().map(Result::unwrap);
            read.find(|line| line.ends_with("lines of the log were lost: nobody read them"))
        });
        while !told.is_finished() {
            lines.write_all(&line).unwrap();
            thread::yield_now();
        }
        assert!(told.join().unwrap().is_some());
    }

    #[test]
    fn the_last_lines_are_written_before_the_end() {
        let (reader, writer) = io::pipe().unwrap();
        let mut lines = Lines::to(writer).unwrap();
        lines.write_all(b"last words\n").unwrap();
        lines.finish();
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).unwrap();
        assert_eq!(line, "last words\n");
    }
}
