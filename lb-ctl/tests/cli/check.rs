//! `lb-ctl check` and `lb-ctl reload`.

use crate::fake::{Agent, Run};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_good_file() {
    let agent = Agent::new(200, "[]");
    let file = agent.folder.path().join("lb config.yaml");
    fs::write(&file, "services: []\n").unwrap();
    let file = file.to_str().unwrap();
    let Run { code, out, err } = agent.run(&["check", file]);
    assert_eq!((code, out, &*err), (Some(0), format!("{file}: good\n"), ""));
    let (line, body) = agent.asked();
    let name = file.replace('/', "%2F").replace(' ', "%20");
    assert_eq!(line, format!("POST /v1/check?path={name}"));
    assert_eq!(body, b"services: []\n");
}

#[test]
fn a_file_with_problems() {
    let problems = json!([{
        "file": "lb.yaml", "line": 3, "column": 5, "field": "services[0].mode",
        "message": "unknown mode `\u{1b}[31mbridge`: nat, dr or tunnel"
    }]);
    let agent = Agent::new(200, &problems.to_string());
    let Run { code, out, err } = agent.run(&["check", "-"]);
    let expected = "lb.yaml:3:5: services[0].mode: \
                    unknown mode `\\u{1b}[31mbridge`: nat, dr or tunnel\n";
    assert_eq!((code, &*out, &*err), (Some(1), expected, "1 problem\n"));
    assert_eq!(agent.asked(), ("POST /v1/check?path=%3Cstdin%3E".to_owned(), vec![]));
    let Run { code, out, err } = agent.run(&["check", "-", "-o", "json"]);
    assert_eq!((code, &*err), (Some(1), ""));
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), problems);
}

#[test]
fn a_file_that_cannot_be_read() {
    let agent = Agent::new(200, "[]");
    let Run { code, out, err } = agent.run(&["check", "/nonexistent/lb.yaml"]);
    let expected =
        "lb-ctl: cannot read /nonexistent/lb.yaml: No such file or directory (os error 2)\n";
    assert_eq!((code, &*out, &*err), (Some(1), "", expected));
}

#[test]
fn endless_files_are_refused() {
    let agent = Agent::new(200, "[]");
    let Run { code, err, .. } = agent.run(&["check", "/dev/zero"]);
    assert_eq!(
        (code, &*err),
        (Some(1), "lb-ctl: /dev/zero: larger than 16 MiB, which no configuration is\n")
    );
}

#[test]
fn a_reload() {
    let agent = Agent::new(200, "[]");
    let Run { code, out, err } = agent.run(&["reload"]);
    let expected = "the configuration file is in force\n";
    assert_eq!((code, &*out, &*err), (Some(0), expected, ""));
    assert_eq!(agent.asked(), ("POST /v1/reload".to_owned(), vec![]));

    let problem = json!([{
        "file": "lb.yaml", "line": 3, "column": 5, "field": "services", "message": "missing"
    }]);
    let agent = Agent::new(200, &problem.to_string());
    let Run { code, out, err } = agent.run(&["reload"]);
    let expected = "lb.yaml:3:5: services: missing\n";
    assert_eq!((code, &*out, &*err), (Some(1), expected, "1 problem\n"));
}
