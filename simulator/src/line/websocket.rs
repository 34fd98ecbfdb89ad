//! Texts over a WebSocket.

use super::{Carrying, Line, Outgoing};
use crate::dial::{Dial, Stream};
use omniwire::protocols::websocket::handshake::client::{Address, Options};
use omniwire::protocols::websocket::{
    CloseCode, CloseFrame, Config, Message, WebSocket, connect_over, deflate,
};
use std::io;
use std::sync::Arc;
use std::task::Poll;

/// What a WebSocket is opened with.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Path and query.
    pub target: String,
    /// The subprotocol, if there is one.
    pub subprotocol: Option<&'static str>,
    /// Whether compression is offered.
    pub deflate: bool,
}

/// What happened on a WebSocket.
pub(super) enum News {
    /// A text came.
    Text(String),
    /// Something else came.
    Life,
    /// It is over.
    End(String),
    /// The client wants something that is not to say a text.
    Wish(Outgoing),
}

/// One that is open.
pub(super) struct Socket(WebSocket<Box<dyn Stream>>);

impl Socket {
    pub(super) async fn open(dial: &Arc<dyn Dial>, opening: Opening) -> io::Result<Self> {
        let Opening { target, subprotocol, deflate } = opening;
        let url = format!("ws://simulator{target}");
        let address = Address::parse(&url).map_err(io::Error::other)?;
        let options = Options {
            subprotocols: subprotocol.into_iter().map(str::to_owned).collect(),
            deflate: deflate.then(deflate::Config::default),
            ..Options::default()
        };
        let stream = dial.dial().await?;
        let opened = connect_over(stream, &address, options, Config::default()).await;
        opened.map(Self).map_err(io::Error::other)
    }

    /// Says this, as soon as the network takes it.
    pub(super) fn queue(&mut self, text: impl Into<String>) {
        self.0.queue(Message::text(text.into()));
    }

    /// Sends what the client says, in the protocol's dress, until there is news.
    pub(super) async fn next(
        &mut self,
        carrying: &mut Carrying,
        dress: fn(String) -> String,
    ) -> io::Result<News> {
        std::future::poll_fn(|context| {
            while let Poll::Ready(Some(wish)) = carrying.outgoing.poll_recv(context) {
                match wish {
                    Outgoing::Text(text) => self.queue(dress(text)),
                    wish => return Poll::Ready(Ok(News::Wish(wish))),
                }
            }
            if let Poll::Ready(Err(error)) = self.0.poll_flush(context) {
                return Poll::Ready(Err(error));
            }
            self.0.poll_recv(context).map(heard)
        })
        .await
    }

    /// Carries a line till it is over; gives why. `take` hears what comes, and knows whether it is
    /// the last.
    pub(super) async fn carry(
        mut self,
        mut carrying: Carrying,
        dress: fn(String) -> String,
        mut take: impl FnMut(&str, &Carrying) -> Option<String>,
    ) -> io::Result<String> {
        loop {
            match self.next(&mut carrying, dress).await? {
                News::Text(text) => {
                    if let Some(why) = take(&text, &carrying) {
                        return Ok(why);
                    }
                }
                News::Life => carrying.alive(),
                News::End(why) => return Ok(why),
                News::Wish(Outgoing::Close) => return self.close().await,
                News::Wish(_) => {}
            }
        }
    }

    /// The next news, before the client may say anything.
    pub(super) async fn first(&mut self) -> io::Result<News> {
        std::future::poll_fn(|context| {
            if let Poll::Ready(Err(error)) = self.0.poll_flush(context) {
                return Poll::Ready(Err(error));
            }
            self.0.poll_recv(context).map(heard)
        })
        .await
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) -> io::Result<String> {
        self.0.start_close(CloseFrame::from(CloseCode::Normal));
        let over = std::future::poll_fn(|context| self.0.poll_close(context)).await;
        over.map(|()| "closed by us".to_owned()).map_err(io::Error::other)
    }
}

fn heard(
    received: Option<Result<Message, omniwire::protocols::websocket::Error>>,
) -> io::Result<News> {
    match received {
        Some(Ok(Message::Text(text))) => Ok(News::Text(text.to_string())),
        Some(Ok(Message::Close(close))) => Ok(News::End(format!("closed: {close:?}"))),
        Some(Ok(_)) => Ok(News::Life),
        Some(Err(error)) => Err(io::Error::other(error)),
        None => Ok(News::End("dropped".to_owned())),
    }
}

/// A line that is nothing but a WebSocket.
pub fn line(dial: &Arc<dyn Dial>, opening: Opening) -> Line {
    let dial = Arc::clone(dial);
    Line::new(|carrying| async move {
        let socket = Socket::open(&dial, opening).await?;
        carrying.alive();
        let take = |text: &str, carrying: &Carrying| {
            carrying.hear(text);
            None
        };
        socket.carry(carrying, |text| text, take).await
    })
}
