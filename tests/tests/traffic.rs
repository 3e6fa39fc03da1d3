//! Real traffic through a director.

use anyhow::{Result, ensure};
use lb_common::api::{Mode, Protocol, Scheduler};
use lb_tests::lab::Lab;
use lb_tests::site::{self, Family, HTTP, ServiceText, Site, director};

#[test]
fn http_dr_v4() {
    Lab::story("http-dr", |lab| -> Result<()> {
        let site = Site::new(lab, 3)?;
        let family = Family::V4;
        let service = ServiceText {
            name: "web".into(),
            vip: (family.vip(0), HTTP),
            protocol: Protocol::Tcp,
            mode: Mode::Dr,
            scheduler: Scheduler::Rr,
            more: String::new(),
            servers: (0..3)
                .map(|index| (format!("web{}", index + 1), family.server(index), HTTP, 1))
                .collect(),
        };
        let director = director(lab, &site.director, &site::config(&[service]))?;
        director.wait_until_resolved()?;
        let client = site.client.client().from_address(family.direct_client());
        let tally = client.tally((family.vip(0), HTTP), 300)?;
        ensure!(tally.values().all(|count| *count == 100), "{tally:?}");
        Ok(())
    });
}
