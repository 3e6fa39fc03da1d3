//! Checks of mail servers and name servers, with real ones.

use crate::setting::{FAST, Scene, Text, WEB};
use anyhow::ensure;
use lb_tests::lab::{Dnsmasq, Lab, SOON, Smtp, wait_until};
use lb_tests::site::Site;
use std::cell::RefCell;

#[test]
fn smtp_and_the_servers_log_stays_clean() {
    Lab::story("check-smtp", |lab| {
        let site = Site::new(lab, 2)?;
        let first = RefCell::new(Smtp::start(&site.servers[0].host)?);
        let second = Smtp::start(&site.servers[1].host)?;
        // OpenSMTPD's greeting may take a reverse look-up that nobody answers.
        let check = "check: { type: smtp, port: 25, helo: lb.example.net, interval: 1s, \
                     timeout: 900ms, rise: 2, fall: 2 }";
        let scene = Scene::start(lab, site, &[Text { fields: &[check], ..WEB }])?;
        scene.follows(|| first.borrow_mut().stop(), "refused", || first.borrow_mut().resume())?;
        let quits = || second.log().matches("reason=quit").count();
        wait_until(SOON, "checks that said goodbye", || quits() >= 3)?;
        for complaint in ["reason=disconnect", "reason=io-error", "failed-command"] {
            ensure!(!second.log().contains(complaint), "{}", second.log());
        }
        Ok(())
    });
}

#[test]
fn dns_and_its_answer() {
    const RIGHT: &[&str] = &["host-record=www.example.net,192.0.2.80"];
    const WRONG: &[&str] = &["host-record=www.example.net,192.0.2.81"];
    Lab::story("check-dns", |lab| {
        let site = Site::new(lab, 2)?;
        let first = RefCell::new(Dnsmasq::start(&site.servers[0].host, RIGHT)?);
        let _second = Dnsmasq::start(&site.servers[1].host, RIGHT)?;
        let check = format!(
            "check: {{ type: dns, port: 53, name: www.example.net, record: A, \
             expect: 192.0.2.80, {FAST} }}"
        );
        let scene = Scene::start(lab, site, &[Text { fields: &[&check], ..WEB }])?;
        let restart = |lines| first.borrow_mut().restart_with(lines);
        scene.follows(|| restart(WRONG), "no A record", || restart(RIGHT))?;
        scene.follows(|| restart(&[]), "refused", || restart(RIGHT))?;
        scene.follows(|| first.borrow_mut().stop(), "", || first.borrow_mut().resume())
    });
}
