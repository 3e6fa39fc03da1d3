use super::{Error, refused};
use std::path::{Path, PathBuf};
use std::{fs, io};

const IPV4: &str = "/proc/sys/net/ipv4/conf";
const IPV6: &str = "/proc/sys/net/ipv6/conf";

/// Lets the loopback interface forward, in this thread's network namespace; no other interface is
/// touched. The data plane looks routes up as if packets came from there (`bpf_fib_lookup`), as
/// the kernel does for its own packets, and that refuses interfaces that don't forward.
///
/// Returns the settings that were changed. A kernel without IPv6 is left alone.
///
/// # Errors
/// A setting can't be read or written.
pub fn forward_on_loopback() -> Result<Vec<PathBuf>, Error> {
    let mut changed = Vec::new();
    let [ipv4, ipv6] = [IPV4, IPV6].map(|family| Path::new(family).join("lo/forwarding"));
    if read(&ipv4)?.as_deref() != Some("1") {
        write(&ipv4, "1")?;
        changed.push(ipv4);
    }
    if read(&ipv6)?.is_some_and(|value| value != "1") {
        let kept = Routers::keep()?;
        let written = write(&ipv6, "1");
        kept.release()?;
        written?;
        changed.push(ipv6);
    }
    Ok(changed)
}

/// Interfaces that listen to router advertisements. When any interface begins to forward, the
/// kernel drops the routes that were learned that way (`rt6_purge_dflt_routers`), except from
/// interfaces that are to listen even if they forward: `accept_ra` 2 instead of 1.
struct Routers(Vec<PathBuf>);

impl Routers {
    fn keep() -> Result<Self, Error> {
        let mut kept = Self(Vec::new());
        let interfaces = fs::read_dir(IPV6).map_err(refused(|| format!("list {IPV6}")))?;
        for interface in interfaces.filter_map(Result::ok) {
            let (listens, forwards) =
                (interface.path().join("accept_ra"), interface.path().join("forwarding"));
            let special = ["all", "default"].iter().any(|name| interface.file_name() == *name);
            if !special
                && read(&listens)?.as_deref() == Some("1")
                && read(&forwards)?.as_deref() == Some("0")
            {
                write(&listens, "2")?;
                kept.0.push(listens);
            }
        }
        Ok(kept)
    }

    fn release(self) -> Result<(), Error> {
        // Each is tried, also after one has failed (its interface may be gone).
        let results: Vec<_> = self.0.iter().map(|path| write(path, "1")).collect();
        results.into_iter().collect()
    }
}

/// The setting, if there is one of this name.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(|| format!("read {}", path.display()))(error)),
    }
}

/// Sets it; an interface that is gone by now needs no setting.
fn write(path: &Path, value: &str) -> Result<(), Error> {
    match fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| io::Write::write_all(&mut &file, value.as_bytes()))
    {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(refused(|| format!("write {value} to {}", path.display()))),
    }
}
