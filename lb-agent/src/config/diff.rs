//! What runs otherwise than the file says.

use super::emit::{Item, server_items, server_text, service_items, service_text};
use super::model::{Config, Service};
use lb_common::api::Difference;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The differences of services and servers, from the file to what runs: in the file's order, and
/// what only runs at the end.
pub fn diff(file: &Config, running: &Config) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, file, running) in pairs(&file.services, &running.services, |one| &one.name) {
        match (file, running) {
            (Some(file), Some(running)) if Arc::ptr_eq(file, running) => {}
            (Some(file), Some(running)) => diff_service(file, running, &mut found),
            _ => {
                let text = |service: &Arc<Service>| service_text(service);
                found.push(difference((name, None), "", (file.map(text), running.map(text))));
            }
        }
    }
    found
}

fn diff_service(file: &Service, running: &Service, found: &mut Vec<Difference>) {
    let service = file.name.as_str();
    fields((service, None), service_items(file), service_items(running), found);
    for (name, file, running) in pairs(&file.servers, &running.servers, |one| &one.name) {
        let place = (service, Some(name));
        match (file, running) {
            (Some(file), Some(running)) if file == running => {}
            (Some(file), Some(running)) => {
                fields(place, server_items(file), server_items(running), found);
            }
            _ => {
                found.push(difference(place, "", (file.map(server_text), running.map(server_text))))
            }
        }
    }
}

/// Name of a service, and of a server of it.
type Where<'a> = (&'a str, Option<&'a str>);

fn fields<const N: usize>(
    place: Where<'_>,
    file: [Item; N],
    running: [Item; N],
    found: &mut Vec<Difference>,
) {
    for (file, running) in file.into_iter().zip(running) {
        if file.value != running.value {
            found.push(difference(place, file.key, (file.value, running.value)));
        }
    }
}

fn difference(
    (service, server): Where<'_>,
    field: &str,
    (file, running): (Option<String>, Option<String>),
) -> Difference {
    Difference {
        service: service.to_owned(),
        server: server.map(str::to_owned),
        field: field.to_owned(),
        file,
        running,
    }
}

/// What has a name in one list and in the other: the first list's order, then the rest.
fn pairs<'a, T>(
    file: &'a [T],
    running: &'a [T],
    name: impl Fn(&T) -> &String + Copy,
) -> impl Iterator<Item = (&'a str, Option<&'a T>, Option<&'a T>)> {
    let by_name: HashMap<&str, &T> = running.iter().map(|one| (name(one).as_str(), one)).collect();
    let in_file: HashSet<&str> = file.iter().map(|one| name(one).as_str()).collect();
    let both = file.iter().map(move |one| {
        let key = name(one).as_str();
        (key, Some(one), by_name.get(key).copied())
    });
    let rest = running.iter().map(move |one| (name(one).as_str(), None, Some(one)));
    both.chain(rest.filter(move |(name, _, _)| !in_file.contains(name)))
}
