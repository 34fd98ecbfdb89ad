//! The same attacks over TLS: what they say in the clear to a port of ours goes on to the server in
//! TLS, and back.

use crate::attack::Outcome;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate for `localhost` and its key, as the server reads them; gone with this value.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) files: [PathBuf; 2],
}

impl Certificate {
    pub(crate) fn make() -> Outcome<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.map_err(|error| format!("no certificate: {error}"))?;
        let pem = |kind: &str, der: &[u8]| {
            format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
        };
        let process = std::process::id();
        let file = |name: &str| std::env::temp_dir().join(format!("attack-{process}-{name}.pem"));
        let files = [file("certificate"), file("key")];
        let key = pem("PRIVATE KEY", &made.signing_key.serialize_der());
        for (file, text) in files.iter().zip([pem("CERTIFICATE", made.cert.der()), key]) {
            std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(Self { files })
    }
}

/// Listens on a port whose connections end in TLS at the server with the certificate in `file`.
pub(crate) async fn relay(file: &Path, server: SocketAddr) -> Outcome<SocketAddr> {
    let connector = TlsConnector::from(Arc::new(trusting(file)?));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(carry(near, server, connector.clone()));
        }
    });
    Ok(address)
}

/// A client that trusts the certificate in `file` alone, without ALPN: over TCP the server finds
/// out by itself whether HTTP/2 is spoken.
pub(crate) fn trusting(file: &Path) -> Outcome<ClientConfig> {
    let der = CertificateDer::from_pem_file(file);
    let der = der.map_err(|error| format!("{}: {error}", file.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(der).map_err(|error| error.to_string())?;
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

impl Drop for Certificate {
    fn drop(&mut self) {
        self.files.iter().for_each(|file| drop(std::fs::remove_file(file)));
    }
}

/// Until both directions have ended, or one has failed: then both ends are dropped.
async fn carry(mut near: TcpStream, server: SocketAddr, connector: TlsConnector) {
    near.set_nodelay(true).ok();
    let Ok(name) = ServerName::try_from("localhost") else { return };
    let Ok(far) = TcpStream::connect(server).await else { return };
    far.set_nodelay(true).ok();
    if let Ok(mut far) = connector.connect(name, far).await {
        tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
    }
}
