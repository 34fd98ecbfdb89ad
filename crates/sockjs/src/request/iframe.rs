//! The pages that SockJS serves.

use super::answer::{Response, YEAR_S};
use super::date::http_date;
use super::{Request, Service};
use bytes::Bytes;

/// Whether the last part of a path names the iframe page: `iframe[0-9-.a-z_]*.html`.
pub(super) fn is_page(part: &str) -> bool {
    let Some(version) = part.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"))
    else {
        return false;
    };
    let valid = |byte: u8| {
        byte.is_ascii_digit() || byte.is_ascii_lowercase() || matches!(byte, b'-' | b'.' | b'_')
    };
    version.bytes().all(valid)
}

/// The iframe page, or 304.
pub(super) fn page(service: &Service, request: &Request<'_>) -> Response {
    let page = PAGE.replace("{{ sockjs_url }}", &attribute(&service.client_url));
    let tag = format!("\"{:016x}\"", fnv1a(page.as_bytes()));
    let fresh = request.if_none_match.is_some_and(|tags| matches(tags, &tag));
    let mut response = match fresh {
        true => Response::new(304),
        false => Response::new(200).with_body("text/html; charset=UTF-8", page),
    };
    response.header("ETag", tag);
    response.header("Cache-Control", format!("public, max-age={YEAR_S}"));
    response.header("Expires", http_date(request.now_unix.saturating_add(YEAR_S)));
    response
}

/// RFC 9110, 13.1.2: a list of tags, compared weakly, or `*`.
fn matches(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// The address as the value of an HTML attribute.
fn attribute(url: &str) -> String {
    url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// The page that an htmlfile request begins with, padded for browsers that wait for 1 KiB.
pub(super) fn htmlfile_prelude(callback: &str) -> Bytes {
    let mut page = HTMLFILE.replace("{{ callback }}", callback);
    let blanks = HTMLFILE_LEN_MIN.saturating_sub(page.len());
    page.push_str(&" ".repeat(blanks));
    page.push_str("\r\n\r\n");
    page.into()
}

/// FNV-1a: the tag needs to change when the page does, and no more.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

const HTMLFILE_LEN_MIN: usize = 1024;

const PAGE: &str = r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{{ sockjs_url }}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#;

const HTMLFILE: &str = r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{{ callback }};
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>
"#;
