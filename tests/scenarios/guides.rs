//! Every guide does what it says.

use std::fs;

use hearth_tests::process::Program;
use hearth_tests::{guide, shared};

#[test]
fn every_guide_does_what_it_says() {
    let folder = shared::root().join("docs/guides");
    let listing = fs::read_dir(&folder).expect("the project has guides");
    let mut guides: Vec<_> = listing
        .map(|found| found.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    guides.sort();
    let results: Vec<_> = guides.iter().map(|path| guide::run(path, Program::under_test())).collect();
    let run: usize = results.iter().flatten().sum();
    let wrong: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run > 0, "no guide in {} has a command", folder.display());
}
