//! Real servers answer plain clients, and are gone when they are stopped.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lb_tests::lab::{Authority, Dnsmasq, Host, Nginx, SOON, Smtp, wait_until};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Pair, server_addresses};

#[test]
fn nginx_serves_files_and_reloads() -> Result<()> {
    let pair = Pair::new("nginx")?;
    let files = [("check.txt", "still alive"), ("other.txt", "x")];
    let mut nginx = Nginx::plain(&pair.server, &files)?;
    let client = pair.client.client();
    for address in server_addresses() {
        assert_eq!(client.get((address, 80), "/check.txt")?.text(), "still alive");
    }
    // It logs a request after it has answered.
    let logged = || nginx.accesses().is_ok_and(|lines| lines.len() == 2);
    wait_until(SOON, "both requests are in the log", logged)?;
    let web = (server_addresses()[0], 80);
    nginx.write("check.txt", "changed")?;
    nginx.remove("other.txt")?;
    assert_eq!(client.get(web, "/check.txt")?.text(), "changed");
    assert_eq!(client.get(web, "/other.txt")?.status, 404);

    nginx.reload("server { listen 80; location / { return 204; } }")?;
    wait_until(SOON, "the new configuration", || {
        client.get(web, "/check.txt").is_ok_and(|reply| reply.status == 204)
    })?;
    assert!(nginx.reload("nonsense;").is_err());
    assert_eq!(client.get(web, "/check.txt")?.status, 204);

    nginx.reload("server { listen 80; }")?;
    nginx.stop()?;
    refused(&pair.client, 80)?;
    nginx.resume()?;
    assert_eq!(client.get(web, "/check.txt")?.text(), "changed");
    Ok(())
}

#[test]
fn nginx_speaks_tls_with_a_certificate_of_ours() -> Result<()> {
    let pair = Pair::new("tls")?;
    let authority = Authority::new()?;
    let (certificate, key) = authority.certify(&["www.example.net", "192.0.2.2"])?;
    let files = [("cert.pem", &*certificate), ("key.pem", &*key), ("ca.pem", authority.pem())];
    let _nginx = Nginx::start(&pair.server, &files, Nginx::TLS)?;
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(authority.pem().as_bytes())?)?;
    let config =
        Arc::new(ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth());
    for address in server_addresses() {
        for (name, fits) in
            [("www.example.net", true), ("192.0.2.2", true), ("other.example.net", false)]
        {
            let session = ClientConnection::new(config.clone(), ServerName::try_from(name)?)?;
            let stream = pair.client.client().tcp((address, 443))?;
            let mut stream = StreamOwned::new(session, stream);
            let asked = stream.write_all(b"GET /cert.pem HTTP/1.0\r\n\r\n");
            ensure!(asked.is_ok() == fits, "{name}: {asked:?}");
            if fits {
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                ensure!(answer.ends_with(&certificate), "{answer}");
            }
        }
    }
    Ok(())
}

#[test]
fn dnsmasq_answers_for_its_names() -> Result<()> {
    let pair = Pair::new("dns")?;
    let mut dns = Dnsmasq::start(&pair.server, &["host-record=www.example.net,192.0.2.80"])?;
    let client = pair.client.client();
    for address in server_addresses() {
        let answer = client.udp_ask((address, 53), &QUESTION)?;
        assert!(answer.ends_with(&[192, 0, 2, 80]), "{answer:?}");
    }
    dns.restart_with(&["host-record=www.example.net,192.0.2.81"])?;
    let server = (server_addresses()[0], 53);
    assert!(client.udp_ask(server, &QUESTION)?.ends_with(&[192, 0, 2, 81]));
    dns.restart_with(&[])?;
    let answer = client.udp_ask(server, &QUESTION)?;
    assert_eq!((answer[3] & 15, answer.len()), (REFUSED, QUESTION.len()), "{answer:?}");
    dns.stop()?;
    let nobody = client.udp_ask(server, &QUESTION).err().map(|error| error.kind());
    assert_eq!(nobody, Some(ErrorKind::ConnectionRefused));
    dns.resume()
}

/// RCODE 5 (RFC 1035, section 4.1.1).
const REFUSED: u8 = 5;

/// Who is www.example.net, A, IN (RFC 1035, section 4).
const QUESTION: [u8; 33] = *b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
    \x03www\x07example\x03net\x00\x00\x01\x00\x01";

#[test]
fn opensmtpd_tells_who_was_polite() -> Result<()> {
    let pair = Pair::new("smtp")?;
    let mut smtp = Smtp::start(&pair.server)?;
    for address in server_addresses() {
        let mut stream = pair.client.client().tcp((address, 25))?;
        stream.write_all(b"EHLO client.example.net\r\n")?;
        let mut said = String::new();
        let mut answers = BufReader::new(stream);
        while !said.lines().last().is_some_and(|line| line.starts_with("250 ")) {
            ensure!(answers.read_line(&mut said)? > 0, "{said}");
        }
        answers.get_mut().write_all(b"QUIT\r\n")?;
        answers.read_to_string(&mut said)?;
        ensure!(said.starts_with("220 mail.example.net ") && said.contains("\r\n221 "), "{said}");
    }
    wait_until(SOON, "both have quit", || smtp.log().matches("reason=quit").count() == 2)
        .with_context(|| smtp.log())?;
    drop(pair.client.client().tcp((server_addresses()[0], 25))?);
    let noticed = || smtp.log().matches("smtp disconnected reason=").count() == 3;
    wait_until(SOON, "the one that hung up is noticed", noticed).with_context(|| smtp.log())?;
    smtp.stop()?;
    refused(&pair.client, 25)?;
    smtp.resume()?;
    pair.client.client().tcp((server_addresses()[0], 25))?;
    Ok(())
}

#[test]
fn real_servers_run_side_by_side() -> Result<()> {
    let pair = Pair::new("beside")?;
    let _servers = (Smtp::start(&pair.client)?, Smtp::start(&pair.server)?);
    let _names = (Dnsmasq::start(&pair.client, &[])?, Dnsmasq::start(&pair.server, &[])?);
    let _web = (Nginx::plain(&pair.client, &[])?, Nginx::plain(&pair.server, &[])?);
    Ok(())
}

fn refused(client: &Host, port: u16) -> Result<()> {
    let client = client.client().timeout(Duration::from_secs(2));
    let kind = client.tcp((server_addresses()[0], port)).err().map(|error| error.kind());
    ensure!(kind == Some(ErrorKind::ConnectionRefused), "port {port}: {kind:?}");
    Ok(())
}
