//! The socket's file.

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[tokio::test]
async fn bind_makes_folder_and_mode() {
    let server = Server::start(Limits::default()).await;
    let mode = fs::metadata(server.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let folder = server.folder.path().join("run");
    let names: BTreeSet<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, BTreeSet::from(["agent.sock".into()]));
}

#[tokio::test]
async fn bind_replaces_only_a_dead_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");

    // What a killed agent leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let live = Listener::bind(&path, None).await.unwrap();

    let refused = Listener::bind(&path, None).await.unwrap_err();
    assert!(matches!(refused, BindError::InUse(_)), "{refused}");
    assert!(UnixStream::connect(&path).await.is_ok(), "the live one still listens");

    // Replaced from outside: the other's socket is not removed with ours.
    fs::remove_file(&path).unwrap();
    let other = Listener::bind(&path, None).await.unwrap();
    drop(live);
    assert!(path.exists());
    drop(other);
    assert!(!path.exists());

    fs::write(&path, "precious").unwrap();
    let refused = Listener::bind(&path, None).await.unwrap_err();
    assert!(matches!(refused, BindError::NotASocket(_)), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    let refused = Listener::bind(path.join("agent.sock"), None).await.unwrap_err();
    assert!(refused.to_string().contains("cannot create the folder"), "{refused}");
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
    let refused = Listener::bind(&path, None).await.unwrap_err();
    assert!(matches!(refused, BindError::InUse(_)), "{refused}");
}

#[tokio::test]
async fn only_root_and_the_group_get_in() {
    const GROUP: &str = "daemon";
    const STRANGER: u32 = 65534;
    let member = nix::unistd::Group::from_name(GROUP).unwrap().unwrap().gid.as_raw();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("run/agent.sock");

    let listener = Listener::bind(&path, Some(GROUP)).await.unwrap();
    assert!(connects_as(&path, STRANGER, member));
    assert!(!connects_as(&path, STRANGER, STRANGER));
    assert!(UnixStream::connect(&path).await.is_ok(), "root");
    drop(listener);

    let _listener = Listener::bind(&path, None).await.unwrap();
    assert!(!connects_as(&path, STRANGER, member));
    assert!(!connects_as(&path, STRANGER, STRANGER));
}

#[tokio::test]
async fn an_unknown_group_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let refused = Listener::bind(&path, Some("no such")).await.unwrap_err();
    let expected = r#"this host has no group "no such"; create it with groupadd, or name another"#;
    assert_eq!(refused.to_string(), expected);
    assert!(!path.exists());
}

/// Whether a process of this user and group, and of no other group, may connect.
fn connects_as(path: &Path, user: u32, group: u32) -> bool {
    use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
    let connect = || {
        // Linux keeps these for each thread, and this one ends. With the user go the
        // capabilities that would overrule the file's mode.
        setfsgid(Gid::from_raw(group));
        setfsuid(Uid::from_raw(user));
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => true,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => false,
            Err(error) => panic!("{error}"),
        }
    };
    std::thread::scope(|scope| scope.spawn(connect).join().unwrap())
}

fn small_queue(path: &Path) -> std::os::fd::OwnedFd {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
    };
    use std::os::fd::AsRawFd;
    let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    listener
}
