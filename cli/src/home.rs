//! Which folder is the home, and what a new person is called: what the platform says where nobody typed it.

use std::env;
use std::path::{Path, PathBuf};

use hearth_node::Home;

use crate::error::Error;

/// A login name that is nowhere to be found.
const NAMELESS: &str = "me";

/// The typed home, else the platform's data folder.
pub(crate) fn chosen(typed: Option<PathBuf>) -> Result<Home, Error> {
    if let Some(path) = typed {
        return Ok(Home::at(path));
    }
    let folders = directories::ProjectDirs::from("", "", "hearth").ok_or(Error::NoDataFolder)?;
    Ok(Home::at(folders.data_dir().to_path_buf()))
}

/// The login name; where the environment names none, the last part of the login's own folder.
pub(crate) fn login_name() -> String {
    named_by(
        ["USER", "LOGNAME", "USERNAME"].map(|name| env::var(name).ok()),
        directories::BaseDirs::new().as_ref().map(directories::BaseDirs::home_dir),
    )
}

fn named_by(names: [Option<String>; 3], folder: Option<&Path>) -> String {
    let filled = |name: &String| !name.trim().is_empty();
    names
        .into_iter()
        .flatten()
        .find(filled)
        .or_else(|| folder?.file_name()?.to_str().map(str::to_owned).filter(filled))
        .unwrap_or_else(|| NAMELESS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_home_is_taken_as_it_is() {
        let home = chosen(Some(PathBuf::from("/somewhere"))).expect("a typed path needs nothing");
        assert_eq!(home.path(), Path::new("/somewhere"));
    }

    #[test]
    fn the_first_filled_name_is_the_login_name() {
        let names = [Some(" ".to_owned()), None, Some("alice".to_owned())];
        assert_eq!(named_by(names, Some(Path::new("/home/bob"))), "alice");
        assert_eq!(named_by([None, None, None], Some(Path::new("/home/bob"))), "bob");
        assert_eq!(named_by([None, None, None], Some(Path::new("/"))), NAMELESS);
        assert_eq!(named_by([None, None, None], None), NAMELESS);
    }
}
