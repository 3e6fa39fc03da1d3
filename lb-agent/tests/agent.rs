//! The agent as its operator has it: the program, its signals and its control API.

mod common;

use aya::maps::{HashMap, Map, MapData};
use common::{NEAR, in_lab, pins::Pins, program_on, wait_for_no_program};
use lb_common::abi::{Service, ServiceKey, map};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// One director's files and pins. A running agent ends with it.
struct Director {
    folder: TempDir,
    pins: Pins,
    running: Option<Child>,
}

impl Director {
    fn new(config: &str) -> Self {
        let director =
            Self { folder: tempfile::tempdir().unwrap(), pins: Pins::new(), running: None };
        director.configure(config);
        director
    }

    fn configure(&self, config: &str) {
        fs::write(self.path("lb.yaml"), config).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_lb-agent"))
            .arg("--config")
            .arg(self.path("lb.yaml"))
            .arg("--pin-root")
            .arg(&self.pins.root)
            .arg("--socket")
            .arg(self.path("socket"))
            .arg("--state-dir")
            .arg(self.path("state"))
            .args(["--node", "lb1"])
            .args(arguments)
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Starts the agent and waits until it answers.
    fn start(&mut self, arguments: &[&str]) {
        let child = self.spawn(arguments);
        self.running = Some(child);
        self.wait("the agent answers", |director| {
            let child = director.running.as_mut().unwrap();
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            UnixStream::connect(director.path("socket")).is_ok()
        });
        self.get("status");
    }

    /// Runs the agent to its end, which must come by itself.
    fn run(&mut self, arguments: &[&str]) -> ExitStatus {
        self.running = Some(self.spawn(arguments));
        self.ended()
    }

    fn signal(&self, signal: Signal) {
        let pid = self.running.as_ref().unwrap().id();
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        self.wait("the agent ends", |director| {
            status = director.running.as_mut().unwrap().try_wait().unwrap();
            status.is_some()
        });
        self.running = None;
        status.unwrap()
    }

    fn wait(&mut self, what: &str, mut met: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !met(self) {
            assert!(Instant::now() < deadline, "not in time: {what}; log:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The answer of the control API, which must be a good one.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nhost: lb\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut socket = UnixStream::connect(self.path("socket")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 2"), "{answer}");
        if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() }
    }

    fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null)
    }

    /// Names, weights and states of a service's servers.
    fn servers(&self, service: &str) -> Vec<(String, u64, String)> {
        let service = self.get(&format!("services/{service}"));
        let servers = service["servers"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        servers
            .map(|one| (text(&one["name"]), one["weight"].as_u64().unwrap(), text(&one["state"])))
            .collect()
    }

    fn warnings(&self) -> String {
        self.get("status")["warnings"].to_string()
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("log of the agent:\n{}", self.log());
        }
    }
}

fn config(servers: &str) -> String {
    format!(
        "interfaces: [{NEAR}]\n\
         limits: {{ services: 16, servers: 64, slots: 65536, flows: 1024, half_open: 1024 }}\n\
         services:\n  \
         - name: web\n    address: 203.0.113.1:80\n    mode: nat\n    scheduler: wrr\n    \
         servers: [{servers}]\n"
    )
}

/// A server at the other end of the wire.
const ONE: &str = "{ name: a, address: 192.0.2.2:80 }";
const TWO: &str =
    "{ name: a, address: 192.0.2.2:80 }, { name: b, address: 192.0.2.2:81, weight: 3 }";

fn server(name: &str, weight: u64, state: &str) -> (String, u64, String) {
    (name.to_owned(), weight, state.to_owned())
}

#[test]
fn traffic_flows_on_when_the_agent_is_killed_and_the_next_takes_over() {
    in_lab(async |lab| {
        let mut director = Director::new(&config(TWO));
        director.start(&[]);
        director.wait("both servers are up", |director| {
            director.servers("web") == [server("a", 1, "up"), server("b", 3, "up")]
        });
        let status = director.get("status");
        assert_eq!(status["node"], "lb1");
        assert_eq!(status["interfaces"], json!([{ "name": NEAR, "attached": "native" }]));
        assert_eq!(status["warnings"], json!([]));
        let drained =
            director.ask("PATCH", "services/web/servers/b", &json!({ "admin": "drained" }));
        assert_eq!((&drained["weight"], &drained["state"]), (&json!(3), &json!("drained")));

        let before = program_on(&lab.near, NEAR).await;
        director.signal(Signal::SIGKILL);
        director.ended();
        assert_eq!(program_on(&lab.near, NEAR).await, before);

        director.start(&[]);
        assert_ne!(program_on(&lab.near, NEAR).await, before, "the new program");
        assert_eq!(director.servers("web"), [server("a", 1, "up"), server("b", 3, "drained")]);
        director.signal(Signal::SIGTERM);
        assert!(director.ended().success());
        assert!(program_on(&lab.near, NEAR).await.is_some());

        assert!(director.run(&["--detach"]).success());
        wait_for_no_program(&lab.near, NEAR).await;
        assert!(!director.pins.root.exists());
    });
}

#[test]
fn a_second_agent_is_refused() {
    in_lab(async |_| {
        let mut first = Director::new(&config(ONE));
        first.start(&[]);
        let mut second = Director::new(&config(ONE));
        for arguments in [&[][..], &["--detach"]] {
            assert_eq!(second.run(arguments).code(), Some(1));
            assert!(second.log().contains("another lb-agent runs in this network namespace"));
        }
        assert!(!second.pins.root.exists());
        assert_eq!(first.warnings(), "[]");
    });
}

#[test]
fn the_data_plane_goes_when_it_is_told_to() {
    in_lab(async |lab| {
        let mut director = Director::new(&config(ONE));
        director.start(&[]);
        director.ask("POST", "detach", &Value::Null);
        assert!(director.ended().success());
        wait_for_no_program(&lab.near, NEAR).await;
        assert!(!director.pins.root.exists());

        director.start(&["--detach-on-exit"]);
        director.signal(Signal::SIGINT);
        assert!(director.ended().success());
        wait_for_no_program(&lab.near, NEAR).await;
        assert!(!director.pins.root.exists());
    });
}

#[test]
fn a_reload_takes_a_good_file_and_leaves_a_bad_one() {
    in_lab(async |_| {
        let mut director = Director::new(&config(ONE));
        director.start(&[]);
        director.configure(&config(TWO));
        director.signal(Signal::SIGHUP);
        director.wait("the new server is there", |director| director.servers("web").len() == 2);

        let too_many = (0..65).map(|n| format!("{{ name: s{n}, address: 192.0.2.2:{} }}", n + 1));
        let too_many = config(&too_many.collect::<Vec<_>>().join(", "));
        let too_many = too_many.replace("servers: 64", "servers: 100");
        for (bad, words) in [
            ("services: 7", "the configuration stays as it was"),
            (&too_many, "limits.servers is 64 in the loaded data plane, but 65 are needed"),
        ] {
            director.configure(bad);
            director.signal(Signal::SIGHUP);
            director.wait("it is refused", |director| director.log().contains(words));
            assert_eq!(director.servers("web").len(), 2);
        }
    });
}

#[test]
fn what_others_break_in_the_maps_is_repaired() {
    in_lab(async |_| {
        let mut director = Director::new(&config(ONE));
        director.start(&[]);
        let services = MapData::from_pin(director.pins.path(map::SERVICES)).unwrap();
        let mut services: HashMap<_, [u8; size_of::<ServiceKey>()], [u8; size_of::<Service>()]> =
            Map::HashMap(services).try_into().unwrap();
        let keys: Vec<_> = services.keys().map(Result::unwrap).collect();
        assert_eq!(keys.len(), 2, "the service and its fragments");
        for key in &keys {
            services.remove(key).unwrap();
        }
        director.wait("the services are back", |_| services.keys().count() == keys.len());
        director.wait("it is told", |director| {
            director.warnings().contains("differences in the maps were repaired")
        });
    });
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    in_lab(async |lab| {
        let mut director = Director::new("interfaces: [nope0]\nservices: []\n");
        assert_eq!(director.run(&[]).code(), Some(1));
        assert!(director.log().contains("nope0"), "{}", director.log());
        assert!(!director.pins.root.exists());

        director.configure(&config(TWO).replace("servers: 64", "servers: 1"));
        assert_eq!(director.run(&[]).code(), Some(1));
        assert!(!director.pins.root.exists(), "{}", director.log());
        assert_eq!(program_on(&lab.near, NEAR).await, None);

        let mut stranger = Director::new(&config(ONE));
        stranger.start(&[]);
        stranger.signal(Signal::SIGTERM);
        stranger.ended();
        let strangers = program_on(&lab.near, NEAR).await;
        director.configure(&config(ONE));
        assert_eq!(director.run(&[]).code(), Some(1));
        assert!(director.log().contains("another XDP program"), "{}", director.log());
        assert!(!director.pins.root.exists());
        assert_eq!(program_on(&lab.near, NEAR).await, strangers);
    });
}

#[test]
fn a_check_changes_nothing() {
    let mut director = Director::new(&config(ONE).replace(NEAR, "lo"));
    assert!(director.run(&["--check"]).success());
    director.configure("services: 7");
    assert_eq!(director.run(&["--check"]).code(), Some(1));
    assert!(director.log().contains("lb.yaml:1:"), "{}", director.log());
    assert!(!director.path("state").exists());
    assert!(!director.pins.root.exists());
}
