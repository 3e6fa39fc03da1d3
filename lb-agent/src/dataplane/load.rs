use super::{
    Dataplane, Error,
    maps::Maps,
    pins::{self, Folder},
    spec::{SPECS, Spec},
};
use crate::config::Limits;
use aya::{
    Ebpf, EbpfLoader,
    maps::MapInfo,
    programs::{ProgramError, Xdp},
};
use aya_log::Level;
use lb_common::abi::map;
use std::{fs, io, path::Path};

/// The compiled XDP program.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("LB_EBPF_OBJECT"));

/// How much a program logs that is to log nothing: its log calls are dead code to the kernel.
const SILENT: u8 = 0;

/// The program's name in it.
const PROGRAM: &str = "lb";

impl Dataplane {
    /// Loads the program, with the maps that are pinned below `root` where there are any, and pins
    /// what is new. Traffic that flows already is left to the program that handles it until
    /// [`Dataplane::attach`].
    ///
    /// `limits` size the maps that are made now. A pinned map keeps its size, see
    /// [`Dataplane::warnings`]. `packet_log` says whether the program logs dropped packets, see
    /// [`Dataplane::packet_log`].
    pub fn load(root: &Path, limits: &Limits, packet_log: bool) -> Result<Self, Error> {
        let folder = Folder::of_this_version(root);
        let pins = |source| Error::Pins { path: folder.path().to_owned(), source };
        let pinned = |source| Error::Pinned { path: folder.path().to_owned(), source };
        folder.create().map_err(pins)?;

        let mut loader = EbpfLoader::new();
        // The program depends on no type of the kernel's, and they are megabytes.
        loader.btf(None);
        let mut warnings: Vec<String> = Vec::new();
        for spec in &SPECS {
            let path = folder.map(spec.name);
            if let Some(info) = adopted(spec, &path)? {
                spec.check(&info).map_err(pinned)?;
                let difference = spec.difference(limits, &info);
                warnings.extend(difference.filter(|difference| !warnings.contains(difference)));
                // Otherwise aya would believe the program's size.
                loader.map_max_entries(spec.name, info.max_entries());
            } else if let Some(entries) = spec.entries(limits) {
                loader.map_max_entries(spec.name, entries);
            }
            loader.map_pin_path(spec.name, path);
        }

        let level = if packet_log { Level::Debug as u8 } else { SILENT };
        loader.override_global(aya_log::LEVEL, &level, false);
        let mut ebpf = loader.load(OBJECT)?;
        for spec in &SPECS {
            let info = info(spec, &folder.map(spec.name))?;
            spec.check(&info).map_err(pinned)?;
        }
        let program = xdp(&mut ebpf)?;
        program.load()?;
        pin(program, &folder).map_err(pins)?;
        let program_id = program.info()?.id();
        let maps = Maps::open(&folder)?;
        Ok(Self { folder, ebpf, program_id, maps, warnings })
    }

    /// Takes down what an agent left below `root`, of any version, without loading anything.
    pub fn detach_pinned(root: &Path) -> Result<(), Error> {
        let folder = Folder::of_this_version(root);
        let others = folder
            .of_other_versions()
            .map_err(|source| Error::Pins { path: root.to_owned(), source })?;
        for folder in others.iter().chain([&folder]) {
            super::remove(folder)?;
        }
        Ok(())
    }
}

/// The map that is pinned, if it is to be used again. One of reasons' counters that doesn't fit is
/// replaced: reasons come and go with versions, and nothing else depends on the old counts.
fn adopted(spec: &Spec, path: &Path) -> Result<Option<MapInfo>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let info = info(spec, path)?;
    if spec.name == map::REASONS && spec.check(&info).is_err() {
        let pins = |source| Error::Pins { path: path.to_owned(), source };
        pins::remove(path).map_err(pins)?;
        return Ok(None);
    }
    Ok(Some(info))
}

fn info(spec: &Spec, path: &Path) -> Result<MapInfo, Error> {
    MapInfo::from_pin(path).map_err(|source| Error::Map { name: spec.name, source })
}

/// The program in the loaded object.
pub(super) fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp, ProgramError> {
    let program = ebpf.program_mut(PROGRAM);
    program.ok_or(ProgramError::InvalidName { name: PROGRAM.to_owned() })?.try_into()
}

/// Pins a program in the place of the last one.
fn pin(program: &mut Xdp, folder: &Folder) -> io::Result<()> {
    let next = folder.next_program();
    pins::remove(&next)?;
    program.pin(&next).map_err(io::Error::other)?;
    fs::rename(&next, folder.program())
}
