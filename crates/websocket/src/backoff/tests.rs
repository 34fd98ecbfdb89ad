use std::time::Duration;

use proptest::prelude::*;

use super::Backoff;

proptest! {
    #[test]
    fn rfc6455_7_2_3_delays_are_random_and_grow(randoms: Vec<u32>) {
        let mut backoff = Backoff::default();
        let mut most = 5u64;
        for (attempt, random) in randoms.into_iter().enumerate() {
            let delay = backoff.next_delay(random);
            let least = if attempt == 0 { 0 } else { most / 2 };
            prop_assert!(delay >= Duration::from_secs(least) && delay <= Duration::from_secs(most));
            most = (most * 2).min(60);
        }
    }
}

#[test]
fn rfc6455_7_2_3_fifty_clients_come_back_spread_out() {
    let delays = (0..50u32).map(|n| Backoff::default().next_delay(n * (u32::MAX / 49)));
    let in_second = delays.fold([0; 6], |mut counts, delay| {
        counts[delay.as_secs() as usize] += 1;
        counts
    });
    assert!(in_second[..5].iter().all(|count| (9..=11).contains(count)), "{in_second:?}");
}
