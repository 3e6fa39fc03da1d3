mod crash;
mod full;

use super::*;
use lb_common::api::{AdminState, ServerChange};

/// Drains a server of the service `web` until the second 100.
fn drain(store: &mut Store, server: &str) -> Result<(), StoreError> {
    let change =
        ServerChange { weight: None, admin: Some(AdminState::Drained), deadline: Some(90) };
    let edits = store.edits().change_server("web", server, change, 10).unwrap();
    store.save(edits)
}

fn drained(store: &Store) -> usize {
    store.edits().deadlines().count()
}

fn open(path: &Path) -> Store {
    let opened = Store::open(path).unwrap();
    assert_eq!(opened.warning, None);
    opened.store
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_change_is_on_disk_in_a_documented_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut store = open(&path);
    assert_eq!(names(folder.path()), [""; 0], "opening writes nothing");
    drain(&mut store, "a").unwrap();
    let value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let expected = serde_json::json!({
        "version": 2,
        "services": { "web": { "servers": { "a": { "admin": "drained", "until": 100 } } } }
    });
    assert_eq!(value, expected);
    assert_eq!(names(folder.path()), ["state.json"]);
}

#[test]
fn what_the_documentation_shows() {
    let text: String = include_str!("../saved.rs")
        .lines()
        .skip_while(|line| *line != "//! ```json")
        .skip(1)
        .map_while(|line| line.strip_prefix("//! "))
        .take_while(|line| *line != "```")
        .collect();
    assert_eq!(parse(text.as_bytes()).unwrap().deadline("web", "webA"), Some(1_767_225_600));
}

#[test]
fn what_is_not_ours_is_set_aside() {
    let whole = r#"{"version":2,"services":{"web":{"servers":{"a":{"admin":"drained"}}}}}"#;
    let services = |services: &str| format!(r#"{{"version":2,"services":{services}}}"#);
    let server = |server: &str| services(&format!(r#"{{"web":{{"servers":{{"a":{server}}}}}}}"#));
    let rows = [
        (String::new(), "not a file of changes"),
        ("\0\0\0\0".to_owned(), "not a file of changes"),
        (whole[..whole.len() / 2].to_owned(), "not a file of changes"),
        ("[1, 2]".to_owned(), "not a file of changes"),
        (whole.replace('2', "1"), "written in version 1, this agent reads version 2"),
        (services(r#"{},"more":1"#), "unknown field `more`"),
        (server(r#"{"weight":1001}"#), "weight is out of range"),
        (server(r#"{"wieght":1}"#), "unknown field `wieght`"),
        (server(r#"{"until":1}"#), "nothing is drained"),
        (server(r#"{"removed":true,"added":"{name: a, address: 192.0.2.1:80}"}"#), "both"),
        (server(r#"{"added":"{name: b, address: 192.0.2.1:80}"}"#), "another name"),
        (server(r#"{"added":"{name: a}"}"#), "address: missing"),
        (server(r#"{"added":"["}"#), "not YAML"),
        (services(r#"{"web":{"added":"{name: web}"}}"#), "address: missing"),
        (services(r#"{"web":{"removed":true,"servers":{"a":{}}}}"#), "removed, but with servers"),
    ];
    for (text, reason) in &rows {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, text).unwrap();
        let Opened { mut store, warning } = Store::open(&path).unwrap();
        let warning = warning.unwrap();
        assert!(warning.contains(reason), "{text:?} gave {warning:?}");
        assert!(warning.contains("state.json.unusable-1"), "{warning:?}");
        assert_eq!(*store.edits(), Edits::default());

        drain(&mut store, "a").unwrap();
        assert_eq!(names(folder.path()), ["state.json", "state.json.unusable-1"]);
        let aside = folder.path().join("state.json.unusable-1");
        assert_eq!(fs::read(aside).unwrap(), text.as_bytes());
        assert_eq!(open(&path).edits(), store.edits());
    }
}

#[test]
fn a_truncated_file_is_never_taken_for_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    drain(&mut open(&path), "a").unwrap();
    let whole = fs::read(&path).unwrap();
    // Without the last newline it is whole.
    for length in 0..whole.len() - 1 {
        assert!(parse(&whole[..length]).is_err(), "cut to {length} bytes");
    }
    assert!(parse(&whole).is_ok());
}

#[test]
fn files_set_aside_before_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    for text in ["first", "second"] {
        fs::write(&path, text).unwrap();
        assert!(Store::open(&path).unwrap().warning.is_some());
    }
    fs::create_dir(&path).unwrap();
    let warning = Store::open(&path).unwrap().warning.unwrap();
    assert!(warning.contains("not a regular file"), "{warning}");
    let expected = ["state.json.unusable-1", "state.json.unusable-2", "state.json.unusable-3"];
    assert_eq!(names(folder.path()), expected);
}

#[test]
fn what_a_crash_leaves_behind_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    drain(&mut open(&path), "a").unwrap();
    fs::write(beside(&path, ".new"), "{\"version\":2,\"serv").unwrap();
    let mut store = open(&path);
    assert_eq!(store.edits().deadline("web", "a"), Some(100));
    drain(&mut store, "b").unwrap();
    assert_eq!(drained(&open(&path)), 2);
    assert_eq!(names(folder.path()), ["state.json"]);
}

#[test]
fn what_cannot_be_written_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();

    let missing = folder.path().join("missing/state.json");
    let mut store = open(&missing);
    let error = drain(&mut store, "a").unwrap_err().to_string();
    assert!(error.contains("missing: No such file or directory"), "{error}");
    assert_eq!(*store.edits(), Edits::default());

    let path = folder.path().join("state.json");
    let mut store = open(&path);
    drain(&mut store, "a").unwrap();
    fs::create_dir(beside(&path, ".new")).unwrap();
    let error = drain(&mut store, "b").unwrap_err().to_string();
    assert!(error.contains("state.json.new: Is a directory"), "{error}");
    assert_eq!(drained(&store), 1);
    assert_eq!(open(&path).edits(), store.edits());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let error = Store::open(in_the_way.join("state.json")).unwrap_err().to_string();
    assert!(error.contains("Not a directory"), "{error}");
}
