//! The server over a real socket, in front of a core that only remembers.

use super::*;
use crate::state::Overrides;
use lb_common::api;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// Has the services `web` (servers `a` and `b/c`) and `a b` (none).
#[derive(Default)]
struct FakeCore {
    overrides: Overrides,
    detached: bool,
}

impl Control for FakeCore {
    fn status(&mut self) -> Result<api::Status, Refusal> {
        Ok(api::Status {
            version: "1".to_owned(),
            node: "lb1".to_owned(),
            pid: 1,
            uptime: 2,
            config: String::new(),
            pins: String::new(),
            interfaces: vec![],
            services: 2,
            servers: 2,
            warnings: vec![],
        })
    }

    fn services(&mut self) -> Result<Vec<api::Service>, Refusal> {
        Ok(vec![self.service("web")?, self.service("a b")?])
    }

    fn service(&mut self, service: &str) -> Result<api::Service, Refusal> {
        let servers: &[&str] = match service {
            "web" => &["a", "b/c"],
            "a b" => &[],
            _ => return Err(Refusal::unknown("service", service, ["web", "a b"])),
        };
        Ok(api::Service {
            name: service.to_owned(),
            address: ([192, 0, 2, 1], 80).into(),
            protocol: api::Protocol::Tcp,
            mode: api::Mode::Dr,
            scheduler: api::Scheduler::Rr,
            stats: api::Stats::default(),
            servers: servers
                .iter()
                .map(|server| api::Server {
                    name: (*server).to_owned(),
                    service: service.to_owned(),
                    address: ([192, 0, 2, 2], 80).into(),
                    weight: self.overrides.weight(service, server, 7),
                    configured_weight: 7,
                    state: api::ServerState::Up,
                    next_hop: None,
                    active: 0,
                    stats: api::Stats::default(),
                })
                .collect(),
        })
    }

    fn change_server(
        &mut self,
        service: &str,
        server: &str,
        change: api::ServerChange,
    ) -> Result<api::Server, Refusal> {
        let known = self.service(service)?.servers;
        if !known.iter().any(|known| known.name == server) {
            let names = known.iter().map(|known| known.name.as_str());
            return Err(Refusal::unknown(
                &format!("server of {service}"),
                server,
                names,
            ));
        }
        self.overrides.change(service, server, change)?;
        let servers = self.service(service)?.servers;
        servers
            .into_iter()
            .find(|known| known.name == server)
            .ok_or(Refusal::Stopping)
    }

    fn connections(&mut self, query: &api::ConnectionQuery) -> Result<api::Connections, Refusal> {
        Err(Refusal::Failed(format!("{query:?}")))
    }

    fn reasons(&mut self) -> Result<Vec<api::ReasonCount>, Refusal> {
        Ok(vec![])
    }

    fn detach(&mut self) -> Result<(), Refusal> {
        if self.detached {
            return Err(Refusal::Conflict("detached already".to_owned()));
        }
        self.detached = true;
        Ok(())
    }
}

/// A server in front of a [`FakeCore`].
struct Server {
    folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    serve: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let (handle, mut calls) = channel();
        tokio::spawn(async move {
            let mut core = FakeCore::default();
            while let Some(call) = calls.recv().await {
                call.run(&mut core);
            }
        });
        Self::in_front_of(handle, limits).await
    }

    async fn in_front_of(handle: Handle, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind(folder.path().join("run/agent.sock"))
            .await
            .unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let api = Api::new(handle, found).limits(limits);
        let serve = tokio::spawn(serve(listener, api, async {
            let _ = stopped.await;
        }));
        Self {
            folder,
            stop,
            serve,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/agent.sock")
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }

    /// Sends a request and reads the status and the JSON body of its answer.
    async fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let header = format!(
            "{method} {path} HTTP/1.1\r\nhost: agent\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = self.connect().await;
        // A refusal may come before all has been sent.
        let _ = stream.write_all(&[header.as_bytes(), body].concat()).await;
        let (status, body) = answer(stream).await;
        (
            status,
            if body.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&body).unwrap()
            },
        )
    }

    #[track_caller]
    fn get<'a>(&'a self, path: &'a str) -> impl Future<Output = (u16, Value)> + 'a {
        self.ask("GET", path, b"")
    }
}

/// The problems that the check of these tests finds: name and size of the file.
fn found(name: &str, text: &[u8]) -> Vec<api::Problem> {
    vec![api::Problem {
        file: name.to_owned(),
        line: text.len() as u64,
        column: 0,
        field: String::new(),
        message: String::new(),
    }]
}

/// Reads until the server closes; status 0 if it closes without a word.
async fn answer(mut stream: UnixStream) -> (u16, String) {
    let mut all = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut all))
        .await
        .expect("an answer in time");
    let text = String::from_utf8(all).unwrap();
    let Some((header, body)) = text.split_once("\r\n\r\n") else {
        return (0, text);
    };
    (
        header.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

fn error(value: &Value) -> &str {
    value["error"]
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not an error"))
}

#[tokio::test]
async fn every_route_answers() {
    let server = Server::start(Limits::default()).await;
    let (status, body) = server.get("/v1/status").await;
    assert_eq!((status, &body["node"]), (200, &json!("lb1")));
    let (status, body) = server.get("/v1/services").await;
    assert_eq!((status, body.as_array().map(Vec::len)), (200, Some(2)));
    let (status, body) = server.get("/v1/services/a%20b").await;
    assert_eq!((status, &body["name"]), (200, &json!("a b")));
    let (status, body) = server.get("/v1/reasons").await;
    assert_eq!((status, body), (200, json!([])));
    let (status, body) = server.get("/v1/connections?service=a%26b&limit=3").await;
    let query = r#"ConnectionQuery { service: Some("a&b"), server: None, limit: Some(3) }"#;
    assert_eq!((status, error(&body)), (500, query));
    let (status, body) = server
        .ask("POST", "/v1/check?path=%2Fetc%2Flb.yaml", b"text")
        .await;
    assert_eq!((status, &body[0]["file"]), (200, &json!("/etc/lb.yaml")));
    assert_eq!(body[0]["line"], 4);
    assert_eq!(
        server.ask("POST", "/v1/detach", b"").await,
        (204, Value::Null)
    );
    let (status, body) = server.ask("POST", "/v1/detach", b"").await;
    assert_eq!((status, error(&body)), (409, "detached already"));
}

#[tokio::test]
async fn a_server_is_changed() {
    let server = Server::start(Limits::default()).await;
    let path = "/v1/services/web/servers/b%2Fc";
    for (change, weight) in [
        (json!({ "drain": true }), 0),
        (json!({ "weight": 3 }), 0),
        (json!({ "drain": false }), 3),
    ] {
        let (status, body) = server
            .ask("PATCH", path, change.to_string().as_bytes())
            .await;
        assert_eq!(
            (status, &body["name"], &body["weight"]),
            (200, &json!("b/c"), &json!(weight))
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = Server::start(Limits::default()).await;
    let web_a = "/v1/services/web/servers/a";
    let rows: &[(&str, &str, &str, u16, &str)] = &[
        (
            "GET",
            "/v1/services/wbe",
            "",
            404,
            r#"unknown service "wbe": known: web, a b"#,
        ),
        (
            "PATCH",
            "/v1/services/web/servers/d",
            r#"{"weight":1}"#,
            404,
            "known: a, b/c",
        ),
        (
            "PATCH",
            "/v1/services/a%20b/servers/d",
            r#"{"weight":1}"#,
            404,
            "there is none",
        ),
        ("GET", "/v2/status", "", 404, "nothing at /v2/status"),
        ("GET", "/", "", 404, "nothing at /"),
        (
            "DELETE",
            "/v1/status",
            "",
            405,
            "DELETE is not for /v1/status",
        ),
        ("GET", "/v1/detach", "", 405, "GET is not for /v1/detach"),
        ("GET", "/v1/services/%ff", "", 400, "UTF-8"),
        ("PATCH", web_a, "", 400, "EOF"),
        ("PATCH", web_a, "{\"weight\":", 400, "EOF"),
        (
            "PATCH",
            web_a,
            r#"{"wieght":1}"#,
            400,
            "expected `weight` or `drain`",
        ),
        ("PATCH", web_a, r#"{"weight":-1}"#, 400, "expected u32"),
        (
            "PATCH",
            web_a,
            r#"{"drain":"yes"}"#,
            400,
            "expected a boolean",
        ),
        (
            "PATCH",
            web_a,
            r#"{"weight":1001}"#,
            422,
            "a weight is 0 to 1000",
        ),
        ("PATCH", web_a, "{}", 422, "give `weight` or `drain`"),
        ("GET", "/v1/connections?limit=many", "", 400, "limit"),
        ("GET", "/v1/connections?sevrice=web", "", 400, "`service`"),
        ("POST", "/v1/check", "text", 400, "path"),
    ];
    for (method, path, body, expected, words) in rows {
        let (status, body) = server.ask(method, path, body.as_bytes()).await;
        assert_eq!(status, *expected, "{method} {path}: {body}");
        assert!(error(&body).contains(words), "{method} {path}: {body}");
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = Server::start(Limits::default()).await;
    let (status, body) = server
        .ask("POST", "/v1/check?path=x", &vec![b'x'; api::MAX_CHECK])
        .await;
    assert_eq!((status, &body[0]["line"]), (200, &json!(api::MAX_CHECK)));
    let too_large = vec![b' '; api::MAX_CHECK + 1];
    let (status, body) = server.ask("POST", "/v1/check?path=x", &too_large).await;
    assert_eq!(status, 413, "{body}");
    assert!(error(&body).contains("16777216 bytes at most"), "{body}");
    let change = "/v1/services/web/servers/a";
    let (status, _) = server
        .ask("PATCH", change, &too_large[..(64 << 10) + 1])
        .await;
    assert_eq!(status, 413);
    let (status, _) = server.ask("PATCH", change, &too_large[..64 << 10]).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn garbage_harms_nobody() {
    let server = Server::start(Limits::default()).await;
    let endless_header = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'x'; 1 << 20]].concat();
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20));
    let rows: &[(&[u8], &[u16])] = &[
        (b"\0\xff\xfe\r\n\r\n", &[400]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400]),
        (b"GET\r\n\r\n", &[400]),
        (
            b"GET /v1/status HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
            &[400],
        ),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 0]),
        (&endless_header, &[431, 0]),
        (many_headers.as_bytes(), &[431, 0]),
        (long_path.as_bytes(), &[414, 431, 0]),
    ];
    for (bytes, expected) in rows {
        let mut stream = server.connect().await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let (status, _) = answer(stream).await;
        assert!(
            expected.contains(&status),
            "{:?}: {status}",
            String::from_utf8_lossy(bytes)
        );
    }
    // Bytes of a fixed pseudo-random sequence, and connections that say nothing.
    let mut state = 1u64;
    for length in 0..200 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (state >> 56) as u8
            })
            .collect();
        let _ = server.connect().await.write_all(&bytes).await;
    }
    assert_eq!(server.get("/v1/status").await.0, 200);
}

#[tokio::test]
async fn the_silent_make_room_for_others() {
    let limits = Limits {
        connections: 2,
        header: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let silent = [server.connect().await, server.connect().await];
    assert_eq!(server.get("/v1/status").await.0, 200);
    drop(silent);
}

#[tokio::test]
async fn who_never_reads_the_answer_is_cut_off() {
    let limits = Limits {
        connections: 1,
        answer: Duration::from_secs(60),
        connection: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let mut slow = server.connect().await;
    slow.write_all(b"PATCH /v1/services/web/servers/a HTTP/1.1\r\ncontent-length: 9\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(server.get("/v1/status").await.0, 200);
    assert_eq!(answer(slow).await.0, 0);
}

#[tokio::test]
async fn a_core_that_hangs_or_is_gone_is_reported() {
    let limits = Limits {
        answer: Duration::from_millis(100),
        ..Limits::default()
    };
    let (handle, mut calls) = channel();
    let server = Server::in_front_of(handle, limits).await;
    let change = br#"{"drain":true}"#;
    let (status, body) = server
        .ask("PATCH", "/v1/services/web/servers/a", change)
        .await;
    assert_eq!(
        (status, error(&body).contains("no answer within 100ms")),
        (504, true),
        "{body}"
    );

    // Nobody waits for it any more: it isn't done behind the operator's back.
    let mut core = FakeCore::default();
    calls.recv().await.unwrap().run(&mut core);
    assert_eq!(core.overrides, Overrides::default());

    drop(calls);
    let (status, body) = server.get("/v1/status").await;
    assert_eq!((status, error(&body)), (503, "the agent is stopping"));
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_removes_the_socket() {
    let (handle, mut calls) = channel();
    let server = Server::in_front_of(handle, Limits::default()).await;
    let idle = server.connect().await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /v1/detach HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let call = timeout(DEADLINE, calls.recv()).await.unwrap().unwrap();

    let socket = server.socket();
    server.stop.send(()).unwrap();
    until("the socket is removed", || !socket.exists()).await;
    call.run(&mut FakeCore::default());
    assert_eq!(answer(stream).await.0, 204);
    assert_eq!(answer(idle).await.0, 0);
    timeout(DEADLINE, server.serve).await.unwrap().unwrap();
}

#[tokio::test]
async fn bind_makes_folder_and_mode() {
    let server = Server::start(Limits::default()).await;
    let mode = fs::metadata(server.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let folder = server.folder.path().join("run");
    let names: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, BTreeSet::from(["agent.sock".into()]));
}

#[tokio::test]
async fn bind_replaces_only_a_dead_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");

    // What a killed agent leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let live = Listener::bind(&path).await.unwrap();

    let refused = Listener::bind(&path).await.unwrap_err();
    assert!(matches!(refused, BindError::InUse(_)), "{refused}");
    assert!(
        UnixStream::connect(&path).await.is_ok(),
        "the live one still listens"
    );

    // Replaced from outside: the other's socket is not removed with ours.
    fs::remove_file(&path).unwrap();
    let other = Listener::bind(&path).await.unwrap();
    drop(live);
    assert!(path.exists());
    drop(other);
    assert!(!path.exists());

    fs::write(&path, "precious").unwrap();
    let refused = Listener::bind(&path).await.unwrap_err();
    assert!(matches!(refused, BindError::NotASocket(_)), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    let refused = Listener::bind(path.join("agent.sock")).await.unwrap_err();
    assert!(
        refused.to_string().contains("cannot create the folder"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_full_queue_means_somebody_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let _listener = small_queue(&path);
    let mut waiting = Vec::new();
    let full = loop {
        match timeout(DEADLINE, UnixStream::connect(&path)).await.unwrap() {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    let refused = Listener::bind(&path).await.unwrap_err();
    assert!(matches!(refused, BindError::InUse(_)), "{refused}");
}

fn small_queue(path: &Path) -> std::os::fd::OwnedFd {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
    };
    use std::os::fd::AsRawFd;
    let listener = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::empty(),
        None,
    )
    .unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    listener
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn many_known_names_are_cut() {
    let names: Vec<_> = (0..30).map(|n| format!("s{n}")).collect();
    let refusal = Refusal::unknown("service", "x\u{1b}[2J", names.iter().map(String::as_str));
    let message = refusal.to_string();
    assert!(
        message.starts_with(r#"unknown service "x\u{1b}[2J": known: s0, s1,"#),
        "{message}"
    );
    assert!(message.ends_with("s19 and 10 more"), "{message}");
}
