//! The server over a real socket, in front of a core that only remembers.

mod limits;
mod listener;
mod requests;

use super::*;
use crate::config;
use crate::state::Edits;
use lb_common::api;
use serde_json::Value;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// Has the services `web` (servers `a` and `b/c`) and `a b` (none).
#[derive(Default)]
struct FakeCore {
    edits: Edits,
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
        let weights = self.weights(service, servers);
        Ok(api::Service {
            name: service.to_owned(),
            address: ([192, 0, 2, 1], 80).into(),
            protocol: api::Protocol::Tcp,
            mode: api::Mode::Dr,
            scheduler: api::Scheduler::Rr,
            stats: api::Stats::default(),
            servers: servers
                .iter()
                .zip(weights)
                .map(|(server, weight)| api::Server {
                    name: (*server).to_owned(),
                    service: service.to_owned(),
                    address: ([192, 0, 2, 2], 80).into(),
                    weight,
                    configured_weight: Some(7),
                    state: api::ServerState::Up,
                    admin: api::AdminState::Enabled,
                    deadline: None,
                    health: None,
                    backup: false,
                    fallback: false,
                    max_connections: None,
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
            return Err(Refusal::unknown(&format!("server of {service}"), server, names));
        }
        self.edits = self.edits.change_server(service, server, change, 0)?;
        let servers = self.service(service)?.servers;
        servers.into_iter().find(|known| known.name == server).ok_or(Refusal::Stopping)
    }

    fn add_service(&mut self, _definition: &[u8]) -> Result<api::Service, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn remove_service(&mut self, _service: &str) -> Result<(), Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn add_server(&mut self, _service: &str, _definition: &[u8]) -> Result<api::Server, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn server(&mut self, _service: &str, _server: &str) -> Result<api::ServerDetail, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn remove_server(&mut self, _service: &str, _server: &str) -> Result<(), Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn change_host(
        &mut self,
        _address: std::net::IpAddr,
        _change: api::ServerChange,
    ) -> Result<Vec<api::Server>, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn reload(&mut self, _reply: tokio::sync::oneshot::Sender<Result<Vec<api::Problem>, Refusal>>) {
    }

    fn config(&mut self) -> Result<String, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn diff(&mut self) -> Result<Vec<api::Difference>, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn reset(&mut self, _query: &api::ResetQuery) -> Result<Vec<api::Difference>, Refusal> {
        Err(Refusal::Failed(String::new()))
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

impl FakeCore {
    /// The weights in force of servers that have the weight 7.
    fn weights(&self, service: &str, servers: &[&str]) -> Vec<u32> {
        let address = ([192, 0, 2, 2], 80).into();
        let servers = servers.iter().map(|name| config::Server::new(*name, address, 7)).collect();
        let service = config::Service {
            servers,
            ..config::Service::new(service, ([192, 0, 2, 1], 80).into())
        };
        let service = self.edits.apply_service(&Arc::new(service));
        service.servers.iter().map(config::Server::weight_in_force).collect()
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
        let listener = Listener::bind(folder.path().join("run/agent.sock")).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let api = Api::new(handle, found).limits(limits);
        let serve = tokio::spawn(serve(listener, api, async {
            let _ = stopped.await;
        }));
        Self { folder, stop, serve }
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
        (status, if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() })
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
    let _ = timeout(DEADLINE, stream.read_to_end(&mut all)).await.expect("an answer in time");
    let text = String::from_utf8(all).unwrap();
    let Some((header, body)) = text.split_once("\r\n\r\n") else {
        return (0, text);
    };
    (header.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn error(value: &Value) -> &str {
    value["error"].as_str().unwrap_or_else(|| panic!("{value} is not an error"))
}
