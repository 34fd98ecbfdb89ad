use super::codec::{Shared, compress_shared};
use super::negotiation::answer;
use super::{Agreed, Config, Memory, Parameters, Reserved, accept_answer, agree, offer};
use crate::handshake::extensions::{Extension, read_extensions};
use crate::{Role, Violation};

use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

mod window;

fn lines(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(line).unwrap());
    }
    headers
}

/// The server's answer to an offer, with context takeover allowed so that flags are the client's.
fn answer_to(offer: &str) -> Option<String> {
    answer_by(offer, &takeover())
}

fn answer_by(offer: &str, config: &Config) -> Option<String> {
    let headers = lines(&[offer]);
    answer(&read_extensions(&headers).unwrap(), config).map(|(_, header)| header)
}

fn takeover() -> Config {
    Config { server_context_takeover: true, client_context_takeover: true, ..Config::default() }
}

fn accepted(answer: &str, config: &Config) -> Option<Parameters> {
    let headers = lines(&[answer]);
    let elements: Vec<Extension<'_>> = read_extensions(&headers).unwrap();
    accept_answer(&elements[0], config)
}

#[test]
fn rfc7692_7_1_2_2_client_window_is_not_answered_unless_offered() {
    // E1
    assert_eq!(answer_to("permessage-deflate").unwrap(), "permessage-deflate");
    let small = Config { client_max_window_bits: 10, ..takeover() };
    assert_eq!(answer_by("permessage-deflate", &small).unwrap(), "permessage-deflate");
    assert_eq!(
        answer_by("permessage-deflate; client_max_window_bits", &small).unwrap(),
        "permessage-deflate; client_max_window_bits=10"
    );
    assert_eq!(
        answer_by("permessage-deflate; client_max_window_bits=9", &small).unwrap(),
        "permessage-deflate; client_max_window_bits=9"
    );
}

#[test]
fn rfc7692_7_1_2_1_server_window_is_the_same_or_less() {
    // E2, also quoted.
    for offered in ["10", "\"10\"", "\"1\\0\""] {
        let offer = format!("permessage-deflate; server_max_window_bits={offered}");
        assert_eq!(answer_to(&offer).unwrap(), "permessage-deflate; server_max_window_bits=10");
    }
    let small = Config { server_max_window_bits: 9, ..takeover() };
    assert_eq!(
        answer_by("permessage-deflate; server_max_window_bits=12", &small).unwrap(),
        "permessage-deflate; server_max_window_bits=9"
    );
}

#[test]
fn rfc7692_7_1_bad_parameters_decline_that_offer() {
    // E3, E4. The connection itself lives on without compression.
    for parameter in [
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits",
        "server_max_window_bits=+9",
        "server_max_window_bits=\"+9\"",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "client_max_window_bits; client_max_window_bits=10",
        "server_max_window_bits=10; server_max_window_bits=10",
        "unknown",
        "constructor=1",
    ] {
        assert_eq!(answer_to(&format!("permessage-deflate; {parameter}")), None, "{parameter}");
    }
}

#[test]
fn rfc7692_5_first_acceptable_offer_wins() {
    // E5, also over two lines.
    let offers = "permessage-deflate; foo, permessage-deflate; server_max_window_bits=11";
    assert_eq!(answer_to(offers).unwrap(), "permessage-deflate; server_max_window_bits=11");
    let headers = lines(&["permessage-deflate; foo, x-nope", "permessage-deflate"]);
    assert!(answer(&read_extensions(&headers).unwrap(), &takeover()).is_some());
    assert_eq!(answer_to("x-webkit-deflate-frame"), None);
}

#[test]
fn rfc7692_7_1_1_no_context_takeover_is_answered() {
    // E7: asked for, or our own wish.
    assert_eq!(
        answer_to("permessage-deflate; client_no_context_takeover; server_no_context_takeover")
            .unwrap(),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    );
    assert_eq!(
        answer_by("permessage-deflate", &Config::default()).unwrap(),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    );
}

#[test]
fn rfc7692_7_1_client_offers_what_it_can_do() {
    assert_eq!(offer(&takeover()), "permessage-deflate; client_max_window_bits");
    let config =
        Config { server_max_window_bits: 10, client_max_window_bits: 9, ..Config::default() };
    assert_eq!(
        offer(&config),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=10; client_max_window_bits=9"
    );
}

#[test]
fn rfc7692_5_1_client_refuses_a_bad_answer() {
    // E15, CVE-2026-2229.
    let config = Config { server_max_window_bits: 12, ..takeover() };
    for bad in [
        "unknown",
        "server_max_window_bits=12; server_max_window_bits=12",
        "server_max_window_bits=13",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=99999999999999999999",
        "server_max_window_bits",
        "server_max_window_bits=12; client_max_window_bits",
        "server_max_window_bits=12; client_max_window_bits=7",
        "server_max_window_bits=12; client_max_window_bits=16",
        "server_max_window_bits=12; server_no_context_takeover=1",
        "client_no_context_takeover",
    ] {
        assert_eq!(accepted(&format!("permessage-deflate; {bad}"), &config), None, "{bad}");
    }
    assert_eq!(accepted("permessage-deflate", &config), None, "the limit asked for is missing");
    assert_eq!(accepted("permessage-deflate", &Config::default()), None, "so is the flag");

    let good = accepted(
        "permessage-deflate; server_max_window_bits=11; client_max_window_bits=8",
        &config,
    );
    let expected = Parameters {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: 11,
        client_max_window_bits: 8,
    };
    assert_eq!(good, Some(expected));
}

#[test]
fn rfc7692_8_inflating_stops_at_the_limit() {
    // E14: zeros, about a thousand to one.
    let mut bomb = Vec::new();
    compress_shared(&vec![0; 16 << 20], Shared::new(15, 9), &mut bomb);
    assert!(bomb.len() < 20 << 10, "{}", bomb.len());
    for takeover in [false, true] {
        let mut inflater = super::Inflater::new(takeover);
        assert_eq!(inflater.inflate(&bomb, 1 << 20), Err(Violation::MESSAGE_TOO_BIG));
    }
    // The limit itself is allowed, one octet more is not.
    let mut exact = Vec::new();
    compress_shared(&[7; 1_000], Shared::new(15, 6), &mut exact);
    let mut inflater = super::Inflater::new(false);
    assert_eq!(inflater.inflate(&exact, 1_000).unwrap().len(), 1_000);
    assert_eq!(inflater.inflate(&exact, 999), Err(Violation::MESSAGE_TOO_BIG));
}

/// What is behind the limit is not looked at, also where this thread has inflated more before.
#[test]
fn rfc7692_8_the_limit_of_another_connection_means_nothing() {
    let mut inflater = super::Inflater::new(false);
    let mut broken = Vec::new();
    compress_shared(&[7; 10_000], Shared::new(15, 1), &mut broken);
    assert_eq!(inflater.inflate(&broken, 10_000).unwrap().len(), 10_000);
    broken.extend_from_slice(&[0xff; 16]);
    assert_eq!(inflater.inflate(&broken, 1000), Err(Violation::MESSAGE_TOO_BIG));
}

#[test]
fn rfc7692_7_2_1_large_messages_pass_both_ways() {
    let mut noise = 7u32;
    let mut payload: Vec<u8> = (0..300_000u32)
        .map(|n| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if n % 3 == 0 { (noise >> 24) as u8 } else { b'x' }
        })
        .collect();
    payload.extend_from_slice(&[0; 100_000]);
    for config in [Config::default(), takeover()] {
        for level in [1, 3, 6, 9] {
            let config = Config { level, ..config.clone() };
            let headers = lines(&[&offer(&config)]);
            let (parameters, _) = answer(&read_extensions(&headers).unwrap(), &config).unwrap();
            let agreed = Agreed::new(parameters, &config, Reserved::default());
            let (mut deflater, mut inflater) =
                (agreed.deflater(Role::Server), agreed.inflater(Role::Client));
            for len in [1, 100, 65_536, payload.len()] {
                let mut out = Vec::new();
                deflater.deflate(&payload[..len], &mut out);
                let back = inflater.inflate(&out, payload.len()).unwrap();
                assert!(back == payload[..len], "{len}");
            }
        }
    }
}

#[test]
fn without_memory_there_is_no_context_takeover() {
    let headers = lines(&["permessage-deflate; client_max_window_bits"]);
    let offers = read_extensions(&headers).unwrap();
    // Room for one: a compressor of 380,272 octets at most, and a decompressor of 47,700.
    let memory = Memory::limit(500_000);
    let config = Config { memory: memory.clone(), ..takeover() };
    let (first, answer) = agree(&offers, &config).unwrap();
    assert_eq!(answer, "permessage-deflate");
    assert_eq!(memory.used(), 427_972);
    for _ in 0..2 {
        let (second, answer) = agree(&offers, &config).unwrap();
        let alone = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(answer, alone);
        assert!(second.parameters.server_no_context_takeover);
        assert!(second.parameters.client_no_context_takeover);
    }
    // What is set aside goes with the last who has it: here the connection.
    let connection = crate::Connection::server(crate::Limits::default(), Some(first));
    assert_eq!(memory.used(), 427_972);
    drop(connection);
    assert_eq!(memory.used(), 0);
    assert_eq!(agree(&offers, &config).unwrap().1, "permessage-deflate");
    // Small windows cost less, and what the client does not want costs nothing.
    let small =
        lines(&["permessage-deflate; server_max_window_bits=9; client_no_context_takeover"]);
    let (_small, _) = agree(&read_extensions(&small).unwrap(), &config).unwrap();
    assert_eq!(memory.used(), 251_248);
}

#[test]
fn a_client_without_memory_offers_no_context_takeover() {
    let memory = Memory::limit(500_000);
    let config = Config { memory: memory.clone(), ..takeover() };
    let (one, held) = config.within_memory();
    assert_eq!(one, config);
    assert_eq!(memory.used(), 427_972);
    let (other, nothing) = config.within_memory();
    assert!(!other.server_context_takeover && !other.client_context_takeover);
    drop(held);
    drop(nothing);
    assert_eq!(memory.used(), 0);
    assert_eq!(Config::default().within_memory().0.memory.used(), 0, "the default takes none");
}
