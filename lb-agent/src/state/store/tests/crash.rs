//! A store that is killed while it writes.

use super::*;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Tells [`saves_for_ever`] where.
const PATH: &str = "LB_TEST_STATE";

/// Servers in each state: enough that a write isn't a single step.
const SERVERS: u32 = 300;

const KILLS: u64 = 40;

/// Longest time for a child's first word.
const DEADLINE: Duration = Duration::from_secs(60);

/// A child is killed even if the test panics.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All servers drained until a second that stands for the state.
fn state(number: u64) -> Edits {
    let change = ServerChange {
        weight: Some(u32::try_from(number % 1000).unwrap()),
        admin: Some(AdminState::Drained),
        deadline: Some(0),
    };
    (0..SERVERS).fold(Edits::default(), |edits, server| {
        edits.change_server("web", &format!("server-{server}"), change, number).unwrap()
    })
}

/// The number of the state that is on disk; 0 if none ever was.
fn number(store: &Store) -> u64 {
    let Some((_, _, number)) = store.edits().deadlines().next() else {
        assert!(store.edits().is_empty());
        return 0;
    };
    assert_eq!(*store.edits(), state(number), "not a whole state");
    number
}

/// Not a test by itself: the child that is killed.
#[test]
#[ignore = "run by killed_while_it_writes"]
fn saves_for_ever() {
    let mut store = open(Path::new(&env::var_os(PATH).unwrap()));
    for next in number(&store) + 1.. {
        store.save(state(next)).unwrap();
        println!("\nsaved {next}");
    }
}

#[test]
fn killed_while_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        acknowledged = acknowledged.max(killed_after(&path, Duration::from_micros(kill * 700)));
        let found = number(&open(&path));
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "{found} is on disk, {acknowledged} was acknowledged"
        );
        acknowledged = found;
    }
    let left = names(folder.path());
    let ours = |name: &String| matches!(name.as_str(), "state.json" | "state.json.new");
    assert!(left.iter().all(ours), "{left:?}");
}

/// Kills a child this long after its first state; returns the last state that it acknowledged.
fn killed_after(path: &Path, delay: Duration) -> u64 {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("state::store::tests::crash::saves_for_ever")
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Killed(child.unwrap());
    let output = BufReader::new(child.0.stdout.take().unwrap());
    let (sender, saved) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            // The last line may be cut short by the kill, but then it is no number.
            if let Some(number) = line.strip_prefix("saved ") {
                sender.send(number.parse::<u64>().unwrap_or(0)).unwrap();
            }
        }
    });
    let first = saved.recv_timeout(DEADLINE).expect("the child saves a state");
    // Not a wait for something: it chooses the moment of the kill.
    thread::sleep(delay);
    drop(child);
    reader.join().unwrap();
    saved.iter().fold(first, u64::max)
}
