//! The token of the local API: a file in the home, or with a passphrase derived from the keys.
//!
//! A token in the folder goes into the same backups and is stolen with it, and the node that it opens answers with the
//! words. So where the keys are sealed no token lies in the home; while a node runs, the commands of the same login
//! find it in the folder that the system keeps for such things in memory, until logout (`XDG_RUNTIME_DIR`).
//! Leaves to others: who is let in with it. Always true: a home has a file `token` or sealed keys, never both for
//! longer than it takes to open it.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use hearth_protocol::key::SecretKey;
use zeroize::Zeroizing;

use super::{
    Home, HomeError, Keys, Passphrase,
    private::{fresh, write_private},
};

const TOKEN: &str = "token";
/// The folder of the login's running programs.
const RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// What derives a token from the device's secret. Part of no format: the token is only for programs of this home.
const CONTEXT: &str = "hearth/1/api-token";

impl Home {
    /// The token with which the running node of this home lets its clients in.
    ///
    /// # Errors
    /// [`HomeError::Locked`] where the keys are sealed, no passphrase is given, and the running node has left no
    /// token for this login; else as [`Home::keys`].
    pub fn token(&self, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, HomeError> {
        if !self.is_locked() {
            return self.text(TOKEN).map(Zeroizing::new);
        }
        let runtime = env::var_os(RUNTIME_DIR).map(PathBuf::from);
        if let Some(token) = runtime.and_then(|runtime| self.left_token(&runtime)) {
            return Ok(token);
        }
        self.keys(passphrase).map(|keys| derived(&keys.identity.device))
    }

    /// The token of whoever has opened the keys.
    pub(crate) fn token_of(&self, keys: &Keys) -> Result<Zeroizing<String>, HomeError> {
        if keys.opener.is_of_sealed() {
            Ok(derived(&keys.identity.device))
        } else {
            self.text(TOKEN).map(Zeroizing::new)
        }
    }

    /// Makes the file where the keys are plain and it is missing, and takes it away where they are sealed.
    pub(super) fn settle_token(&self) -> io::Result<()> {
        let path = self.file(TOKEN);
        match (self.is_locked(), path.try_exists()?) {
            (true, true) => self.forget_token(),
            (false, false) => {
                let token = Zeroizing::new(fresh::<32>()?);
                write_private(&path, Zeroizing::new(HEXLOWER.encode(token.as_slice())).as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// Takes the file away, where there is one.
    pub(super) fn forget_token(&self) -> io::Result<()> {
        match fs::remove_file(self.file(TOKEN)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }

    /// Leaves the token of sealed keys where the commands of this login find it, as long as the answer lives.
    /// Nothing is left where the system offers no such folder; then commands ask for the passphrase.
    pub(crate) fn leave_token(&self, keys: &Keys) -> Option<LeftToken> {
        let runtime = env::var_os(RUNTIME_DIR).filter(|_| keys.opener.is_of_sealed())?;
        let left = self.leave_token_in(Path::new(&runtime), &derived(&keys.identity.device));
        left.inspect_err(|why| tracing::warn!(%why, "commands will ask for the passphrase: no token left for them"))
            .ok()
    }

    fn leave_token_in(&self, runtime: &Path, token: &str) -> io::Result<LeftToken> {
        let path = self.left_path(runtime)?;
        let folder = path.parent().unwrap_or(runtime);
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why),
            _ => {}
        }
        // Where the folder is shared, such as /tmp, somebody else may have made it first.
        let (about, ours) = (fs::symlink_metadata(folder)?, fs::metadata(self.path())?);
        if !about.is_dir() || about.uid() != ours.uid() || about.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other(format!("{} is not a folder of this login alone", folder.display())));
        }
        write_private(&path, token.as_bytes())?;
        Ok(LeftToken { path })
    }

    fn left_token(&self, runtime: &Path) -> Option<Zeroizing<String>> {
        let text = Zeroizing::new(fs::read_to_string(self.left_path(runtime).ok()?).ok()?);
        Some(Zeroizing::new(text.trim().to_owned()))
    }

    /// Named by the home's place, so that homes do not meet there and their places are not told.
    fn left_path(&self, runtime: &Path) -> io::Result<PathBuf> {
        if !runtime.is_absolute() {
            return Err(io::Error::other(format!("{RUNTIME_DIR} is no absolute path")));
        }
        let place = fs::canonicalize(self.path())?;
        let name = blake3::hash(place.as_os_str().as_encoded_bytes()).to_hex();
        Ok(runtime.join("hearth").join(name.as_str()))
    }
}

fn derived(device: &SecretKey) -> Zeroizing<String> {
    let token = Zeroizing::new(blake3::derive_key(CONTEXT, device.seed().as_slice()));
    Zeroizing::new(HEXLOWER.encode(token.as_slice()))
}

/// A token that lies where the login's commands find it; taken away when dropped.
#[derive(Debug)]
pub(crate) struct LeftToken {
    path: PathBuf,
}

impl Drop for LeftToken {
    fn drop(&mut self) {
        // Whoever emptied the folder before has done the same.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use hearth_protocol::id::Context;

    use super::*;

    fn sealed() -> (tempfile::TempDir, Home, Keys) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        let passphrase = Passphrase::cheap("beans");
        home.create("alice", Some(&passphrase)).unwrap();
        let keys = home.keys(Some(&passphrase)).unwrap();
        (folder, home, keys)
    }

    #[test]
    fn what_derives_the_token_derives_nothing_else() {
        assert!(Context::ALL.iter().all(|context| context.as_str() != CONTEXT));
    }

    #[test]
    fn a_left_token_is_for_this_login_alone_and_goes_with_the_node() {
        let (folder, home, keys) = sealed();
        let runtime = folder.path().join("run");
        fs::create_dir(&runtime).unwrap();
        let token = home.token_of(&keys).unwrap();
        let left = home.leave_token_in(&runtime, &token).unwrap();
        assert_eq!(home.left_token(&runtime), Some(token));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&left.path), mode(left.path.parent().unwrap())), (0o600, 0o700));
        let path = left.path.clone();
        drop(left);
        assert!(!path.exists() && home.left_token(&runtime).is_none());
    }

    #[test]
    fn no_token_is_left_in_a_folder_that_others_may_use() {
        let (folder, home, _) = sealed();
        let runtime = folder.path().join("run");
        fs::create_dir_all(runtime.join("hearth")).unwrap();
        fs::set_permissions(runtime.join("hearth"), Permissions::from_mode(0o755)).unwrap();
        assert!(home.leave_token_in(&runtime, "token").is_err());
        fs::remove_dir(runtime.join("hearth")).unwrap();
        std::os::unix::fs::symlink(folder.path(), runtime.join("hearth")).unwrap();
        assert!(home.leave_token_in(&runtime, "token").is_err());
        assert!(home.leave_token_in(Path::new("relative"), "token").is_err());
        assert!(home.leave_token_in(&folder.path().join("missing"), "token").is_err());
    }

    #[test]
    fn the_derived_token_is_the_same_each_time_and_another_on_each_device() {
        let (_one, home, keys) = sealed();
        let (_other, there, others) = sealed();
        assert_eq!(home.token_of(&keys).unwrap(), home.token_of(&keys).unwrap());
        assert_ne!(home.token_of(&keys).unwrap(), there.token_of(&others).unwrap());
        assert_eq!(home.token_of(&keys).unwrap().len(), 64);
    }
}
