//! Certificates, and what is made of them.

use crate::{DEADLINE, failed, get, head, passed, run, run_by, serve};
use lb_agent::health::{
    check::{Http, Probe, Tls},
    probe::Prober,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::{fs, net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_rustls::{
    LazyConfigAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
        server::Acceptor,
    },
};

/// An authority, and its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    folder: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Self { issuer: Issuer::new(params, key), pem, folder };
        authority.write(&authority.pem);
        authority
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("ca.pem"), text).expect("the file");
    }

    fn certify(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.der().clone(), key)
    }

    /// Verified by this authority.
    fn verify(&self, name: Option<&str>) -> Tls {
        Tls {
            verify: true,
            name: name.map(str::to_owned),
            ca: Some(self.folder.path().join("ca.pem")),
        }
    }
}

type Identity = (CertificateDer<'static>, KeyPair);

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).expect("parameters")
}

/// An https server; the names that its clients send.
async fn https(identity: Identity) -> (SocketAddr, mpsc::UnboundedReceiver<Option<String>>) {
    let (certificate, key) = identity;
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    let config = Arc::new(config);
    let (asked, names) = mpsc::unbounded_channel();
    let target = serve(move |stream| {
        let (config, asked) = (config.clone(), asked.clone());
        async move {
            let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
                return;
            };
            let _ = asked.send(start.client_hello().server_name().map(str::to_owned));
            let Ok(mut stream) = start.into_stream(config).await else { return };
            head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (target, names)
}

fn probe(tls: Tls) -> Probe {
    Probe::Http(Http { tls: Some(tls), ..get() })
}

#[tokio::test]
async fn a_valid_certificate_passes_by_name_and_by_address() {
    let authority = Authority::new("authority");
    let (target, mut names) = https(authority.certify(params("www.example"))).await;
    let finding = run(&probe(authority.verify(Some("www.example"))), target).await;
    assert_eq!(finding, passed("HTTP status 200"));
    assert_eq!(names.recv().await, Some(Some("www.example".to_owned())));

    let (target, mut names) = https(authority.certify(params("127.0.0.1"))).await;
    let finding = run(&probe(authority.verify(None)), target).await;
    assert_eq!(finding, passed("HTTP status 200"));
    assert_eq!(names.recv().await, Some(None));
}

#[tokio::test]
async fn a_certificate_for_another_name_fails() {
    let authority = Authority::new("authority");
    let (target, _) = https(authority.certify(params("www.example"))).await;
    let finding = run(&probe(authority.verify(Some("mail.example"))), target).await;
    assert_eq!(finding, failed("TLS: the certificate isn't for \"mail.example\""));
    let finding = run(&probe(authority.verify(None)), target).await;
    assert_eq!(finding, failed("TLS: the certificate isn't for \"127.0.0.1\""));
}

#[tokio::test]
async fn a_certificate_out_of_its_time_fails() {
    let authority = Authority::new("authority");
    let mut old = params("www.example");
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let mut young = params("www.example");
    (young.not_before, young.not_after) = (date_time_ymd(2201, 1, 1), date_time_ymd(2202, 1, 1));
    let rows = [
        (old, "TLS: the certificate has expired"),
        (young, "TLS: the certificate isn't valid yet"),
    ];
    for (params, cause) in rows {
        let (target, _) = https(authority.certify(params)).await;
        let tls = authority.verify(Some("www.example"));
        assert_eq!(run(&probe(tls), target).await, failed(cause));
    }
}

fn self_signed(name: &str) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let certificate = params(name).self_signed(&key).expect("a certificate");
    (certificate.der().clone(), key)
}

#[tokio::test]
async fn a_certificate_that_signed_itself_passes_only_unverified() {
    let authority = Authority::new("authority");
    let (target, mut names) = https(self_signed("www.example")).await;
    let finding = run(&probe(authority.verify(Some("www.example"))), target).await;
    assert_eq!(finding, failed("TLS: the certificate's issuer isn't trusted"));
    names.recv().await;

    assert_eq!(run(&probe(Tls::default()), target).await, passed("HTTP status 200"));
    assert_eq!(names.recv().await, Some(None), "no name is sent where there is none");
    let named = Tls { name: Some("other.example".into()), ..Tls::default() };
    assert_eq!(run(&probe(named), target).await, passed("HTTP status 200"));
    assert_eq!(names.recv().await, Some(Some("other.example".to_owned())));
}

/// With a store of its own, so that the host's makes no difference.
#[tokio::test]
async fn the_hosts_authorities_decide_by_default() {
    let authority = Authority::new("authority");
    let (target, _) = https(authority.certify(params("www.example"))).await;
    let tls = Tls { verify: true, name: Some("www.example".into()), ca: None };
    let finding = run(&probe(tls), target).await;
    assert!(!finding.passed);
    let words = ["the certificate's issuer isn't trusted", "trusts no authority"];
    assert!(words.iter().any(|words| finding.cause.contains(words)), "{finding:?}");
}

#[tokio::test]
async fn the_file_of_authorities_is_read_again() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (target, _) = https(new.certify(params("www.example"))).await;
    let prober = Prober::new();
    let probe = probe(old.verify(Some("www.example")));
    let finding = run_by(&prober, &probe, target).await;
    assert_eq!(finding, failed("TLS: the certificate's issuer isn't trusted"));
    old.write(&new.pem);
    let start = Instant::now();
    while !run_by(&prober, &probe, target).await.passed {
        assert!(start.elapsed() < DEADLINE, "the new authority is never trusted");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_bad_file_of_authorities_is_named() {
    let authority = Authority::new("authority");
    let (target, _) = https(authority.certify(params("www.example"))).await;
    let tls = authority.verify(Some("www.example"));
    let path = authority.folder.path().join("ca.pem");
    let shown = path.display();
    authority.write("nothing");
    let finding = run(&probe(tls.clone()), target).await;
    assert_eq!(finding, failed(&format!("TLS: {shown} has no certificate in PEM form")));
    authority.write("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let finding = run(&probe(tls.clone()), target).await;
    assert_eq!(finding, failed(&format!("TLS: {shown} is damaged")));
    fs::remove_file(&path).expect("the file");
    let finding = run(&probe(tls), target).await;
    let cause = format!("TLS: cannot read {shown}: no such file or directory");
    assert_eq!(finding, failed(&cause));
}

#[tokio::test]
async fn a_server_without_tls_fails() {
    let target = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        head(&mut stream).await;
    })
    .await;
    let finding = run(&probe(Tls::default()), target).await;
    assert_eq!(finding, failed("TLS: the server doesn't speak TLS"));
}
