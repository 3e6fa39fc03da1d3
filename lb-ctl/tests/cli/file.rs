//! The configuration file and what runs: `diff`, `reset` and `save`.

use crate::commands::assert_shows;
use crate::fake::{Agent, Run};
use lb_common::api::Difference;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn differences_are_listed() {
    let difference =
        |server: Option<&str>, field: &str, file: Option<&str>, running: Option<&str>| Difference {
            service: "web".to_owned(),
            server: server.map(str::to_owned),
            field: field.to_owned(),
            file: file.map(str::to_owned),
            running: running.map(str::to_owned),
        };
    let differences = serde_json::to_string(&[
        difference(Some("webA"), "weight", Some("1"), Some("5")),
        difference(Some("webC"), "", None, Some("192.0.2.13:80")),
        difference(None, "persist", Some("300s"), None),
    ])
    .unwrap();
    let table = "   SERVICE  SERVER  FIELD    FILE  RUNNING\n\
                 ~  web      webA    weight   1     5\n\
                 +  web      webC    -        -     192.0.2.13:80\n\
                 -  web      -       persist  300s  -\n";
    let agent = Agent::new(200, &differences);
    let Run { code, out, err } = agent.run(&["diff"]);
    assert_eq!((code, &*out, &*err), (Some(1), table, ""));
    assert_eq!(agent.asked().0, "GET /v1/diff");
    let Run { code, out, .. } = agent.run(&["diff", "-o", "json"]);
    let parse = |text| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!((code, parse(&out)), (Some(1), parse(&differences)));

    for (arguments, request) in [
        (&["reset"][..], "POST /v1/reset"),
        (&["reset", "web"], "POST /v1/reset?service=web"),
        (&["reset", "web/webA"], "POST /v1/reset?service=web&server=webA"),
    ] {
        assert_shows(&Agent::new(200, &differences), arguments, request, table);
    }

    let agent = Agent::new(200, "[]");
    let none = "what runs is what the file says\n";
    assert_shows(&agent, &["diff"], "GET /v1/diff", none);
    let none = format!("nothing to undo: {none}");
    assert_shows(&agent, &["reset"], "POST /v1/reset", &none);
}

const CONFIG: &str = "services: []\n";

#[test]
fn what_runs_is_saved() {
    let agent = Agent::new(200, CONFIG);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lb.yaml");
    let path = file.to_str().unwrap();
    let Run { code, out, err } = agent.run(&["save", path]);
    assert_eq!((code, &*out, err), (Some(0), "", format!("what runs is saved as {path}\n")));
    assert_eq!(fs::read_to_string(&file).unwrap(), CONFIG);
    assert_eq!(agent.asked().0, "GET /v1/config");

    // Not over a file, unless told to; and then it keeps its mode, and a link stays one.
    fs::write(&file, "precious").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let link = folder.path().join("link.yaml");
    symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let path = path.to_str().unwrap();
        let Run { code, out, err } = agent.run(&["save", path]);
        let expected = format!(
            "lb-ctl: {path} is there already; --force replaces it, `-` writes to the standard \
             output\n"
        );
        assert_eq!((code, &*out, err), (Some(1), "", expected));
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let Run { code, .. } = agent.run(&["save", "--force", link.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), CONFIG);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn what_runs_is_printed() {
    for format in ["table", "json"] {
        let Run { code, out, err } = Agent::new(200, CONFIG).run(&["save", "-", "-o", format]);
        assert_eq!((code, &*out, &*err), (Some(0), CONFIG, ""));
    }
}

#[test]
fn what_cannot_be_saved_changes_nothing() {
    let agent = Agent::new(500, r#"{"error":"no"}"#);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lb.yaml");
    let Run { code, err, .. } = agent.run(&["save", file.to_str().unwrap()]);
    assert_eq!((code, &*err), (Some(1), "lb-ctl: no\n"));
    assert!(!file.exists());

    let agent = Agent::new(200, CONFIG);
    let Run { code, err, .. } = agent.run(&["save", "--force", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(err.contains("is not a regular file"), "{err}");
    let Run { code, err, .. } = agent.run(&["save", "/nonexistent/lb.yaml"]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("lb-ctl: cannot write /nonexistent/lb.yaml: No such file"), "{err}");
}
