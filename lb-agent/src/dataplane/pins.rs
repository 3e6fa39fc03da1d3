use lb_common::abi::ABI_VERSION;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the pins are unless told otherwise.
pub const DEFAULT_ROOT: &str = "/sys/fs/bpf/lb";

const LINK: &str = "link-";

/// In place of a dot, which the BPF file system refuses; no interface's name has a colon.
const DOT: &str = ":";

/// The folder of one ABI version below the root of the pins.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
    path: PathBuf,
}

impl Folder {
    /// The folder of this version; not made yet.
    pub(super) fn of_this_version(root: &Path) -> Self {
        Self { root: root.to_owned(), path: root.join(format!("v{ABI_VERSION}")) }
    }

    /// Folders that other versions left.
    pub(super) fn of_other_versions(&self) -> io::Result<Vec<Self>> {
        let paths = entries(&self.root)?.into_iter().filter(|path| *path != self.path);
        let versions = paths.filter(|path| {
            let number = name(path).strip_prefix('v').unwrap_or_default();
            number.parse::<u32>().is_ok() && path.is_dir()
        });
        Ok(versions.map(|path| Self { root: self.root.clone(), path }).collect())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn create(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn program(&self) -> PathBuf {
        self.path.join("program")
    }

    /// Where a program is pinned before it takes the place of the last one.
    pub(super) fn next_program(&self) -> PathBuf {
        self.path.join("program-next")
    }

    pub(super) fn link(&self, interface: &str) -> PathBuf {
        self.path.join(format!("{LINK}{}", interface.replace('.', DOT)))
    }

    /// Names of the interfaces with a pinned link.
    pub(super) fn interfaces(&self) -> io::Result<Vec<String>> {
        let paths = entries(&self.path)?;
        let links = paths.iter().filter_map(|path| name(path).strip_prefix(LINK));
        Ok(links.map(|name| name.replace(DOT, ".")).collect())
    }

    /// Removes all pins, links first: with them the program stops.
    pub(super) fn remove(&self) -> io::Result<()> {
        let mut paths = entries(&self.path)?;
        paths.sort_by_key(|path| !name(path).starts_with(LINK));
        for path in paths {
            remove(&path)?;
        }
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Another version's folder may be in it.
        let _ = fs::remove_dir(&self.root);
        Ok(())
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What is in a folder, in the order of the names; nothing if there is no folder.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_and_other_versions_and_removes_all() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::of_this_version(root.path());
        assert!(folder.interfaces().unwrap().is_empty());
        folder.create().unwrap();
        for path in
            [folder.link("eth0"), folder.link("eth0.7"), folder.program(), folder.map("FLOWS")]
        {
            fs::write(path, "").unwrap();
        }
        fs::create_dir(root.path().join("v0")).unwrap();
        fs::create_dir(root.path().join("var")).unwrap();

        assert_eq!(folder.interfaces().unwrap(), ["eth0", "eth0.7"]);
        let others = folder.of_other_versions().unwrap();
        assert_eq!(others.len(), 1);
        assert_eq!(others[0].path(), root.path().join("v0"));

        folder.remove().unwrap();
        folder.remove().unwrap();
        assert!(!folder.path().exists());
        assert!(root.path().exists(), "it holds more");
    }
}
