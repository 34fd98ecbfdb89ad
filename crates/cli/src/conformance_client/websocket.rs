//! A server that echoes, over whatever version of HTTP: the same is expected over each.

use crate::mistake::Mistake;
use crate::options::{Http, WebsocketClientOptions};
use omniwire::protocols::websocket::handshake::client::Options;
use omniwire::protocols::websocket::{
    ClientStream, CloseCode, Connector, Error, HttpVersion, Message, Tls, WebSocket, deflate,
};

/// Octets of the messages, about the places where a length or a frame of HTTP takes another form.
const LENS: [usize; 9] = [0, 1, 125, 126, 16_384, 65_535, 65_536, 300_000, 1_000_000];

pub(super) async fn run(options: &WebsocketClientOptions) -> Result<(), Mistake> {
    let connector = connector(options)?;
    let mut socket = connector.connect(&options.url).await.map_err(|error| failed(&error))?;
    exchange(&mut socket).await?;
    let compressed = if socket.compresses() { "compressed" } else { "plain" };
    let subprotocol = socket.subprotocol().unwrap_or("none").to_owned();
    socket.close(CloseCode::Normal, "").await.map_err(|error| failed(&error))?;
    crate::run::announce(&format!("ok {compressed} subprotocol={subprotocol}"));
    Ok(())
}

fn connector(options: &WebsocketClientOptions) -> Result<Connector, Mistake> {
    let deflate = deflate::Config {
        server_context_takeover: options.takeover,
        client_context_takeover: options.takeover,
        ..deflate::Config::default()
    };
    let tls = match &options.ca {
        Some(file) => {
            let pem = std::fs::read(file);
            let tls = pem.and_then(|pem| Tls::from_pem(&pem));
            Some(tls.map_err(|error| Mistake(format!("{}: {error}", file.display())))?)
        }
        None => None,
    };
    Ok(Connector {
        options: Options {
            subprotocols: options.subprotocol.iter().cloned().collect(),
            deflate: Some(deflate),
            ..Options::default()
        },
        http: match options.http {
            Http::One => HttpVersion::Http1,
            Http::Two => HttpVersion::Http2,
            Http::Three => HttpVersion::Http3,
        },
        tls,
        ..Connector::default()
    })
}

/// All of it is sent at once, and must come back in order.
async fn exchange(socket: &mut WebSocket<ClientStream>) -> Result<(), Mistake> {
    let mut expected = Vec::new();
    for len in LENS {
        // One that shrinks, and one that does not.
        expected.push(Message::text("größe 漢 😀 ".repeat(len / 20)));
        let noise = (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
        expected.push(Message::binary(noise.collect::<Vec<_>>()));
    }
    for message in &expected {
        socket.queue(message.clone());
    }
    socket.queue(Message::Ping("still there?".into()));
    let (mut echoes, mut ponged) = (expected.into_iter().peekable(), false);
    while echoes.peek().is_some() || !ponged {
        let message = match socket.recv().await {
            Some(message) => message.map_err(|error| failed(&error))?,
            None => return Err(Mistake("the server has closed".to_owned())),
        };
        match message {
            Message::Pong(payload) if payload == "still there?" => ponged = true,
            message if message.is_data() => {
                let (kind, wanted) = (message.opcode(), echoes.next());
                if Some(message) != wanted {
                    return Err(Mistake(format!("a {kind:?} came back that was not next")));
                }
            }
            // The server may have questions of its own.
            Message::Ping(_) => {}
            message => return Err(Mistake(format!("unexpected: {message:?}"))),
        }
    }
    Ok(())
}

fn failed(error: &Error) -> Mistake {
    Mistake(error.to_string())
}
