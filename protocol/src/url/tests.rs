//! What is taken, what is refused and by which name, and which addresses meet.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::testing::up_to;

fn refusal(address: &str) -> &'static str {
    check(address).expect_err(address).name()
}

fn normal(address: &str) -> String {
    normalise(address).unwrap_or_else(|refusal| panic!("{address}: {refusal}"))
}

#[test]
fn every_case_of_the_shared_list_is_judged_as_it_says() {
    let shared = std::env::var_os("HEARTH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), Into::into);
    let path = shared.join("vectors/own/bookmark_url_cases.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        let _ = writeln!(std::io::stderr(), "skipped: {} is not here", path.display());
        return;
    };
    let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = |name: &str| -> Vec<String> { serde_json::from_value(cases[name].clone()).unwrap() };
    assert!(!list("accept").is_empty() && !list("reject").is_empty());
    for address in list("accept") {
        assert_eq!(check(&address), Ok(()), "{address:?}");
    }
    for address in list("reject") {
        assert!(check(&address).is_err(), "{address:?}");
        // The last case carries its explanation in brackets: the address itself is meant.
        let bare = address.split(" (").next().unwrap();
        assert!(check(bare).is_err(), "{bare:?}");
    }
}

#[test]
fn each_rule_refuses_by_its_own_name() {
    for (address, name) in [
        ("", "address_empty"),
        (" https://example.org/", "outer_whitespace"),
        ("https://example.org/\n", "outer_whitespace"),
        ("java\tscript:alert(1)", "control_character"),
        ("https://example.org/\u{85}x", "control_character"),
        ("https://example.org/\u{202e}gpj.exe", "hidden_character"),
        ("https://example.org/a\u{200b}b", "hidden_character"),
        ("example.org/a", "no_scheme"),
        ("//evil.example/path", "no_scheme"),
        ("?lY47tw", "no_scheme"),
        ("javascript&colon;alert(1)", "no_scheme"),
        ("JaVaScRiPt:alert(1)", "scheme_not_allowed"),
        ("ftp://example.org/", "scheme_not_allowed"),
        ("localhost:3000/x", "scheme_not_allowed"),
        ("http:/\\evil.example", "backslash"),
        ("http://example.org\\@evil.example/", "backslash"),
        ("http://alice:secret@evil.example/", "credentials"),
        ("http://@evil.example/", "credentials"),
        ("gemini://alice@evil.example/", "credentials"),
        ("https:example.org", "no_host"),
        ("https:///example.org", "no_host"),
        ("https://", "no_host"),
        ("https://./", "no_host"),
        ("https://example.org../", "no_host"),
        ("gemini://.example.org/", "no_host"),
        ("https://:80/", "address_malformed"),
        ("https://exa mple.org/", "address_malformed"),
        ("https://example.org:99999/", "address_malformed"),
        ("https://xn--a-ecp.example:x/", "address_malformed"),
        ("https://ex%61mple.org/", "host_not_ascii"),
        ("mailto:", "names_nothing"),
        ("mailto:nobody", "names_nothing"),
        ("magnet:?dn=name+only", "names_nothing"),
        ("magnet:xt=urn:btih:00", "names_nothing"),
    ] {
        assert_eq!(refusal(address), name, "{address:?}");
    }
}

#[test]
fn an_address_may_be_as_long_as_the_bound_and_no_longer() {
    let long = |bytes: usize| format!("https://example.org/{}", "a".repeat(bytes - 20));
    up_to(URL_BYTES, AddressRefusal::TooLong { bytes: URL_BYTES + 1 }, |bytes| check(&long(bytes)));
}

#[test]
fn a_host_of_another_script_is_refused_with_the_form_that_is_taken() {
    let refused = check("http://ex\u{430}mple.org:8080/").expect_err("a cyrillic letter stands in the host");
    let AddressRefusal::HostNotAscii { punycode } = refused else { panic!("{refused:?}") };
    assert_eq!(punycode, "xn--exmple-4nf.org");
    assert_eq!(check(&format!("http://{punycode}:8080/")), Ok(()));
    assert_eq!(check("https://example.org/b\u{fc}cher?q=\u{4e66}"), Ok(()));
}

#[test]
fn what_reads_as_an_address_is_taken() {
    for address in [
        "HTTPS://EXAMPLE.org",
        "http://[2001:db8::1]:8080/",
        "http://localhost:8083/Shaarli/?JVvqCA",
        "https://example.org/a b?c d",
        "https://example.org/?q=\\d+@home",
        "https://example.org/~alice/@bob",
        "gemini://example.org",
        "mailto:alice@example.org?subject=hello%20there",
        "mailto:?to=alice@example.org",
        "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&dn=x",
    ] {
        assert_eq!(check(address), Ok(()), "{address:?}");
    }
}

#[test]
fn addresses_of_one_resource_meet() {
    for (one, other) in [
        ("https://crates.io", "https://crates.io/"),
        ("HTTPS://Example.ORG:443/a", "https://example.org./a"),
        ("http://example.org:80/", "http://example.org"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("https://example.org/a/./b/../c", "https://example.org/a/c"),
        ("https://example.org/%7ecomdog/%e4", "https://example.org/~comdog/%E4"),
        ("https://example.org/a?", "https://example.org/a"),
        ("https://example.org/a?utm_source=x&UTM_Medium=y", "https://example.org/a"),
        ("https://example.org/a?b=1&fbclid=x&a=2", "https://example.org/a?b=1&a=2"),
        ("https://example.org/a#part", "https://example.org/a"),
        ("https://example.org/a#:~:text=word", "https://example.org/a"),
        ("gemini://Example.org:1965", "gemini://example.org/"),
        (
            "magnet:?dn=x&xt=urn:btih:C12FE1C06BBA254A9DC9F519B335AA7C1367A88A&tr=y",
            "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        ),
    ] {
        assert_eq!(normal(one), normal(other), "{one} and {other}");
    }
}

#[test]
fn addresses_of_two_resources_stay_apart() {
    for (one, other) in [
        ("http://example.org/", "https://example.org/"),
        ("https://example.org/", "https://www.example.org/"),
        ("https://example.org/a", "https://example.org/a/"),
        ("https://example.org/a", "https://example.org/A"),
        ("https://example.org/a%2Fb", "https://example.org/a/b"),
        ("https://example.org/?a=1&b=2", "https://example.org/?b=2&a=1"),
        ("https://example.org/?ref=a", "https://example.org/"),
        ("https://example.org/#!/a", "https://example.org/"),
        ("https://example.org/#/a", "https://example.org/#/b"),
        ("https://example.org:8080/", "https://example.org/"),
        ("gemini://example.org/?utm_source=a", "gemini://example.org/"),
        ("gemini://example.org:443/", "gemini://example.org/"),
        ("mailto:Alice@example.org", "mailto:alice@example.org"),
        ("mailto:alice@example.org?subject=a", "mailto:alice@example.org"),
        ("magnet:?xt=urn:btih:00", "magnet:?xt=urn:btih:01"),
    ] {
        assert_ne!(normal(one), normal(other), "{one} and {other}");
    }
}

#[test]
fn a_broken_escape_leaves_its_part_as_it_is() {
    assert_eq!(normal("https://example.org/%2%45/%7E"), "https://example.org/%2%45/%7E");
    assert_eq!(normal("https://example.org/%+1"), "https://example.org/%+1");
    assert_eq!(normal("https://example.org/%7E?100%&utm_id=1&%61=b"), "https://example.org/~?100%&a=b");
}

#[test]
fn every_tracking_parameter_is_found() {
    assert!(rules::TRACKING.is_sorted());
    for name in rules::TRACKING {
        assert_eq!(normal(&format!("https://example.org/?{name}=1&a")), "https://example.org/?a");
    }
    assert_eq!(normal("https://example.org/?_ga=1&yclid=2&li_fat_id=3&x=4"), "https://example.org/?x=4");
}

proptest! {
    #[test]
    fn nothing_typed_panics_and_a_normal_form_is_its_own(address in "\\PC{0,60}") {
        stays(&address)?;
    }

    #[test]
    fn a_normal_form_of_something_like_an_address_is_its_own(
        address in "(https?|gemini|mailto|magnet):(//)?[a-zA-Z0-9.@%:\\[\\]-]{0,12}([/?#&=,;%!.\\\\ '\"<>^`{|}~a-zA-Z0-9é]|%2[eEfF5]|xt=|utm_a=){0,24}"
    ) {
        stays(&address)?;
    }
}

fn stays(address: &str) -> Result<(), TestCaseError> {
    if let Ok(normal) = normalise(address) {
        prop_assert!(normal.is_ascii(), "{address:?} gives {normal:?}");
        prop_assert_eq!(normalise(&normal), Ok(normal.clone()), "{:?}", address);
        prop_assert!(normal.len() <= 3 * address.len() + 1);
    } else {
        prop_assert!(check(address).is_err());
    }
    Ok(())
}
