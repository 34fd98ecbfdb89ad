//! TLS by rustls: the certificate and key of a server.

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use webpki::EndEntityCert;

/// A server's certificate and key, for [`crate::Listener`]. TLS 1.3 and 1.2; no early data, which
/// an attacker could send again (RFC 8470). Cheap to clone.
///
/// A client that asks for a name which the certificate does not have is refused (RFC 6066, 3),
/// unless the certificate has no DNS names at all.
#[derive(Clone)]
pub struct Tls {
    certified: Arc<Certified>,
}

/// Why a certificate and key can't be used: one line, with the file to look at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file with the certificates is missing, unreadable, or no PEM.
    #[error("cannot read the certificate {}: {reason}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file with the private key is missing, unreadable, or no PEM.
    #[error("cannot read the private key {}: {reason}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Each can be read, but they can't be used together.
    #[error("the private key {} is not that of the certificate {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
}

impl Tls {
    /// Reads two PEM files: the certificate with its intermediates behind it, and its private key
    /// (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// One of them can't be used, or they do not belong together.
    pub fn from_pem_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let bad_certificate = |reason: String| {
            let path = certificate.to_owned();
            TlsError::Certificate { path, reason }
        };
        let bad_key = |reason: String| TlsError::Key { path: key.to_owned(), reason };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad_certificate(explain(&error)))?;
        let Some(leaf) = chain.first() else {
            return Err(bad_certificate("there is no certificate in it".into()));
        };
        let names = names(leaf).map_err(|error| bad_certificate(error.to_string()))?;
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|error| bad_key(explain(&error)))?;
        let signer =
            ring::sign::any_supported_type(&private).map_err(|error| bad_key(error.to_string()))?;
        let key_pair = CertifiedKey::new(chain, signer);
        if key_pair.keys_match().is_err() {
            let (certificate, key) = (certificate.to_owned(), key.to_owned());
            return Err(TlsError::Mismatch { certificate, key });
        }
        let certified = Certified { is_named: names > 0, key: Arc::new(key_pair) };
        Ok(Self { certified: Arc::new(certified) })
    }

    /// The settings of a server that speaks these protocols, the most wanted first (ALPN).
    pub(crate) fn config(&self, protocols: &[&[u8]]) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for TLS 1.2 and 1.3");
        let resolver = Arc::clone(&self.certified) as Arc<dyn ResolvesServerCert>;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The one certificate, for the names it has.
#[derive(Debug)]
struct Certified {
    key: Arc<CertifiedKey>,
    is_named: bool,
}

impl ResolvesServerCert for Certified {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().filter(|_| self.is_named);
        if let Some(name) = asked
            && !self.is_for(name)
        {
            tracing::debug!("refused a TLS handshake for a name not in the certificate");
            return None;
        }
        Some(Arc::clone(&self.key))
    }
}

impl Certified {
    fn is_for(&self, name: &str) -> bool {
        let name = ServerName::try_from(name);
        let leaf =
            self.key.end_entity_cert().ok().and_then(|leaf| EndEntityCert::try_from(leaf).ok());
        match (name, leaf) {
            (Ok(name), Some(leaf)) => leaf.verify_is_valid_for_subject_name(&name).is_ok(),
            _ => false,
        }
    }
}

/// How many DNS names a certificate has.
fn names(leaf: &CertificateDer<'_>) -> Result<usize, webpki::Error> {
    Ok(EndEntityCert::try_from(leaf)?.valid_dns_names().count())
}

fn explain(error: &PemError) -> String {
    match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "there is nothing of the kind in it; PEM is expected".into(),
        error => format!("it is not well-formed PEM ({error})"),
    }
}
