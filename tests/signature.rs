//! The end of a run is signed by the key of its project, and nobody else can say so.

pub mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::Space;

const WORK: &str = "tasks: {good: 'true', bad: exit 3}\n";

fn verified(space: &Space, args: &[&str]) -> (i32, String) {
    let ended = space.run(&[&["verify", "--all"], args].concat());
    (ended.code, ended.out())
}

#[test]
fn what_is_signed_is_known_and_what_is_changed_is_found() {
    let space = Space::with(WORK);
    assert_eq!(space.run(&["-q", "good"]).code, 0);
    let made = space.run(&["verify", "--new-key"]);
    assert_eq!(made.code, 0, "{}", made.err());
    let public = made.out().trim().to_owned();
    assert_eq!(public.len(), 64);
    let key = space.state().join("signing.key");
    let mode = fs::metadata(&key)
        .expect("it was made")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = space.run(&["verify", "--new-key"]);
    assert_eq!(again.code, 2);
    assert!(
        again.err().contains("there is a key already"),
        "{}",
        again.err()
    );
    assert_eq!(space.run(&["-q", "bad"]).code, 1);
    // The first run ended before there was a key.
    let (code, out) = verified(&space, &[]);
    assert_eq!(code, 0, "{out}");
    assert_eq!(out.matches(", signed").count(), 1, "{out}");
    let (code, out) = verified(&space, &["--key", &public]);
    assert_eq!(code, 5, "{out}");
    assert!(out.contains("its end is not signed"), "{out}");
    assert_eq!(
        space
            .run(&["annotate", "latest:good", "--comment", "seen"])
            .code,
        0
    );
    assert_eq!(verified(&space, &["--key", &public]).0, 0);
    // Another key, somebody else's record with a chain of its own, a signature from elsewhere.
    let other = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let (code, out) = verified(&space, &["--key", other]);
    assert_eq!(code, 5);
    assert!(out.contains("is not by this key"), "{out}");
    let path = space.state().join("heads");
    let heads = fs::read_to_string(&path).expect("it is there");
    let lines: Vec<&str> = heads.lines().collect();
    let is_signed = |line: &&&str| line.split(' ').count() == 4;
    let signed: Vec<&&str> = lines.iter().filter(is_signed).collect();
    assert_eq!(signed.len(), 2, "{heads}");
    let signature = |line: &str| line.rsplit(' ').next().expect("a word").to_owned();
    let (one, two) = (signature(signed[0]), signature(signed[1]));
    for (from, to) in [
        (one.clone(), two.clone()),
        (two, one.clone()),
        (one.clone(), "00".repeat(64)),
        (one.clone(), one[..126].to_owned()),
        (
            one.clone(),
            format!(
                "{}{}",
                if one.starts_with('0') { '1' } else { '0' },
                &one[1..]
            ),
        ),
    ] {
        fs::write(&path, heads.replace(&from, &to)).expect("it can be written");
        let (code, out) = verified(&space, &[]);
        assert_eq!(code, 5, "{out}");
    }
    // Without its signatures it is what it was, unless they are demanded.
    let bare = heads.replace(&format!(" {one}"), "");
    fs::write(&path, bare).expect("it can be written");
    assert_eq!(verified(&space, &[]).0, 0);
    assert_eq!(verified(&space, &["--key", &public]).0, 5);
}

#[test]
fn a_key_can_lie_elsewhere_and_one_that_is_none_is_told_first() {
    let space = Space::with(WORK);
    let key = space.home().join("key");
    let call = |args: &[&str]| {
        let mut command = space.flow(args);
        command.env("FLOW_SIGNING_KEY", &key);
        let output = command.output().expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert_eq!(call(&["verify", "--new-key"]).0, Some(0));
    assert_eq!(call(&["-q", "good"]).0, Some(0));
    assert!(!space.state().join("signing.key").exists());
    assert_eq!(call(&["verify", "--all"]).0, Some(0));
    let heads = fs::read_to_string(space.state().join("heads")).expect("it is there");
    assert_eq!(
        heads
            .lines()
            .filter(|line| line.split(' ').count() == 4)
            .count(),
        1
    );
    fs::write(&key, "no key").expect("it can be written");
    let (code, words) = call(&["-q", "good"]);
    assert_eq!(code, Some(5));
    assert!(
        words.contains("which is not 64 hexadecimal digits"),
        "{words}"
    );
    assert!(!words.contains("no key"), "a key is never shown: {words}");
    assert_eq!(space.records().len(), 1, "nothing ran");
    let wrong = space.run(&["verify", "--key", "12ab"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err().contains("is no public key"), "{}", wrong.err());
}

/// The vectors of RFC 8032, section 7.1, are those of the library; here it is what is signed that counts.
#[test]
fn others_can_verify_it() {
    use flow::store::signature::PublicKey;
    use flow::store::{Store, files::Files};
    let space = Space::with(WORK);
    let public = space.run(&["verify", "--new-key"]).out();
    let public = PublicKey::parse(&public).expect("a key");
    assert_eq!(space.run(&["-q", "good"]).code, 0);
    let heads = Files::new(space.state()).heads().expect("they can be read");
    assert_eq!(heads.len(), 1);
    assert!(public.has_signed(&heads[0]));
    let mut other = heads[0].clone();
    other.seq += 1;
    assert!(!public.has_signed(&other));
}
