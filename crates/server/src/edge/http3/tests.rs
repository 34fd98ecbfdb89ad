//! What one address may have, and how long it may take, over HTTP/3.

use super::*;
use crate::{Namespace, Omniwire};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use h3::client::SendRequest;
use http::{Request, StatusCode};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{
    AsyncTimer, AsyncUdpSocket, ClientConfig, ConnectionError, TransportConfig, UdpPoller,
};
use std::future::poll_fn;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::timeout;

/// No event may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime whose sockets take those at 127.0.0.x for others at 192.0.2.x, for loopback is not
/// counted by address.
#[derive(Debug)]
struct Elsewhere;

#[derive(Debug)]
struct Renamed(Arc<dyn AsyncUdpSocket>);

fn rename(address: &mut SocketAddr, from: [u8; 3], to: [u8; 3]) {
    if let IpAddr::V4(ip) = address.ip()
        && let [a, b, c, host] = ip.octets()
        && [a, b, c] == from
    {
        let [a, b, c] = to;
        address.set_ip(Ipv4Addr::new(a, b, c, host).into());
    }
}

const HERE: [u8; 3] = [127, 0, 0];
const THERE: [u8; 3] = [192, 0, 2];

impl Runtime for Elsewhere {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        TokioRuntime.spawn(future);
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(Renamed(TokioRuntime.wrap_udp_socket(socket)?)))
    }
}

impl AsyncUdpSocket for Renamed {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.0).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let Transmit { mut destination, ecn, contents, segment_size, src_ip } = *transmit;
        rename(&mut destination, THERE, HERE);
        self.0.try_send(&Transmit { destination, ecn, contents, segment_size, src_ip })
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = ready!(self.0.poll_recv(context, buffers, meta))?;
        meta.iter_mut().take(received).for_each(|meta| rename(&mut meta.addr, HERE, THERE));
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

struct Server {
    omniwire: Omniwire,
    address: SocketAddr,
    certificate: rustls::pki_types::CertificateDer<'static>,
    _stop: watch::Sender<()>,
}

fn server(change: impl FnOnce(&mut Limits)) -> Server {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = |kind: &str, der: &[u8]| {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    };
    let name = format!("{}-{:?}-http3.pem", std::process::id(), std::thread::current().id());
    let file = std::env::temp_dir().join(name);
    let key = pem("PRIVATE KEY", &made.signing_key.serialize_der());
    std::fs::write(&file, pem("CERTIFICATE", made.cert.der()) + &key).unwrap();
    let tls = Tls::from_pem_files(&file, &file).unwrap();
    std::fs::remove_file(file).unwrap();

    let mut limits = Limits::default();
    change(&mut limits);
    let builder = Omniwire::builder().limits(limits).namespace(Namespace::new("/open"));
    let omniwire = builder.build().unwrap();
    let mut socket = Socket::bind("127.0.0.1:0".parse().unwrap(), &tls).unwrap();
    socket.runtime = Arc::new(Elsewhere);
    let address = socket.local_addr().unwrap();
    let site = Site::new(&omniwire, omniwire.router(), address);
    let (stop, stopped) = watch::channel(());
    tokio::spawn(socket.serve(Arc::new(site), stopped).unwrap());
    Server { omniwire, address, certificate: made.cert.der().clone(), _stop: stop }
}

/// A client's connection, on which nothing has been asked.
struct Client {
    quic: quinn::Connection,
    requests: Requests,
    _endpoint: Endpoint,
}

type Requests = SendRequest<h3_quinn::OpenStreams, Bytes>;
type Asked = h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

impl Server {
    /// Of a client whom the server may say so many bytes on each stream before they are read.
    fn client_config(&self, window: u32) -> ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h3".to_vec()];
        let crypto = QuicClientConfig::try_from(config).unwrap();
        let mut config = ClientConfig::new(Arc::new(crypto));
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(window.into());
        config.transport_config(Arc::new(transport));
        config
    }

    /// Connects from an address that ends like this.
    async fn connect(&self, host: u8, window: u32) -> Result<Client, ConnectionError> {
        let endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
        let config = self.client_config(window);
        let connecting = endpoint.connect_with(config, self.address, "localhost").unwrap();
        let quic = timeout(PATIENCE, connecting).await.expect("an answer in time")?;
        let connection = h3_quinn::Connection::new(quic.clone());
        let (mut driver, requests) = h3::client::new(connection).await.unwrap();
        tokio::spawn(async move { poll_fn(|context| driver.poll_close(context)).await });
        Ok(Client { quic, requests, _endpoint: endpoint })
    }

    async fn until(&self, so: impl Fn(&crate::Stats) -> bool) {
        let polled = async {
            while !so(&self.omniwire.stats()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, polled).await.expect("it became so in time");
    }
}

impl Client {
    async fn ask(&mut self, path: &str) -> Asked {
        let request = Request::get(format!("https://localhost{path}")).body(()).unwrap();
        let mut stream = self.requests.send_request(request).await.unwrap();
        stream.finish().await.unwrap();
        stream
    }

    async fn status(&mut self, path: &str) -> (Asked, StatusCode) {
        let mut stream = self.ask(path).await;
        let answer = timeout(PATIENCE, stream.recv_response()).await.expect("an answer in time");
        let status = answer.unwrap().status();
        (stream, status)
    }
}

fn is_refused(connected: Result<Client, ConnectionError>) -> bool {
    match connected {
        // RFC 9000, 20.1: CONNECTION_REFUSED.
        Err(ConnectionError::ConnectionClosed(close)) => u64::from(close.error_code) == 2,
        Err(error) => panic!("{error}"),
        Ok(_) => false,
    }
}

const WIDE: u32 = 1 << 16;

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let server = server(|limits| limits.ip_connections_max = 2);
    let first = server.connect(2, WIDE).await.unwrap();
    let _second = server.connect(2, WIDE).await.unwrap();
    assert!(is_refused(server.connect(2, WIDE).await));
    let _other = server.connect(3, WIDE).await.unwrap();
    assert_eq!(server.omniwire.stats().tcp_connections, 3);
    first.quic.close(0_u32.into(), b"");
    server.until(|stats| stats.tcp_connections == 2).await;
    server.connect(2, WIDE).await.unwrap();
}

#[tokio::test]
async fn all_addresses_together_have_so_many_connections() {
    let server = server(|limits| limits.connections_max = 2);
    let _held = [server.connect(2, WIDE).await.unwrap(), server.connect(3, WIDE).await.unwrap()];
    assert!(is_refused(server.connect(4, WIDE).await));
}

#[tokio::test]
async fn one_address_has_so_many_connections_that_have_asked_nothing() {
    let server = server(|limits| limits.ip_handshakes_max = 1);
    let mut first = server.connect(2, WIDE).await.unwrap();
    assert!(is_refused(server.connect(2, WIDE).await));
    let _other = server.connect(3, WIDE).await.unwrap();
    assert_eq!(first.status("/nothing").await.1, StatusCode::NOT_FOUND);
    server.connect(2, WIDE).await.unwrap();
}

#[tokio::test]
async fn one_address_has_so_many_sessions() {
    let server = server(|limits| limits.ip_sessions_max = 1);
    let mut one = server.connect(2, WIDE).await.unwrap();
    let (stream, status) = one.status("/sse/open").await;
    assert_eq!(status, StatusCode::OK);
    let mut another = server.connect(2, WIDE).await.unwrap();
    assert_eq!(another.status("/sse/open").await.1, StatusCode::TOO_MANY_REQUESTS);
    let mut elsewhere = server.connect(3, WIDE).await.unwrap();
    assert_eq!(elsewhere.status("/sse/open").await.1, StatusCode::OK);
    drop(stream);
    one.quic.close(0_u32.into(), b"");
    server.until(|stats| stats.sessions == 1).await;
    assert_eq!(another.status("/sse/open").await.1, StatusCode::OK);
}

#[tokio::test]
async fn a_stream_of_which_nothing_is_taken_is_reset_and_its_connection_goes_on() {
    let server = server(|limits| limits.write_timeout = Duration::from_millis(300));
    // A bit more than a head.
    let mut client = server.connect(2, 64).await.unwrap();
    for (count, path) in [(1, "/sse/open"), (2, "/poll/open")] {
        let mut stream = client.ask(path).await;
        server.until(|stats| stats.slow_peers_closed == count).await;
        let read = async {
            stream.recv_response().await?;
            while stream.recv_data().await?.is_some() {}
            Ok::<_, h3::error::StreamError>(())
        };
        let error = read.await.unwrap_err();
        assert!(error.to_string().contains("H3_REQUEST_CANCELLED"), "{path}: {error}");
    }
    // The poll's session waits for the next poll.
    server.until(|stats| stats.sessions == 1).await;
    assert_eq!(client.status("/nothing").await.1, StatusCode::NOT_FOUND);
}

/// The two connection ids in a long header (RFC 9000, 17.2): the receiver's, and the sender's.
fn ids(packet: &[u8]) -> (&[u8], &[u8]) {
    let (receiver, rest) = packet[6..].split_at(packet[5].into());
    (receiver, &rest[1..][..rest[0].into()])
}

async fn datagram(socket: &tokio::net::UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 2048];
    let len = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("it came in time").unwrap();
    buffer.truncate(len);
    buffer
}

/// RFC 9000, 8.1.2.
#[tokio::test]
async fn where_many_handshakes_have_stopped_an_address_is_to_show_that_it_hears_us() {
    let server = server(|_| {});
    let sink = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mute = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let mut begun = Vec::new();
    let mut known = std::collections::HashSet::new();
    for count in 1..=STRANGERS_MAX + 10 {
        // The first packet of a client that has not been heard of, sent on from elsewhere.
        let (config, address) = (server.client_config(WIDE), sink.local_addr().unwrap());
        begun.push(endpoint.connect_with(config, address, "localhost").unwrap());
        let first = loop {
            let packet = datagram(&sink).await;
            if known.insert(ids(&packet).1.to_vec()) {
                break packet;
            }
        };
        mute.send_to(&first, server.address).await.unwrap();
        let answer = loop {
            let packet = datagram(&mute).await;
            if packet[0] & 0x80 != 0 && ids(&packet).0 == ids(&first).1 {
                break packet;
            }
        };
        let is_retry = answer[0] & 0xf0 == 0xf0;
        assert_eq!(is_retry, count > STRANGERS_MAX, "handshake {count}");
    }
    let mut client = server.connect(2, WIDE).await.unwrap();
    assert_eq!(client.status("/nothing").await.1, StatusCode::NOT_FOUND);
}
