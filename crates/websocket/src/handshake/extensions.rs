//! The list in `Sec-WebSocket-Extensions` (RFC 6455 section 9.1). Its cost is linear in its length,
//! whatever it holds.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_EXTENSIONS;

use super::list::{as_token, is_token_octet};

/// One element of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Extension<'a> {
    pub(crate) name: &'a str,
    pub(crate) parameters: Vec<Parameter<'a>>,
}

/// One parameter, with its value unquoted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<Cow<'a, str>>,
}

/// The header breaks the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// All elements, in order, over all lines of the field.
pub(crate) fn read_extensions(headers: &HeaderMap) -> Result<Vec<Extension<'_>>, Malformed> {
    let mut extensions = Vec::new();
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
    let mut present = false;
    for line in lines {
        present = true;
        read_line(line.as_bytes(), &mut extensions)?;
    }
    // The grammar wants at least one element.
    if present && extensions.is_empty() { Err(Malformed) } else { Ok(extensions) }
}

fn read_line<'a>(line: &'a [u8], extensions: &mut Vec<Extension<'a>>) -> Result<(), Malformed> {
    let mut rest = Rest(line);
    loop {
        rest.skip_blanks();
        if rest.0.is_empty() {
            return Ok(());
        }
        if rest.eat(b',') {
            continue; // empty elements are ignored
        }
        extensions.push(read_extension(&mut rest)?);
        if !rest.0.is_empty() && !rest.eat(b',') {
            return Err(Malformed);
        }
    }
}

/// `extension = extension-token *( ";" extension-param )`
fn read_extension<'a>(rest: &mut Rest<'a>) -> Result<Extension<'a>, Malformed> {
    let name = rest.token()?;
    let mut parameters = Vec::new();
    rest.skip_blanks();
    while rest.eat(b';') {
        rest.skip_blanks();
        let name = rest.token()?;
        rest.skip_blanks();
        let value = if rest.eat(b'=') {
            rest.skip_blanks();
            Some(rest.value()?)
        } else {
            None
        };
        parameters.push(Parameter { name, value });
        rest.skip_blanks();
    }
    Ok(Extension { name, parameters })
}

/// What is still to be read of a line.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    fn eat(&mut self, octet: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == octet => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn token(&mut self) -> Result<&'a str, Malformed> {
        let len = self.0.iter().take_while(|octet| is_token_octet(**octet)).count();
        let (token, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        as_token(token).ok_or(Malformed)
    }

    /// A token, or a quoted string that is one when unquoted.
    fn value(&mut self) -> Result<Cow<'a, str>, Malformed> {
        if !self.eat(b'"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut value = String::new();
        loop {
            let (&octet, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            let octet = match octet {
                b'"' if value.is_empty() => return Err(Malformed),
                b'"' => return Ok(Cow::Owned(value)),
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first().ok_or(Malformed)?;
                    self.0 = rest;
                    escaped
                }
                octet => octet,
            };
            if !is_token_octet(octet) {
                return Err(Malformed);
            }
            value.push(octet.into());
        }
    }
}

#[cfg(test)]
mod tests;
