//! Agreeing on permessage-deflate: offers, answers, and which of them are legal
//! (RFC 7692 sections 5 and 7.1).

use std::fmt::Write;

use super::Config;
use crate::handshake::extensions::{Extension, Parameter};

/// What both sides agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The server's messages stand alone.
    pub server_no_context_takeover: bool,
    /// The client's messages stand alone.
    pub client_no_context_takeover: bool,
    /// The window of the server's compressor, 8 to 15.
    pub server_max_window_bits: u8,
    /// The window of the client's compressor, 8 to 15.
    pub client_max_window_bits: u8,
}

/// The extension's name (section 7).
pub(crate) const NAME: &str = "permessage-deflate";

/// One element of the header, well formed: each known parameter at most once, with a legal value.
#[derive(Default)]
struct Element {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// `Some(None)`: without a value, which only an offer may have (section 7.1.2.2).
    client_max_window_bits: Option<Option<u8>>,
}

impl Element {
    /// `None`: unknown, repeated or with a bad value, so that the element as a whole is declined
    /// (sections 7.1, 7.1.1 and 7.1.2).
    fn read(parameters: &[Parameter<'_>]) -> Option<Self> {
        let mut element = Self::default();
        for Parameter { name, value } in parameters {
            let value = value.as_deref();
            match (*name, value) {
                ("server_no_context_takeover", None) if !element.server_no_context_takeover => {
                    element.server_no_context_takeover = true;
                }
                ("client_no_context_takeover", None) if !element.client_no_context_takeover => {
                    element.client_no_context_takeover = true;
                }
                ("server_max_window_bits", Some(bits))
                    if element.server_max_window_bits.is_none() =>
                {
                    element.server_max_window_bits = Some(window_bits(bits)?);
                }
                ("client_max_window_bits", bits) if element.client_max_window_bits.is_none() => {
                    element.client_max_window_bits = Some(match bits {
                        Some(bits) => Some(window_bits(bits)?),
                        None => None,
                    });
                }
                _ => return None,
            }
        }
        Some(element)
    }
}

/// The server's answer to the first acceptable offer (section 5: offers come in order of
/// preference), with the value for the header.
pub(crate) fn answer(offers: &[Extension<'_>], config: &Config) -> Option<(Parameters, String)> {
    let offer = offers
        .iter()
        .filter(|extension| extension.name.eq_ignore_ascii_case(NAME))
        .find_map(|extension| Element::read(&extension.parameters))?;
    let parameters = Parameters {
        // Sections 7.1.1.1 and 7.1.1.2: what the client asks for we must do, what it hints we take;
        // either may also be our own wish.
        server_no_context_takeover: offer.server_no_context_takeover
            || !config.server_context_takeover,
        client_no_context_takeover: offer.client_no_context_takeover
            || !config.client_context_takeover,
        // Section 7.1.2.1: the same or less.
        server_max_window_bits: offer
            .server_max_window_bits
            .unwrap_or(15)
            .min(in_range(config.server_max_window_bits)),
        // Section 7.1.2.2: only where the client has offered to obey.
        client_max_window_bits: match offer.client_max_window_bits {
            None => 15,
            Some(bits) => bits.unwrap_or(15).min(in_range(config.client_max_window_bits)),
        },
    };
    let mut header = flags(&parameters);
    if offer.server_max_window_bits.is_some() {
        write_bits(&mut header, "server_max_window_bits", parameters.server_max_window_bits);
    }
    if parameters.client_max_window_bits < 15 {
        write_bits(&mut header, "client_max_window_bits", parameters.client_max_window_bits);
    }
    Some((parameters, header))
}

/// The client's offer, as the value of the header.
pub(crate) fn offer(config: &Config) -> String {
    let mut header = flags(&Parameters {
        server_no_context_takeover: !config.server_context_takeover,
        client_no_context_takeover: !config.client_context_takeover,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    });
    let server = in_range(config.server_max_window_bits);
    if server < 15 {
        write_bits(&mut header, "server_max_window_bits", server);
    }
    // We can shrink our window, and say so; a value is a hint of what we will use anyway.
    match in_range(config.client_max_window_bits) {
        15 => header.push_str("; client_max_window_bits"),
        client => write_bits(&mut header, "client_max_window_bits", client),
    }
    header
}

/// The client reads the server's answer to [`offer`]. `None`: it is not legal, so the connection
/// must be failed (sections 5.1 and 7.1).
pub(crate) fn accept_answer(answer: &Extension<'_>, config: &Config) -> Option<Parameters> {
    let element = Element::read(&answer.parameters)?;
    // Section 7.1.1.1: what we asked for must be in the answer.
    if !config.server_context_takeover && !element.server_no_context_takeover {
        return None;
    }
    // Section 7.1.2.1: we asked for a limit, so one no larger must be in the answer.
    let wanted = in_range(config.server_max_window_bits);
    let server_max_window_bits = match element.server_max_window_bits {
        Some(bits) if bits <= wanted => bits,
        None if wanted == 15 => 15,
        _ => return None,
    };
    let client_max_window_bits = match element.client_max_window_bits {
        Some(Some(bits)) => bits.min(in_range(config.client_max_window_bits)),
        Some(None) => return None, // section 7.1.2.2: an answer must have a value
        None => in_range(config.client_max_window_bits),
    };
    Some(Parameters {
        server_no_context_takeover: element.server_no_context_takeover,
        // Not to use our own context is always allowed.
        client_no_context_takeover: element.client_no_context_takeover
            || !config.client_context_takeover,
        server_max_window_bits,
        client_max_window_bits,
    })
}

/// Section 7.1.2.1: a decimal integer from 8 to 15 without leading zeros.
fn window_bits(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

fn in_range(bits: u8) -> u8 {
    bits.clamp(8, 15)
}

fn flags(parameters: &Parameters) -> String {
    let mut header = String::from(NAME);
    if parameters.server_no_context_takeover {
        header.push_str("; server_no_context_takeover");
    }
    if parameters.client_no_context_takeover {
        header.push_str("; client_no_context_takeover");
    }
    header
}

fn write_bits(header: &mut String, name: &str, bits: u8) {
    // Writing to a String cannot fail.
    let _ = write!(header, "; {name}={bits}");
}
