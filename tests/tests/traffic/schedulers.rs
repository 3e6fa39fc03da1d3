//! What each scheduler promises, seen from the client.

use super::{Scene, servers, shares, web};
use anyhow::{Result, ensure};
use lb_common::api::{Mode, Protocol, Scheduler};
use lb_tests::lab::Lab;
use lb_tests::site::{Family, HTTP, HTTP_ALT, ServiceText, UDP, VIPS};
use std::collections::BTreeSet;

#[test]
fn wrr_keeps_the_weights_exactly() {
    Lab::story("wrr", |lab| {
        let scene = Scene::new(lab, Mode::Nat, Family::V4, Scheduler::Wrr)?;
        let tally = scene.client.tally((scene.vip, HTTP), 1200)?;
        ensure!(shares(&tally) == [200, 400, 600], "{tally:?}");
        Ok(())
    });
}

#[test]
fn sh_sends_one_client_to_one_server() {
    Lab::story("sh", |lab| {
        let scene = Scene::new(lab, Mode::Dr, Family::V6, Scheduler::Sh)?;
        let tally = scene.client.tally((scene.vip, HTTP), 200)?;
        ensure!(tally.len() == 1, "{tally:?}");
        let datagrams = scene.client.udp_tally((scene.vip, UDP), 200)?;
        ensure!(datagrams.keys().eq(tally.keys()), "{tally:?}, {datagrams:?}");
        Ok(())
    });
}

/// Clients of many addresses, in proportion to the weights 1, 2, 3.
#[test]
fn sh_spreads_many_clients() {
    Lab::story("sh-many", |lab| {
        const CLIENTS: u16 = 240;
        let scene = Scene::new(lab, Mode::Dr, Family::V4, Scheduler::Sh)?;
        let mut served = [0; 3];
        for number in 0..CLIENTS {
            let address = format!("198.51.100.{}", number + 12);
            scene.site.client_link.address(&format!("{address}/32"))?;
            let client = scene.site.client.client().from_address(lb_tests::lab::ip(&address));
            let share = shares(&client.tally((scene.vip, HTTP), 1)?);
            served.iter_mut().zip(share).for_each(|(all, one)| *all += one);
        }
        // A binomial share is within five deviations of its mean.
        for (count, weight) in served.into_iter().zip([1.0, 2.0, 3.0]) {
            let (n, p) = (f64::from(CLIENTS), weight / 6.0);
            let deviation = (n * p * (1.0 - p)).sqrt();
            ensure!((count as f64 - n * p).abs() < 5.0 * deviation, "{served:?}");
        }
        Ok(())
    });
}

/// Whoever asks, a virtual address has its server; the addresses have different ones.
#[test]
fn dh_sends_one_address_to_one_server() {
    Lab::story("dh", |lab| {
        let family = Family::V4;
        let scene = Scene::with(lab, family, |site| {
            let web = web(site, Mode::Nat, family, Scheduler::Dh, "", &[1, 1, 1]);
            let at = |number| ServiceText {
                name: format!("web{number}"),
                vip: (family.vip(number), HTTP),
                ..web.clone()
            };
            (0..VIPS).map(at).collect()
        })?;
        let neighbour = lab.host("neighbour")?;
        let link = scene.site.lan.join(&neighbour, "eth0")?;
        link.address("203.0.113.77/24")?.route("192.0.2.0/24")?;
        let mut used = BTreeSet::new();
        for number in 0..VIPS {
            let vip = (family.vip(number), HTTP);
            let tally = scene.client.tally(vip, 20)?;
            ensure!(tally.len() == 1, "{number}: {tally:?}");
            let other = neighbour.client().tally(vip, 20)?;
            ensure!(other.keys().eq(tally.keys()), "{number}: {tally:?}, {other:?}");
            used.extend(tally.into_keys());
        }
        ensure!(used.len() > 1, "all {VIPS} addresses have {used:?}");
        Ok(())
    });
}

/// Maglev over addresses and ports spreads the connections of one client.
#[test]
fn mh_with_ports_is_near_the_weights() {
    Lab::story("mh", |lab| {
        const CONNECTIONS: usize = 3000;
        let family = Family::V6;
        let scene = Scene::with(lab, family, |site| {
            vec![ServiceText {
                name: "web".into(),
                vip: (family.vip(0), HTTP),
                protocol: Protocol::Tcp,
                mode: Mode::Nat,
                scheduler: Scheduler::Mh,
                more: "    scheduler_flags: [mh-port]\n    table_size: 65537\n".into(),
                servers: servers(site, family, HTTP_ALT),
            }]
        })?;
        let tally = scene.client.tally((scene.vip, HTTP), CONNECTIONS)?;
        for (count, weight) in shares(&tally).into_iter().zip([1.0, 2.0, 3.0]) {
            let (n, p) = (CONNECTIONS as f64, weight / 6.0);
            let deviation = (n * p * (1.0 - p)).sqrt();
            ensure!((count as f64 - n * p).abs() < 5.0 * deviation, "{tally:?}");
        }
        Ok(())
    });
}

/// One director, all modes at once; two virtual addresses with NAT share the servers.
#[test]
fn services_of_all_modes_side_by_side() {
    Lab::story("mixed", |lab| -> Result<()> {
        let family = Family::V4;
        let modes = [Mode::Dr, Mode::Tunnel, Mode::Nat, Mode::Nat];
        let scene = Scene::with(lab, family, |site| {
            let service = |(number, mode): (u16, &Mode)| {
                let port = if *mode == Mode::Nat { HTTP_ALT } else { HTTP };
                ServiceText {
                    name: format!("web{number}"),
                    vip: (family.vip(number), HTTP),
                    protocol: Protocol::Tcp,
                    mode: *mode,
                    scheduler: Scheduler::Rr,
                    more: String::new(),
                    servers: servers(site, family, port),
                }
            };
            (0..).zip(&modes).map(service).collect()
        })?;
        for (number, mode) in (0..).zip(modes) {
            let address = match mode {
                Mode::Nat => family.routed_client(),
                Mode::Dr | Mode::Tunnel => family.direct_client(),
            };
            let client = scene.site.client.client().from_address(address);
            let tally = client.tally((family.vip(number), HTTP), 300)?;
            ensure!(shares(&tally) == [100; 3], "{mode}: {tally:?}");
            client.download((family.vip(number), HTTP), 1_000_000)?;
        }
        scene.nothing_dropped()
    });
}
