//! Compression of whole answers, as HTTP has it (RFC 9110, 8.4).

use axum::body::Body;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue, Response, header};
use std::io::{self, Write};

/// A coding that both sides have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// All that there are.
    pub(crate) const ALL: &[Self] = &[Self::Gzip, Self::Deflate];

    /// Of those that are offered, the one that a client likes best; of equals, the first it names
    /// (RFC 9110, 12.5.3).
    pub(crate) fn wanted(headers: &HeaderMap, offered: &[Self]) -> Option<Self> {
        let mut best: Option<(u16, Self)> = None;
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
        for part in lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')) {
            let (name, weight) = part.split_once(';').unwrap_or((part, ""));
            let coding = match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" | "*" => Self::Gzip,
                "deflate" => Self::Deflate,
                _ => continue,
            };
            if !offered.contains(&coding) {
                continue;
            }
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse().ok());
            let weight = weight.filter(|weight: &f32| (0.0..=1.0).contains(weight));
            let weight = weight.map_or(0, |weight| (weight * 1000.0) as u16);
            if weight > best.map_or(0, |(weight, _)| weight) {
                best = Some((weight, coding));
            }
        }
        best.map(|(_, coding)| coding)
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        })
    }

    fn encode(self, body: &[u8]) -> io::Result<Vec<u8>> {
        let out = Vec::with_capacity(body.len() / 2);
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::default());
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(out, Compression::default());
                encoder.write_all(body)?;
                encoder.finish()
            }
        }
    }

    /// Says that the answer depends on what the client takes (RFC 9110, 12.5.5).
    pub(crate) fn vary(headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }

    /// Makes `body`, compressed, the body of a response.
    pub(crate) fn apply(self, body: &[u8], response: &mut Response<Body>) {
        // Nothing is written to but memory, so it can't fail; and then the body stays.
        if let Ok(encoded) = self.encode(body) {
            *response.body_mut() = encoded.into();
            response.headers_mut().insert(header::CONTENT_ENCODING, self.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_that_the_client_likes_best() {
        use Coding::{Deflate, Gzip};
        for (accept, wanted) in [
            ("gzip, deflate, br", Some(Gzip)),
            ("deflate, GZIP", Some(Deflate)),
            ("gzip;q=0.5, deflate;q=0.8", Some(Deflate)),
            ("gzip;q=0, deflate", Some(Deflate)),
            ("*", Some(Gzip)),
            ("br, identity", None),
            ("gzip;q=0", None),
            ("gzip;q=x", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            assert_eq!(Coding::wanted(&headers, Coding::ALL), wanted, "{accept}");
        }
        assert_eq!(Coding::wanted(&HeaderMap::new(), Coding::ALL), None);
        let mut headers = HeaderMap::new();
        let curls = HeaderValue::from_static("deflate, gzip, br, zstd");
        headers.insert(header::ACCEPT_ENCODING, curls);
        assert_eq!(Coding::wanted(&headers, &[Gzip]), Some(Gzip));
    }
}
