//! What brought down, or misled, npm's `socket.io` and `socket.io-parser`: each by its advisory.
//! Those of `engine.io`, and those that need a server, are in `crates/server/tests/it`.

use super::*;

#[test]
fn cve_2026_33151_attachments_are_counted_before_they_are_gathered() {
    for packet in ["4511-[\"x\"]", "451000000-[\"x\"]", "4599999999999999999999-[\"x\"]"] {
        assert_closes(&[packet], "forced close");
    }
    // As many as may be announced are dropped with the session.
    let (mut driver, id) = connected();
    driver.send(id, "4510-[\"x\"]").unwrap();
    driver.send_binary(id, &[0; 1024]).unwrap();
    driver.detach(id, Detached::Lost);
    assert_eq!(left(&driver), [(0, "transport close")]);
}

#[test]
fn cve_2023_32695_an_event_has_a_name_that_is_a_text_or_a_number() {
    let names = ["null", "true", "{}", "{\"toString\":1}", "[]", "[\"x\"]", ""];
    for name in names {
        assert_closes(&[&format!("42[{name}]")], "forced close");
        assert_closes(&[&format!("451-[{name}]")], "forced close");
    }
    let placeholder = r#"451-[{"_placeholder":true,"num":0}]"#;
    assert_closes(&[placeholder], "forced close");
}

#[test]
fn cve_2022_2421_a_placeholder_names_an_attachment_by_its_number() {
    let numbers = [
        "\"splice\"",
        "\"0\"",
        "\"__proto__\"",
        "-1",
        "1",
        "0.5",
        "1e9",
        "null",
        "true",
        "[0]",
        "18446744073709551616",
    ];
    for number in numbers {
        let (mut driver, id) = connected();
        let event = format!(r#"451-["message",{{"_placeholder":true,"num":{number}}}]"#);
        // Some are refused with the text already.
        let refused = driver.send(id, &event).is_err();
        assert!(refused || driver.send_binary(id, &[1]).is_err(), "{number}");
        assert!(driver.is_ended(id), "{number}");
        let spoken = driver.events.iter().any(|event| matches!(event, Event::Message { .. }));
        assert!(!spoken, "{number}");
    }
}

#[test]
fn cve_2020_36049_a_large_packet_is_read_once() {
    // Its parts are counted by `cargo xtask test --only cost`; here it is whole and well.
    let (mut driver, id) = connected();
    let long = "x".repeat(999_000);
    driver.send(id, &format!("42[\"message\",\"{long}\"]")).unwrap();
    assert_eq!(driver.receive_text(id).len(), "42[\"message-back\",\"\"]".len() + long.len());
    assert_closes(&[&format!("42[\"{long}")], "forced close");
    // Many small ones of one body are told in steps, none of which gathers all.
    let mut driver = polling();
    driver.post(vec!["42[\"x\"]"; 10_000].join("\x1e")).unwrap();
    let told = driver.events.iter().filter(|event| matches!(event, Event::Message { .. }));
    assert_eq!(told.count(), 10_000);
}

#[test]
fn cve_2024_38355_an_event_named_error_is_an_event() {
    let (mut driver, id) = connected();
    for packet in ["42[\"error\"]", "42[\"error\",{\"message\":\"x\"}]", "421[\"error\",null]"] {
        driver.send(id, packet).unwrap();
    }
    let named = |event: &&Event| matches!(event, Event::Message { name, .. } if name == "error");
    assert_eq!(driver.events.iter().filter(named).count(), 3);
    driver.send(id, r#"42["message",1]"#).unwrap();
    assert_eq!(driver.receive_text(id), r#"42["message-back",1]"#);
    // Nor may a client speak for the server.
    assert_closes(&["44{\"message\":\"x\"}"], "forced close");
}
