//! Requests to the server, with what each of them carries.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A client of HTTP.
#[derive(Clone)]
pub(super) struct Requests {
    client: Client<HttpConnector, Full<Bytes>>,
    headers: HeaderMap,
}

impl Requests {
    pub(super) fn new(headers: HeaderMap, token: Option<String>) -> Result<Self, String> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut requests = Self { client, headers };
        if let Some(token) = token {
            requests.set_token(&token)?;
        }
        Ok(requests)
    }

    /// From now on requests show this token.
    pub(super) fn set_token(&mut self, token: &str) -> Result<(), String> {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        self.headers.insert(header::AUTHORIZATION, value.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// What each of them carries.
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    /// The answer, whatever its status.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        accept: Option<&'static str>,
        body: Bytes,
    ) -> Result<Response<Incoming>, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        *request.headers_mut() = self.headers.clone();
        if let Some(accept) = accept {
            request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        self.client.request(request).await.map_err(|error| error.to_string())
    }
}
