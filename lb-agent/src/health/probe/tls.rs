//! TLS for checks.

use super::words;
use crate::health::check::Tls;
use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
        SignatureScheme,
        client::{
            Resumption,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        },
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    },
};

/// A connector for each set of authorities that checks trust.
#[derive(Default)]
pub(super) struct Connectors(Mutex<HashMap<Trust, Slot>>);

/// Locked while its authorities are read, so that a file that hangs holds up its own checks, and
/// one thread.
type Slot = Arc<tokio::sync::Mutex<Option<Loaded>>>;

impl Connectors {
    /// Shakes hands over a connection.
    pub(super) async fn connect(
        &self,
        tls: &Tls,
        target: SocketAddr,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let name = match &tls.name {
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|_| format!("TLS: \"{name}\" is not a server's name"))?,
            // An address is verified, but not sent.
            None => ServerName::from(target.ip()),
        };
        let connector = self.connector(Trust::of(tls)).await.map_err(tls_cause)?;
        connector.connect(name, stream).await.map_err(|error| tls_cause(cause(&error)))
    }

    async fn connector(&self, trust: Trust) -> Result<TlsConnector, String> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(trust.clone()).or_default().clone()
        };
        let mut slot = slot.lock_owned().await;
        if let Some(loaded) = slot.as_ref().filter(|loaded| loaded.read.elapsed() < trust.fresh()) {
            return Ok(loaded.connector.clone());
        }
        let load = move || {
            let connector = trust.load();
            *slot =
                connector.clone().ok().map(|connector| Loaded { connector, read: Instant::now() });
            connector
        };
        spawn_blocking(load).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connectors").finish_non_exhaustive()
    }
}

/// Whose certificates are believed.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Trust {
    Anyone,
    System,
    File(PathBuf),
}

struct Loaded {
    connector: TlsConnector,
    read: Instant,
}

impl Trust {
    fn of(tls: &Tls) -> Self {
        match (&tls.ca, tls.verify) {
            (_, false) => Self::Anyone,
            (Some(file), true) => Self::File(file.clone()),
            (None, true) => Self::System,
        }
    }

    /// How long what was read stays good.
    fn fresh(&self) -> Duration {
        match self {
            Self::Anyone => Duration::MAX,
            Self::System => Duration::from_secs(3600),
            Self::File(_) => Duration::from_secs(2),
        }
    }

    fn load(&self) -> Result<TlsConnector, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match self {
            Self::Anyone => {
                let verifier = Arc::new(AcceptAnyone(provider));
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
            Self::System => builder.with_root_certificates(system()?),
            Self::File(path) => builder.with_root_certificates(file(path)?),
        };
        let mut config = builder.with_no_client_auth();
        // A resumed session would not show that the certificate has expired since.
        config.resumption = Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err("this host trusts no authority; install ca-certificates".to_owned()),
        false => Ok(roots),
    }
}

fn file(path: &Path) -> Result<RootCertStore, String> {
    let shown = path.display();
    let text = std::fs::read(path)
        .map_err(|error| format!("cannot read {shown}: {}", words::io(&error)))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| format!("{shown} is damaged"))?;
        roots.add(certificate).map_err(|_| format!("{shown} has a damaged certificate"))?;
    }
    match roots.is_empty() {
        true => Err(format!("{shown} has no certificate in PEM form")),
        false => Ok(roots),
    }
}

/// Believes everything: for a server that is reached by a network that is trusted, and whose
/// certificate nobody maintains. Tells whether TLS is spoken, and no more.
#[derive(Debug)]
struct AcceptAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn tls_cause(cause: impl fmt::Display) -> String {
    format!("TLS: {cause}")
}

/// In words that don't change from run to run: rustls' own tell the time.
fn cause(error: &io::Error) -> String {
    use rustls::Error;
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) else {
        return words::io(error);
    };
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => format!("the server sent the alert {alert:?}"),
        Error::InvalidMessage(_) => "the server doesn't speak TLS".to_owned(),
        Error::PeerIncompatible(_) => "no version or cipher in common with the server".to_owned(),
        other => other.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "the certificate has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "the certificate isn't valid yet".to_owned()
        }
        E::NotValidForName => "the certificate is for another name".to_owned(),
        E::NotValidForNameContext { expected, .. } => {
            format!("the certificate isn't for \"{}\"", expected.to_str())
        }
        E::UnknownIssuer => "the certificate's issuer isn't trusted".to_owned(),
        E::Revoked => "the certificate is revoked".to_owned(),
        E::BadEncoding => "the certificate is damaged".to_owned(),
        E::BadSignature => "the certificate's signature is wrong".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the certificate isn't for servers".to_owned()
        }
        other => format!("the certificate isn't valid: {other}"),
    }
}
