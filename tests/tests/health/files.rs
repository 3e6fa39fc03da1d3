//! The file and what runs: how they differ, and how one becomes the other.

use crate::setting::{Scene, Text, WEB, config};
use anyhow::{Context, Result, ensure};
use lb_tests::lab::{Lab, Load, SOON, wait_until};

#[test]
fn diff_save_and_reset() {
    Lab::story("save", |lab| {
        let scene = Scene::new(lab, &[WEB])?;
        let director = &scene.director;
        director.wait_until_resolved()?;
        ensure!(director.diff()?.is_empty(), "{:?}", director.diff()?);
        director.ctl(&["server", "weight", "web/web1", "3"])?;
        director.ctl(&["server", "add", "web/more", "192.0.2.19:80", "--backup"])?;
        director.ctl(&["server", "rm", "web/web2"])?;
        let differences = director.diff()?;
        let weight = differences.iter().find(|one| one.field == "weight").context("no weight")?;
        ensure!(weight.server.as_deref() == Some("web1"), "{weight:?}");
        ensure!((weight.file.as_deref(), weight.running.as_deref()) == (Some("1"), Some("3")));
        let whole = |name: &str| {
            let mut found = differences.iter().filter(|one| one.server.as_deref() == Some(name));
            found.next().map(|one| (one.file.is_some(), one.running.is_some()))
        };
        ensure!(whole("more") == Some((false, true)), "{differences:?}");
        ensure!(whole("web2") == Some((true, false)), "{differences:?}");

        let saved = lab.folder().join("saved.yaml");
        let path = saved.display().to_string();
        director.ctl(&["save", &path])?;
        ensure!(director.ctl(&["save", "-"])? == std::fs::read_to_string(&saved)?);
        director.ctl(&["check", &path])?;
        director.ctl(&["reset", "web/web1"])?;
        ensure!(director.diff()?.len() < differences.len());
        director.ctl(&["reset"])?;
        ensure!(director.diff()?.is_empty(), "{:?}", director.diff()?);
        scene.only(&["web1", "web2"])?;

        // What was saved, taken for the file, is what ran.
        director.write_config(&std::fs::read_to_string(&saved)?)?;
        director.ctl(&["reload"])?;
        ensure!(director.diff()?.is_empty(), "{:?}", director.diff()?);
        let server = scene.server("more")?;
        ensure!(server.backup && server.configured_weight == Some(1), "{server:?}");
        ensure!(scene.server("web1")?.weight == 3 && scene.server("web2").is_err());
        Ok(())
    });
}

#[test]
fn a_reload_touches_only_what_differs() {
    Lab::story("reload", |lab| {
        let three = Text { servers: &["", "", ""], ..WEB };
        let scene = Scene::new(lab, &[three])?;
        let director = &scene.director;
        director.wait_until_resolved()?;
        let mut load = Load::new();
        load.one_connection(&scene.client, scene.vip)?;
        load.new_connections(scene.client.clone(), scene.vip);
        load.goes_on()?;
        let other = Text { name: "other", vip: (1, 80), ..WEB };
        for services in [
            &[Text { servers: &["", "", "weight: 5"], ..WEB }][..],
            &[three, other],
            &[other, Text { fields: &["slow_start: 1s"], ..three }],
            &[three],
        ] {
            director.write_config(&config(services))?;
            director.ctl(&["reload"])?;
            load.goes_on()?;
            ensure!(director.services()?.len() == services.len());
        }
        let before = director.services()?;
        director.write_config("interfaces: [eth0]\nservices: 7\n")?;
        let refused = director.ctl_output(&["reload"])?;
        let words =
            String::from_utf8_lossy(&refused.stderr) + String::from_utf8_lossy(&refused.stdout);
        ensure!(refused.status.code() == Some(1) && words.contains("services"), "{words}");
        ensure!(director.services()?.len() == before.len());
        load.finish()
    });
}

#[test]
fn a_watched_file_is_read_again() {
    Lab::story("autoreload", |lab| {
        let text = |weight: u32| {
            let weight = format!("weight: {weight}");
            format!("autoreload: true\n{}", config(&[Text { servers: &[&weight, ""], ..WEB }]))
        };
        let scene = Scene::new(lab, &[WEB])?;
        let director = &scene.director;
        director.write_config(&text(2))?;
        director.ctl(&["reload"])?;
        let becomes = |weight: u32| -> Result<()> {
            let is = || scene.server("web1").is_ok_and(|server| server.weight == weight);
            wait_until(SOON, &format!("weight {weight}"), is)
        };
        becomes(2)?;
        director.write_config(&text(3))?;
        becomes(3)?;
        // Replaced as editors do.
        let draft = lab.folder().join("draft.yaml");
        std::fs::write(&draft, text(4))?;
        std::fs::rename(&draft, director.config())?;
        becomes(4)?;
        let known = director.log().len();
        director.write_config("nonsense")?;
        let told = || director.log()[known..].contains("stays as it was");
        wait_until(SOON, "the agent refuses the file", told)?;
        director.write_config(&text(5))?;
        becomes(5)
    });
}
