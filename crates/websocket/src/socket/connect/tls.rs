//! TLS by rustls.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Whose certificates a client believes. The server's name is sent (SNI) and must be in its
/// certificate (RFC 6455 section 4.1, item 5).
#[derive(Clone, Debug)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// The authorities that the system trusts. They are read anew each time: keep it where many
    /// connections are made.
    ///
    /// # Errors
    /// The system has none that can be read.
    pub fn system() -> io::Result<Self> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let why = found.errors.first().map_or_else(|| "none".to_owned(), ToString::to_string);
            return Err(io::Error::other(format!("no certificates of the system: {why}")));
        }
        let mut roots = RootCertStore::empty();
        // A store may hold some that rustls cannot read.
        roots.add_parsable_certificates(found.certs);
        Self::with_store(roots)
    }

    /// These authorities, in DER, and no others.
    ///
    /// # Errors
    /// One of them is no certificate.
    pub fn with_roots(
        roots: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> io::Result<Self> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(io::Error::other)?;
        }
        Self::with_store(store)
    }

    /// The authorities of a file in PEM, and no others.
    ///
    /// # Errors
    /// It holds none, or one of them is no certificate.
    pub fn from_pem(pem: &[u8]) -> io::Result<Self> {
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let roots = roots.map_err(io::Error::other)?;
        if roots.is_empty() {
            return Err(io::Error::other("no certificate is in it"));
        }
        Self::with_roots(roots)
    }

    fn with_store(roots: RootCertStore) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// `protocol`: what is agreed on by ALPN, if it is not what the configuration says.
    pub(super) async fn connect(
        &self,
        tcp: TcpStream,
        host: &str,
        protocol: Option<&[u8]>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = protocol.map_or_else(|| Arc::clone(&self.0), |name| self.speaking(name));
        TlsConnector::from(config).connect(name, tcp).await
    }

    /// The same configuration, with another protocol.
    pub(super) fn speaking(&self, protocol: &[u8]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }
}

/// A configuration of one's own: client certificates, other authorities such as Mozilla's.
impl From<Arc<ClientConfig>> for Tls {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }
}
