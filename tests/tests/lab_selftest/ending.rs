//! Programs, and the end of a lab.

use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use lb_tests::lab::{
    Capture, Decapsulator, Host, HttpServer, Lab, SOON, Tag, UdpEcho, cable, ip, wait_until,
    wildcard,
};

use super::Pair;

#[test]
fn programs_run_inside_and_leave_a_log() -> Result<()> {
    let pair = Pair::new("program")?;
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "cat /proc/net/dev; echo problem >&2; trap 'echo bye; exit 3' TERM; \
         echo ready; while :; do sleep 0.01; done",
    ]);
    let program = pair.server.spawn(command)?;
    program.wait_for_log(SOON, "ready")?;
    assert!(program.log().contains("eth0:") && program.log().contains("problem"));
    assert!(pair.lab.logs().contains("sh-on-server"), "{}", pair.lab.logs());
    assert_eq!(program.status(), None);
    program.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(program.wait(SOON)?.code(), Some(3));
    assert!(program.log().ends_with("bye\n"), "{}", program.log());

    let mut failing = Command::new("false");
    let failing = pair.server.spawn(std::mem::replace(&mut failing, Command::new("")))?;
    let error = failing.wait_for_log(SOON, "ready").unwrap_err();
    assert!(format!("{error:#}").contains("exit status: 1"), "{error:#}");
    assert!(pair.server.spawn(Command::new("/no/such/program")).is_err());
    Ok(())
}

#[test]
fn a_program_that_ignores_sigterm_goes_as_well() -> Result<()> {
    let pair = Pair::new("stubborn")?;
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
    let program = pair.server.spawn(command)?;
    program.wait_for_log(SOON, "ready")?;
    let pid = program.pid();
    drop(program);
    assert!(!std::fs::exists(format!("/proc/{pid}"))?);
    Ok(())
}

/// A wire from a lab to a witness outside it, which loses its end when the lab's namespace goes.
fn witnessed(lab: &Lab, witness: &Host) -> Result<Host> {
    let host = lab.host("watched")?;
    let (link, _) = cable((&host, "eth0"), (witness, "watch"))?;
    link.address("192.0.2.1/24")?.vlan(7, Tag::Customer)?;
    Ok(host)
}

#[test]
fn everything_is_gone_after_drop() -> Result<()> {
    let outside = Lab::new("outside")?;
    let witness = outside.host("witness")?;
    let lab = Lab::new("dropped")?;
    let folder = lab.folder().to_owned();
    let pid = {
        let host = witnessed(&lab, &witness)?;
        let server = HttpServer::start(&host, "web", wildcard(80))?;
        let _udp = UdpEcho::start(&host, "udp", wildcard(53))?;
        let _open = host.client().connect((ip("192.0.2.1"), 80))?;
        let _capture = Capture::start(&host, "eth0")?;
        let _decapsulator = Decapsulator::start(&host)?;
        let program = host.spawn({
            let mut command = Command::new("sleep");
            command.arg("1000");
            command
        })?;
        wait_until(SOON, "the connection", || server.connections() == 1)?;
        program.pid()
    };
    drop(lab);
    wait_until(SOON, "the end of the namespace", || witness.link("watch").is_err())?;
    assert!(!folder.exists());
    assert!(!std::fs::exists(format!("/proc/{pid}"))?);
    Ok(())
}

#[test]
fn everything_is_gone_after_a_panic() -> Result<()> {
    let outside = Lab::new("outside")?;
    let witness = outside.host("witness")?;
    let panicked = catch_unwind(|| {
        Lab::story("panics", |lab| {
            let host = witnessed(lab, &witness)?;
            let _server = HttpServer::start(&host, "web", wildcard(80))?;
            std::fs::write(witness_file(&outside), lab.folder().to_str().unwrap_or_default())?;
            host.run(|| panic!("on purpose"))
        });
    });
    assert!(panicked.is_err());
    wait_until(SOON, "the end of the namespace", || witness.link("watch").is_err())?;
    assert!(!std::fs::exists(std::fs::read_to_string(witness_file(&outside))?)?);
    Ok(())
}

fn witness_file(lab: &Lab) -> PathBuf {
    lab.folder().join("folder-of-the-other")
}
