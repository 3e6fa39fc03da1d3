use super::has_interface;
use lb_agent::config::load;
use lb_common::api::MAX_CHECK;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

const GOOD: &str = "interfaces: [eth0]\nservices: []\n";

#[test]
fn a_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.yaml");
    fs::write(&path, GOOD).unwrap();
    assert_eq!(load(&path, &has_interface).unwrap().interfaces, ["eth0"]);
}

#[test]
fn a_file_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    refused(&folder.path().join("none.yaml"), (0, 0), "No such file");
}

#[test]
fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    refused(folder.path(), (0, 0), "not a regular file");
}

#[test]
fn a_pipe_that_nobody_writes_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused(&path, (0, 0), "not a regular file");
}

#[test]
fn an_endless_device() {
    refused(Path::new("/dev/zero"), (0, 0), "not a regular file");
}

#[test]
fn text_that_is_not_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.yaml");
    fs::write(&path, b"interfaces:\n  - \xc3\xa9\xff\n").unwrap();
    refused(&path, (2, 6), "0xff is not UTF-8");
}

#[test]
fn a_file_of_100_mb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.yaml");
    let mut file = File::create(&path).unwrap();
    file.write_all(GOOD.as_bytes()).unwrap();
    file.set_len(100_000_000).unwrap();
    refused(&path, (0, 0), "larger than 16 MiB");
}

#[test]
fn a_file_of_just_the_largest_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.yaml");
    let comment = "#".repeat(MAX_CHECK - GOOD.len());
    fs::write(&path, format!("{GOOD}{comment}")).unwrap();
    load(&path, &has_interface).unwrap();
    fs::write(&path, format!("{GOOD}{comment}#")).unwrap();
    refused(&path, (0, 0), "larger than 16 MiB");
}

/// The file as a whole is refused, with one problem.
fn refused(path: &Path, place: (u64, u64), gist: &str) {
    let problems = load(path, &has_interface).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(Path::new(&problems[0].file), path);
    assert_eq!((problems[0].line, problems[0].column), place);
    assert!(problems[0].message.contains(gist), "{}", problems[0]);
}
