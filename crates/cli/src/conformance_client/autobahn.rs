//! Autobahn's fuzzing server, or kosoku's, which speaks the same.

use crate::mistake::Mistake;
use omniwire::protocols::websocket::handshake::client::Options;
use omniwire::protocols::websocket::{
    ClientStream, CloseCode, Config, Error, WebSocket, connect_with, deflate,
};

/// Asks how many cases there are, echoes in each, and asks for the report.
pub(super) async fn run(url: &str, agent: &str) -> Result<(), Mistake> {
    let url = url.trim_end_matches('/');
    let count = case_count(url).await.map_err(|error| Mistake(format!("{url}: {error}")))?;
    for case in 1..=count {
        if let Err(error) = echo(&format!("{url}/runCase?case={case}&agent={agent}")).await {
            // What many cases want to see; the server judges.
            tracing::info!(case, %error, "the case ended in an error");
        }
    }
    // Some servers write their report and are gone before they answer.
    match connect(&format!("{url}/updateReports?agent={agent}")).await {
        Ok(mut socket) => socket.close(CloseCode::Normal, "").await.unwrap_or_default(),
        Err(error) => tracing::info!(%error, "the report was asked for"),
    }
    Ok(())
}

async fn case_count(url: &str) -> Result<u32, Error> {
    let mut socket = connect(&format!("{url}/getCaseCount")).await?;
    let mut count = None;
    while let Some(message) = socket.recv().await {
        let payload = message?.into_payload();
        count = count.or_else(|| std::str::from_utf8(&payload).ok()?.parse().ok());
    }
    count.ok_or(Error::Head("the answer to getCaseCount is no number"))
}

async fn echo(url: &str) -> Result<(), Error> {
    let mut socket = connect(url).await?;
    let mut result = Ok(());
    while let Some(message) = socket.recv().await {
        match message {
            Ok(message) if message.is_data() => socket.queue(message),
            Ok(_) => {}
            // Go on until `None`: our Close, which says why, is still to be delivered.
            Err(error) => result = Err(error),
        }
    }
    result
}

async fn connect(url: &str) -> Result<WebSocket<ClientStream>, Error> {
    let deflate = deflate::Config { threshold: 0, ..deflate::Config::default() };
    let options = Options { deflate: Some(deflate), ..Options::default() };
    connect_with(url, options, Config::default()).await
}
