//! A list of steps with a line before and after each, and the count at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::process::Result;

/// What became of the steps so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

#[derive(Debug)]
struct Done {
    name: &'static str,
    outcome: Result,
    took: Duration,
}

impl Steps {
    /// Runs one step; its failure is kept and told, the caller goes on.
    pub(crate) fn step(&mut self, name: &'static str, what: &str, run: impl FnOnce() -> Result) {
        println!("── {name}: {what}");
        let start = Instant::now();
        let outcome = run();
        let took = start.elapsed();
        match &outcome {
            Ok(()) => println!("── {name}: ok, {}", seconds(took)),
            Err(failure) => println!("── {name}: FAILED after {}\n{failure}", seconds(took)),
        }
        self.done.push(Done { name, outcome, took });
    }

    /// Whether the step has run and failed.
    pub(crate) fn has_failed(&self, name: &str) -> bool {
        self.done.iter().any(|done| done.name == name && done.outcome.is_err())
    }

    /// Prints each step's outcome and, as the last line, their count.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n── all steps");
        for done in &self.done {
            let mark = if done.outcome.is_ok() { "ok    " } else { "FAILED" };
            println!("   {mark} {:<10} {:>8}", done.name, seconds(done.took));
            if let Err(failure) = &done.outcome {
                println!("          {}", failure.to_string().replace('\n', "\n          "));
            }
        }
        let failed = self.done.iter().filter(|done| done.outcome.is_err()).count();
        println!("{} passed, {failed} failed", self.done.len() - failed);
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Failure;

    #[test]
    fn a_failed_step_does_not_stop_the_others_and_fails_the_whole() {
        let mut steps = Steps::default();
        steps.step("first", "fails", || Err(Failure::new("why")));
        steps.step("second", "passes", || Ok(()));
        assert!(steps.has_failed("first"));
        assert!(!steps.has_failed("second"));
        assert_eq!(steps.finish(), ExitCode::FAILURE);
    }
}
