use super::*;
use lb_common::api::AdminState;
use proptest::prelude::*;
use std::collections::BTreeMap;

const DRAIN: ServerChange =
    ServerChange { weight: None, admin: Some(AdminState::Drained), deadline: None };

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
    store.change("web", "a", DRAIN).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let expected = serde_json::json!({
        "version": 1, "services": { "web": { "a": { "drained": true } } }
    });
    assert_eq!(value, expected);
    assert_eq!(names(folder.path()), ["state.json"]);
}

proptest! {
    // Each change is synced to the disk: few cases take long enough.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn reopening_gives_what_was_acknowledged(
        changes in prop::collection::vec(
            (0..3usize, prop::option::of(0..1200u32), prop::option::of(any::<bool>())),
            0..12,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut model = BTreeMap::<String, (u32, bool)>::new();
        for (server, weight, drain) in changes {
            let name = format!("s{server}");
            let change = ServerChange { weight, admin: drain.map(|drain| if drain { AdminState::Drained } else { AdminState::Enabled }), deadline: None };
            let refused = weight.is_some_and(|weight| weight > 1000)
                || (weight.is_none() && drain.is_none());
            let mut store = open(&path);
            prop_assert_eq!(store.change("web", &name, change).is_err(), refused);
            if !refused {
                let entry = model.entry(name).or_insert((5, false));
                *entry = (weight.unwrap_or(entry.0), drain.unwrap_or(entry.1));
            }
            let reopened = open(&path);
            prop_assert_eq!(reopened.overrides(), store.overrides());
        }
        for (name, (weight, drained)) in model {
            let in_force = open(&path).overrides().weight("web", &name, 5);
            prop_assert_eq!(in_force, if drained { 0 } else { weight });
        }
    }
}

#[test]
fn what_is_not_ours_is_set_aside() {
    let whole = r#"{"version":1,"services":{"web":{"a":{"drained":true}}}}"#;
    let rows: &[(&str, &str)] = &[
        ("", "not a file of overrides"),
        ("\0\0\0\0", "not a file of overrides"),
        (&whole[..whole.len() / 2], "not a file of overrides"),
        ("[1, 2]", "not a file of overrides"),
        (r#"{"version":2,"services":[]}"#, "written in version 2, this agent reads version 1"),
        (r#"{"version":1,"services":{},"more":1}"#, "unknown field `more`"),
        (r#"{"version":1,"services":{"web":{"a":{"weight":1001}}}}"#, "out of range"),
        (r#"{"version":1,"services":{"web":{"a":{"wieght":1}}}}"#, "unknown field `wieght`"),
    ];
    for (text, reason) in rows {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, text).unwrap();
        let Opened { mut store, warning } = Store::open(&path).unwrap();
        let warning = warning.unwrap();
        assert!(warning.contains(reason), "{text:?} gave {warning:?}");
        assert!(warning.contains("state.json.unusable-1"), "{warning:?}");
        assert_eq!(*store.overrides(), Overrides::default());

        store.change("web", "a", DRAIN).unwrap();
        assert_eq!(names(folder.path()), ["state.json", "state.json.unusable-1"]);
        let aside = folder.path().join("state.json.unusable-1");
        assert_eq!(fs::read(aside).unwrap(), text.as_bytes());
        assert_eq!(open(&path).overrides(), store.overrides());
    }
}

#[test]
fn a_truncated_file_is_never_taken_for_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    open(&path).change("web", "a", DRAIN).unwrap();
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
    open(&path).change("web", "a", DRAIN).unwrap();
    fs::write(beside(&path, ".new"), "{\"version\":1,\"serv").unwrap();
    let mut store = open(&path);
    assert_eq!(store.overrides().weight("web", "a", 1), 0);
    store.change("web", "b", DRAIN).unwrap();
    assert_eq!(open(&path).overrides().iter().count(), 2);
    assert_eq!(names(folder.path()), ["state.json"]);
}

#[test]
fn what_cannot_be_written_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();

    let missing = folder.path().join("missing/state.json");
    let mut store = open(&missing);
    let error = store.change("web", "a", DRAIN).unwrap_err().to_string();
    assert!(error.contains("missing: No such file or directory"), "{error}");
    assert_eq!(*store.overrides(), Overrides::default());

    let path = folder.path().join("state.json");
    let mut store = open(&path);
    store.change("web", "a", DRAIN).unwrap();
    fs::create_dir(beside(&path, ".new")).unwrap();
    let error = store.change("web", "b", DRAIN).unwrap_err().to_string();
    assert!(error.contains("state.json.new: Is a directory"), "{error}");
    assert_eq!(store.overrides().iter().count(), 1);
    assert_eq!(open(&path).overrides(), store.overrides());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let error = Store::open(in_the_way.join("state.json")).unwrap_err().to_string();
    assert!(error.contains("Not a directory"), "{error}");
}
