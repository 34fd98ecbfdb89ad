use super::*;

/// Runs some seeds, none of which may find anything.
fn run_all(seeds: std::ops::Range<u64>, choice: &Choice) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let outcome = run(seed, choice);
        assert_eq!(outcome.findings, [], "seed {seed}");
        tally += outcome.tally;
    }
    assert!(tally.heard > tally.said, "{tally:?}");
    tally
}

fn suffering(trouble: Trouble) -> Choice {
    Choice { troubles: vec![trouble], ..Choice::default() }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let choice = Choice::default();
    let first = run(1, &choice);
    assert_eq!(first, run(1, &choice));
    assert_ne!(first.trace, run(2, &choice).trace);
}

#[test]
fn half_open_peers_are_found_out_and_nothing_is_left_of_them() {
    let tally = run_all(0..20, &suffering(Trouble::HalfOpen));
    assert!(tally.cut > 0, "{tally:?}");
}

#[test]
fn after_a_partition_everybody_hears_everything() {
    let tally = run_all(0..20, &suffering(Trouble::Partition));
    assert!(tally.recovered > 0, "{tally:?}");
}

#[test]
fn who_is_cut_off_comes_back_without_loss_or_is_told() {
    let tally = run_all(0..20, &suffering(Trouble::Cut));
    assert!(tally.cut > 0 && tally.recovered > 0, "{tally:?}");
}

#[test]
fn slow_readers_delay_nobody_and_leave_nothing() {
    let tally = run_all(0..40, &suffering(Trouble::Stall));
    assert!(tally.cut > 0, "{tally:?}");
}

#[test]
fn who_reads_too_slowly_is_closed_and_told_or_misses_the_oldest_and_delays_nobody() {
    let tally = run_all(1..6, &Choice { slow_readers: true, ..Choice::default() });
    assert!(tally.slow > 0 && tally.dropped > 0, "{tally:?}");
    assert!(!tally.waited.is_zero() && tally.waited <= AT_ONCE, "{tally:?}");
}

#[test]
fn slow_links_lose_nothing() {
    run_all(0..20, &Choice { slow_links: true, ..Choice::default() });
}

#[test]
fn each_broken_promise_is_found() {
    let broken = [
        (Breakage::Order, "order"),
        (Breakage::Duplicate, "duplicate"),
        (Breakage::Loss, "loss"),
        (Breakage::Leak, "leak"),
        (Breakage::Late, "late"),
        (Breakage::Bound, "bound"),
        (Breakage::Stuck, "stuck"),
        (Breakage::NeedlessLoss, "needless loss"),
        (Breakage::Untold, "untold"),
    ];
    for (breakage, promise) in broken {
        // Elsewhere lines end for many reasons.
        let slow_readers = breakage == Breakage::Untold;
        let choice = Choice { breakage: Some(breakage), slow_readers, ..Choice::default() };
        let mut found = (0..SEEDS_MAX).flat_map(|seed| run(seed, &choice).findings);
        assert!(found.any(|finding| finding.promise == promise), "{breakage:?}");
    }
}

/// Enough to find each of them.
const SEEDS_MAX: u64 = 40;
