//! Bookmark files: those that the fuzzer starts from, what it found, and small changes of them.

use std::fs;

use hearth_tests::decoders::Verdict;
use hearth_tests::seed::Seed;

use crate::examples::corpus;
use crate::imports::import;
use crate::mutants::changed;

/// Changes tried on each file.
const CHANGES: usize = 2_000;

#[test]
fn bookmark_files_that_the_fuzzer_keeps_and_changes_of_them_are_read_without_a_panic() {
    let mut seed = Seed::take("bookmark_files_that_the_fuzzer_keeps_and_changes_of_them_are_read_without_a_panic");
    let mut taken = 0;
    for found in fs::read_dir(corpus("import")).expect("the corpus can be listed") {
        let bytes = fs::read(found.expect("the corpus can be listed").path());
        let bytes = bytes.expect("the corpus can be read");
        taken += usize::from(import(&bytes) == Verdict::Accepted);
        for _ in 0..CHANGES {
            let _ = import(&changed(&bytes, &mut seed));
        }
    }
    assert!(taken >= 3, "{taken} files are taken");
}
