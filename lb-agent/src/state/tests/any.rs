//! Any changes of any file.

use super::*;
use crate::config::{diff, to_yaml};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    AddService(u8, u8),
    RemoveService(u8),
    AddServer(u8, u8, u8),
    RemoveServer(u8, u8),
    Change(u8, u8, ServerChange),
    Reset(u8, Option<u8>),
}

fn op() -> impl Strategy<Value = Op> {
    let change = (
        prop::option::of(0..3u32),
        prop::option::of(prop::sample::select(AdminState::ALL)),
        any::<bool>(),
    );
    let change = change.prop_map(|(weight, admin, ends)| {
        let deadline = (ends && admin == Some(AdminState::Drained)).then_some(60);
        ServerChange { weight, admin, deadline }
    });
    prop_oneof![
        (0..6u8, 0..6u8).prop_map(|(name, host)| Op::AddService(name, host)),
        (0..6u8).prop_map(Op::RemoveService),
        (0..6u8, 0..6u8, 0..8u8)
            .prop_map(|(service, name, host)| { Op::AddServer(service, name, host) }),
        (0..6u8, 0..6u8).prop_map(|(service, name)| Op::RemoveServer(service, name)),
        (0..6u8, 0..6u8, change)
            .prop_map(|(service, name, change)| { Op::Change(service, name, change) }),
        (0..6u8, prop::option::of(0..6u8)).prop_map(|(service, name)| Op::Reset(service, name)),
    ]
}

fn after(ops: &[Op]) -> Edits {
    let name = |number: u8| format!("n{number}");
    ops.iter().fold(Edits::default(), |edits, op| match *op {
        Op::AddService(service, host) => {
            edits.add_service(super::service(&name(service), &format!("192.0.2.{host}:80")))
        }
        Op::RemoveService(service) => edits.remove_service(&name(service)),
        Op::AddServer(service, server, host) => {
            edits.add_server(&name(service), super::server(&name(server), host))
        }
        Op::RemoveServer(service, server) => edits.remove_server(&name(service), &name(server)),
        Op::Change(service, server, change) => {
            edits.change_server(&name(service), &name(server), change, 7).unwrap_or(edits)
        }
        Op::Reset(service, server) => {
            let query = ResetQuery { service: Some(name(service)), server: server.map(name) };
            edits.reset(&query).unwrap()
        }
    })
}

/// What runs after some changes of nothing, so far as that is a file.
fn any_file() -> impl Strategy<Value = Config> {
    prop::collection::vec(op(), 0..20).prop_map(|ops| {
        let empty = "interfaces: [eth0]\nlimits: { services: 4, servers: 9 }\nservices: []";
        after(&ops).apply(&file(empty)).config
    })
}

proptest! {
    #[test]
    fn any_changes_of_any_file(
        file in any_file(),
        other in any_file(),
        ops in prop::collection::vec(op(), 0..20),
    ) {
        let edits = after(&ops);
        let running = edits.apply(&file).config;
        // What runs is a good file.
        prop_assert_eq!(&parse("lb.yaml", &to_yaml(&running), &|_| true), &Ok(running.clone()));
        // Forgetting what the file says changes nothing, nor does forgetting it twice.
        let pruned = edits.prune(&file);
        prop_assert_eq!(&pruned.apply(&file).config, &running);
        prop_assert_eq!(&pruned.prune(&file), &pruned);
        // What is kept is what was.
        prop_assert_eq!(&saved::edits(saved::saved(&edits)), &Ok(edits.clone()));
        // Going back goes back.
        prop_assert_eq!(&edits.reset(&ResetQuery::default()).unwrap().apply(&file).config, &file);
        // A file that says all that runs changes nothing.
        let again = edits.prune(&running).apply(&running).config;
        prop_assert_eq!(diff(&again, &running), []);
        // Another file is no reason to fail.
        let running = edits.apply(&other).config;
        prop_assert_eq!(parse("lb.yaml", &to_yaml(&running), &|_| true), Ok(running));
    }
}

#[test]
fn an_edit_outlives_the_added_service_that_it_was_made_of() {
    let text = "interfaces: [eth0]\nservices:\n\
         - { name: n1, address: 192.0.2.2:80, mode: dr, servers: [] }\n\
         - { name: n3, address: 192.0.2.1:80, mode: dr, \
             servers: [{ name: n1, address: 192.0.2.9:80 }] }\n";
    let file = file(text);
    // The service that was added has no place beside n1, so the file's own serves.
    let edits = after(&[Op::AddService(3, 2), Op::RemoveServer(3, 1)]);
    let pruned = edits.prune(&file);
    assert_eq!(pruned.apply(&file).config, edits.apply(&file).config);
    assert!(pruned.apply(&file).config.services[1].servers.is_empty());
}
