use super::*;

fn crowd(change: impl FnOnce(&mut Limits)) -> Arc<Crowd> {
    let mut limits = Limits::default();
    change(&mut limits);
    Crowd::new(&limits)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn one_address_has_so_many_connections_and_others_theirs() {
    let crowd = crowd(|limits| limits.ip_connections_max = 2);
    let held = [crowd.connect(ip("192.0.2.1")), crowd.connect(ip("192.0.2.1"))];
    assert!(held.iter().all(Option::is_some));
    assert!(crowd.connect(ip("192.0.2.1")).is_none());
    assert!(crowd.connect(ip("192.0.2.2")).is_some());
    assert_eq!(crowd.refused(), 1);
    drop(held);
    assert!(crowd.connect(ip("192.0.2.1")).is_some());
}

#[test]
fn unfinished_handshakes_are_counted_until_they_are_finished() {
    let crowd = crowd(|limits| limits.ip_handshakes_max = 1);
    let first = crowd.connect(ip("192.0.2.1")).unwrap();
    assert!(crowd.connect(ip("192.0.2.1")).is_none());
    first.greeted();
    first.greeted();
    let second = crowd.connect(ip("192.0.2.1")).unwrap();
    assert!(crowd.connect(ip("192.0.2.1")).is_none());
    drop(second);
    assert!(crowd.connect(ip("192.0.2.1")).is_some());
}

#[test]
fn a_network_of_ipv6_is_one_address_and_a_mapped_ipv4_is_itself() {
    let crowd = crowd(|limits| limits.ip_connections_max = 1);
    let _held = crowd.connect(ip("2001:db8:1:2::1")).unwrap();
    assert!(crowd.connect(ip("2001:db8:1:2:ffff::9")).is_none());
    assert!(crowd.connect(ip("2001:db8:1:3::1")).is_some());
    let _mapped = crowd.connect(ip("::ffff:192.0.2.1")).unwrap();
    assert!(crowd.connect(ip("192.0.2.1")).is_none());
}

#[test]
fn loopback_is_not_counted_by_address_but_in_the_whole() {
    let crowd = crowd(|limits| {
        limits.ip_connections_max = 1;
        limits.ip_sessions_max = 1;
        limits.connections_max = 3;
    });
    let held: Vec<_> = (0..3).map(|_| crowd.connect(ip("127.0.0.1")).unwrap()).collect();
    assert!(crowd.connect(ip("::1")).is_none());
    assert_eq!(crowd.connections(), held.len());
    let remote = Some(SocketAddr::new(ip("127.0.0.1"), 1));
    assert_eq!([crowd.sit(remote), crowd.sit(remote), crowd.has_seat(remote)], [Ok(()); 3]);
}

#[test]
fn sessions_are_counted_apart_and_nothing_is_kept_of_who_has_gone() {
    let crowd = crowd(|limits| limits.ip_sessions_max = 1);
    let connection = crowd.connect(ip("192.0.2.1")).unwrap();
    let from = |port| Some(SocketAddr::new(ip("192.0.2.1"), port));
    assert_eq!((crowd.has_seat(from(1)), crowd.sit(from(1))), (Ok(()), Ok(())));
    assert_eq!((crowd.has_seat(from(2)), crowd.sit(from(2))), (Err(TooMany), Err(TooMany)));
    drop(connection);
    assert_eq!(crowd.sit(from(2)), Err(TooMany));
    crowd.stand_up(from(1));
    assert!(crowd.counts.lock().by_ip.is_empty());
}

#[test]
fn a_connection_that_left_http_counts_as_long_as_its_count_is_held() {
    let crowd = crowd(|limits| limits.ip_connections_max = 1);
    let connection = crowd.connect(ip("192.0.2.1")).unwrap();
    connection.greeted();
    let count = connection.take_count();
    assert!(connection.take_count().is_none(), "it counts once");
    drop(connection);
    assert!(crowd.connect(ip("192.0.2.1")).is_none());
    assert_eq!(crowd.connections(), 1);
    drop(count);
    assert_eq!(crowd.connections(), 0);
    assert!(crowd.connect(ip("192.0.2.1")).is_some());
}

#[test]
fn all_that_come_from_one_address_share_it() {
    let crowd = crowd(|_| ());
    for from in ["192.0.2.1", "127.0.0.1"] {
        let [first, second] = [(); 2].map(|()| crowd.connect(ip(from)).unwrap());
        assert!(Arc::ptr_eq(&first.address, &second.address), "{from}");
    }
}
