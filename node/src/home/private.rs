//! Files and folders that only their owner can read, and fresh secrets to put into them.
//!
//! Leaves to others: what is in them. Always true: a file is written whole or not at all, and has
//! the mode 0600 before its first byte is in it; a folder has 0700.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Nobody but the owner reads and writes.
const FILE_MODE: u32 = 0o600;
/// Nobody but the owner looks in.
const FOLDER_MODE: u32 = 0o700;
/// What anybody else could do with a file or folder.
const OF_OTHERS: u32 = 0o077;

/// Makes the folder and those above it, or takes it away from others where it is there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    keep_from_others(path)
}

/// Takes from others what they may do with this one file or folder.
fn keep_from_others(path: &Path) -> io::Result<()> {
    let mode = fs::symlink_metadata(path)?.permissions().mode();
    if mode & OF_OTHERS == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OF_OTHERS))
}

/// The same for everything in a folder: what another program wrote there, or an earlier version of this one.
/// Links are left alone; they lead elsewhere.
pub(crate) fn keep_all_from_others(folder: &Path) -> io::Result<()> {
    keep_from_others(folder)?;
    for found in fs::read_dir(folder)? {
        let found = found?;
        let kind = found.file_type()?;
        if kind.is_dir() {
            keep_all_from_others(&found.path())?;
        } else if kind.is_file() {
            keep_from_others(&found.path())?;
        }
    }
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh_path = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&fresh_path)?;
    // One that a crash left may have been made otherwise.
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh_path, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The same for a secret: the bytes of the file that it replaces are overwritten, so that what was taken out of it
/// does not lie in freed blocks. A disk that writes elsewhere (a snapshot, the wear levelling of flash) keeps them.
pub(crate) fn replace_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let before = OpenOptions::new().write(true).open(path).ok();
    write_private(path, bytes)?;
    if let Some(mut before) = before {
        let about = before.metadata()?;
        // A file that still has a name is somebody's copy.
        if about.nlink() == 0 {
            let blank = vec![0; usize::try_from(about.len()).unwrap_or_default()];
            before.write_all(&blank)?;
            before.sync_all()?;
        }
    }
    Ok(())
}

/// Fresh bytes from the operating system.
pub(super) fn fresh<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Fresh entropy from the operating system.
pub(crate) fn entropy() -> io::Result<[u8; 32]> {
    fresh()
}
