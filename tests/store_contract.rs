//! What every store promises, checked for each one, and what files promise beyond that: torn tails, damage, faults.
//!
//! Each store is given as two handles on the same data, as two processes have them: what one writes, the other reads.
//! A new store goes into [`stores`].

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use flow::core::fact::{Exit, Fact, Outcome, Record, RunEnd};
use flow::model::id::{NodeId, RunId};
use flow::model::time::Timestamp;
use flow::record::whole;
use flow::store::files::Files;
use flow::store::line::Chain;
use flow::store::memory::{Memory, Nothing};
use flow::store::request::Request;
use flow::store::{Error, Kind, Store};
use tempfile::TempDir;

/// Two handles on the same data.
struct Hands {
    name: &'static str,
    one: Box<dyn Store>,
    other: Box<dyn Store>,
    _place: Option<Place>,
}

/// A folder, for as long as no process is started. Between its birth and its `exec` a process has all locks of the one that
/// starts it, so a run would still be owned that a test beside has just let go.
struct Place {
    folder: TempDir,
    _quiet: RwLockReadGuard<'static, ()>,
}

static QUIET: RwLock<()> = RwLock::new(());

fn place() -> Place {
    Place {
        _quiet: QUIET.read().unwrap_or_else(PoisonError::into_inner),
        folder: TempDir::new().expect("a folder"),
    }
}

/// Every store that keeps something, empty.
fn stores() -> [Hands; 2] {
    let place = place();
    let root = place.folder.path().join(".flow");
    let memory = Memory::default();
    [
        Hands {
            name: "files",
            one: Box::new(Files::new(root.as_path())),
            other: Box::new(Files::new(root.as_path())),
            _place: Some(place),
        },
        Hands {
            name: "memory",
            one: Box::new(memory.clone()),
            other: Box::new(memory),
            _place: None,
        },
    ]
}

fn each(check: impl Fn(&str, &dyn Store, &dyn Store)) {
    for hands in stores() {
        check(hands.name, &*hands.one, &*hands.other);
    }
}

fn id(text: &str) -> RunId {
    RunId::parse(text).expect("only digits of ids")
}

/// Keeps these lines as a run that nobody owns.
fn put(store: &dyn Store, run: &RunId, lines: &str) {
    let mut journal = store.create(run).expect("it is new");
    journal.append(lines).expect("it is written");
}

fn kind<T>(result: Result<T, Error>) -> Kind {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error.kind,
    }
}

#[test]
fn a_run_is_created_once() {
    each(|name, one, other| {
        let run = id("0abc");
        let journal = one.create(&run).expect(name);
        assert_eq!(kind(other.create(&run)), Kind::Exists, "{name}");
        assert_eq!(kind(one.create(&run)), Kind::Exists, "{name}");
        drop(journal);
        assert_eq!(kind(other.create(&run)), Kind::Exists, "{name}: it stays");
        other.create(&id("0abd")).expect("another one is free");
    });
}

#[test]
fn a_run_has_one_owner() {
    each(|name, one, other| {
        let run = id("0abc");
        let mut journal = one.create(&run).expect(name);
        for store in [one, other] {
            assert!(store.is_owned(&run).expect(name), "{name}");
            assert_eq!(kind(store.open(&run)), Kind::Owned, "{name}");
        }
        assert!(other.is_owned(&run).expect(name), "{name}: after a look");
        journal.append("a line\n").expect(name);
        assert_eq!(other.read(&run).expect(name), "a line\n", "{name}");
        drop(journal);
        assert!(!one.is_owned(&run).expect(name), "{name}: it is free");

        let journal = other.open(&run).expect("it is free");
        assert_eq!(kind(one.open(&run)), Kind::Owned, "{name}");
        assert!(one.is_owned(&run).expect(name), "{name}");
        drop(journal);
        one.open(&run).expect("it is free again");
    });
}

#[test]
fn what_was_written_is_read_byte_for_byte() {
    each(|name, one, other| {
        let run = id("0abc");
        let mut journal = one.create(&run).expect(name);
        let mut all = String::new();
        assert_eq!(other.read(&run).expect(name), all, "{name}: an empty run");
        for lines in [
            "{}\n",
            "two\nlines\n",
            "",
            "über ☃ \u{0}\u{7f}\r\u{1b}[0m\t \n",
        ] {
            journal.append(lines).expect(name);
            all.push_str(lines);
            assert_eq!(other.read(&run).expect(name), all, "{name}");
            assert_eq!(one.read(&run).expect(name), all, "{name}");
        }
        journal.sync().expect(name);
        drop(journal);
        let mut journal = other.open(&run).expect(name);
        journal.append("more\n").expect(name);
        assert_eq!(one.read(&run).expect(name), all + "more\n", "{name}");
    });
}

#[test]
fn a_run_that_is_discarded_was_never_there() {
    each(|name, one, other| {
        let run = id("0abc");
        let mut journal = one.create(&run).expect(name);
        journal.append("a line\n").expect(name);
        journal.discard().expect(name);
        drop(journal);
        nothing_is_there(name, other);
        put(other, &run, "another\n");
        assert_eq!(one.read(&run).expect(name), "another\n", "{name}");
    });
    let mut journal = Nothing.create(&id("0abc")).expect("it is always new");
    journal.discard().expect("there is nothing to discard");
}

#[test]
fn runs_are_listed_newest_first() {
    each(|name, one, other| {
        assert_eq!(one.runs().expect(name), [], "{name}");
        let at = |second: i64| Timestamp::from_micros(1_795_226_400_000_000 + second * 1_000_000);
        let ids: Vec<RunId> = (0..20).map(|second| RunId::new(at(second))).collect();
        for place in [7, 3, 19, 0, 11, 12, 1, 18] {
            put(if place % 2 == 0 { one } else { other }, &ids[place], "");
        }
        let listed = [19, 18, 12, 11, 7, 3, 1, 0].map(|place| ids[place].clone());
        assert_eq!(one.runs().expect(name), listed, "{name}");
        assert_eq!(other.runs().expect(name), listed, "{name}");
    });
}

#[test]
fn edges_are_the_first_and_the_last_line() {
    let sizes = [
        0, 1, 80, 4094, 4095, 4096, 4097, 8192, 16_384, 65_536, 300_000,
    ];
    let line = |letter: char, size: usize| letter.to_string().repeat(size / letter.len_utf8());
    each(|name, one, other| {
        let check = |run: &RunId, first: &str, last: &str| {
            let (a, b) = other.edges(run).expect(name).expect("it has lines");
            assert!(
                a == first && b == last,
                "{name}: {} {}",
                first.len(),
                last.len()
            );
        };
        for (number, size) in sizes.iter().enumerate() {
            for (place, other_size) in sizes.iter().enumerate() {
                let run = id(&format!("0{number}x{place}"));
                let (first, last) = (line('a', *size), line('é', *other_size) + "|");
                let mut journal = one.create(&run).expect(name);
                assert_eq!(other.edges(&run).expect(name), None, "{name}: no line yet");
                journal.append(&format!("{first}\n")).expect(name);
                check(&run, &first, &first);
                journal.append(&format!("{last}\n")).expect(name);
                check(&run, &first, &last);
                journal.append(&format!("x\n{first}{last}\n")).expect(name);
                check(&run, &first, &(first.clone() + &last));
            }
        }
    });
}

#[test]
fn a_plan_is_kept_by_its_hash() {
    each(|name, one, other| {
        let text = b"{\"nodes\":[]}\xff\x00\n".as_slice();
        one.put_plan("ab12", text).expect(name);
        assert_eq!(other.plan("ab12").expect(name), text, "{name}");
        other.put_plan("ab12", text).expect("again is no error");
        other.put_plan("cd34", b"").expect(name);
        assert_eq!(one.plan("ab12").expect(name), text, "{name}");
        assert_eq!(one.plan("cd34").expect(name), b"", "{name}");
        one.sync_plan("cd34").expect(name);
        assert_eq!(one.runs().expect(name), [], "{name}: a plan is no run");
    });
}

#[test]
fn plans_from_many_hands_are_whole() {
    let (_place, files, ..) = in_files();
    let memory = Memory::default();
    let text = |number: usize| number.to_string().repeat(20_000).into_bytes();
    std::thread::scope(|scope| {
        for hand in 0..4 {
            let (files, memory) = (files.clone(), memory.clone());
            scope.spawn(move || {
                for number in 0..100 {
                    let number = number * 4 + hand;
                    let stores: [&dyn Store; 2] = [&files, &memory];
                    for store in stores {
                        let put = store.put_plan(&format!("{number:x}"), &text(number));
                        put.expect("it is kept");
                    }
                }
            });
        }
    });
    for number in 0..400 {
        let hash = format!("{number:x}");
        assert!(
            files.plan(&hash).expect("it is there") == text(number),
            "{hash}"
        );
        assert!(
            memory.plan(&hash).expect("it is there") == text(number),
            "{hash}"
        );
    }
}

#[test]
fn heads_are_kept_until_their_run_is_removed() {
    each(|name, one, other| {
        let (run, next) = (id("0abc"), id("0abd"));
        let at = Timestamp::from_micros(1_795_226_400_000_000);
        let head = |run: &RunId, seq: u64| Chain::new(run).head(run, seq);
        for (run, seqs) in [(&run, &[3, 9][..]), (&next, &[4])] {
            let mut journal = one.create(run).expect(name);
            journal.append("line\n").expect(name);
            for seq in seqs {
                journal.keep_head(&head(run, *seq)).expect(name);
            }
        }
        let all = [head(&run, 3), head(&run, 9), head(&next, 4)];
        assert_eq!(other.heads().expect(name), all, "{name}");
        assert!(other.remove(&run, at).expect(name) >= 5, "{name}: its size");
        assert_eq!(one.heads().expect(name), [head(&next, 4)], "{name}");
        assert_eq!(
            one.runs().expect(name),
            std::slice::from_ref(&next),
            "{name}"
        );
        assert_eq!(kind(one.read(&run)), Kind::Missing, "{name}");
        assert_eq!(one.heads_of(&next).expect(name), [head(&next, 4)], "{name}");
        assert_eq!(one.heads_of(&run).expect(name), [], "{name}");
        assert_eq!(
            one.removed().expect(name),
            [(run.clone(), Some(at))],
            "{name}"
        );
        assert_eq!(kind(one.remove(&run, at)), Kind::Missing, "{name}");
    });
}

#[test]
fn plans_that_nobody_names_go_unless_they_were_just_put_down() {
    each(|name, one, other| {
        for hash in ["aa", "bb"] {
            one.put_plan(hash, b"{}").expect(name);
        }
        let kept = HashSet::from(["aa".to_owned()]);
        let later = SystemTime::now() + Duration::from_secs(2 * 60 * 60);
        if name == "files" {
            other.keep_plans(&kept, SystemTime::now()).expect(name);
            assert!(one.plan("bb").is_ok(), "a run may be about to name it");
        }
        other.keep_plans(&kept, later).expect(name);
        assert!(one.plan("aa").is_ok(), "{name}");
        assert_eq!(kind(one.plan("bb")), Kind::Missing, "{name}");
    });
}

#[test]
fn a_request_reaches_the_owner_that_listens_and_nobody_else() {
    let (_place, files, run, _) = in_files();
    let request = Request::Cancel {
        by: "ada".to_owned(),
        reason: Some("\"wrong\"\nbranch".to_owned()),
    };
    assert_eq!(
        kind(files.send(&run, &request)),
        Kind::Missing,
        "nobody listens"
    );
    let mut journal = files.create(&run).expect("it is new");
    assert_eq!(kind(files.send(&run, &request)), Kind::Missing, "not yet");
    let mut pipe = journal.listen().expect("it can").expect("it is reached");
    for _ in 0..2 {
        files.send(&run, &request).expect("it listens");
    }
    let mut lines = [0; 4096];
    let count = pipe.read(&mut lines).expect("there is something");
    let text = String::from_utf8_lossy(&lines[..count]).into_owned() + "{\"dance\":{}}\nodd\n";
    assert_eq!(
        Request::read(&text).collect::<Vec<_>>(),
        [request.clone(), request.clone()]
    );
    let nothing = pipe.read(&mut lines).expect_err("it waits for nobody");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    drop((journal, pipe));
    assert_eq!(
        kind(files.send(&run, &request)),
        Kind::Missing,
        "it is over"
    );
}

fn nothing_is_there(name: &str, store: &dyn Store) {
    let run = id("0abc");
    assert_eq!(kind(store.open(&run)), Kind::Missing, "{name}");
    assert_eq!(kind(store.read(&run)), Kind::Missing, "{name}");
    assert_eq!(kind(store.edges(&run)), Kind::Missing, "{name}");
    assert_eq!(kind(store.plan("ab12")), Kind::Missing, "{name}");
    assert_eq!(store.runs().expect(name), [], "{name}");
}

#[test]
fn what_is_missing_is_missing() {
    each(|name, one, other| {
        nothing_is_there(name, one);
        put(one, &id("0abd"), "another\n");
        one.put_plan("ab", b"another").expect(name);
        assert_eq!(kind(other.read(&id("0abc"))), Kind::Missing, "{name}");
        assert_eq!(kind(other.open(&id("0abc"))), Kind::Missing, "{name}");
        assert_eq!(kind(other.plan("ab12")), Kind::Missing, "{name}");
    });
}

#[test]
fn a_run_that_is_missing_has_nobody_who_could_own_it() {
    each(|name, one, _| assert_eq!(kind(one.is_owned(&id("0abc"))), Kind::Missing, "{name}"));
}

#[test]
fn nothing_keeps_nothing() {
    let run = id("0abc");
    let mut journal = Nothing.create(&run).expect("it is always new");
    journal.append("a line\n").expect("it is taken");
    journal.sync().expect("it is as safe as it gets");
    assert!(journal.logs().is_none());
    Nothing.put_plan("ab12", b"{}").expect("it is taken");
    nothing_is_there("nothing", &Nothing);
    assert_eq!(kind(Nothing.is_owned(&run)), Kind::Missing);
    Nothing.create(&run).expect("it was never there");
}

// Chains of facts.

/// The lines of a small run.
/// Between the birth of a record and the lock on it somebody else may have taken it over, written it and let it go. Here that one
/// holds it with the lock of one who looks, for which an owner waits.
#[test]
fn a_record_that_was_written_before_its_creator_had_it_is_not_new() {
    let (_place, files, ..) = in_files();
    files.make_folders().expect("they are made");
    let mut met = 0;
    for round in 0..20_000 {
        let run = id(&format!("{round:05}"));
        let path = files.path_of(&run);
        let created = std::thread::scope(|scope| {
            let creator = scope.spawn(|| files.create(&run));
            let other = loop {
                if let Ok(file) = fs::OpenOptions::new().append(true).open(&path) {
                    break file;
                }
            };
            let is_first = other.try_lock_shared().is_ok();
            if is_first {
                (&other).write_all(b"a line\n").expect("it is written");
                drop(other);
            }
            (is_first, creator.join().expect("it does not panic"))
        });
        match created {
            (true, created) => {
                assert_eq!(kind(created), Kind::Exists);
                met += 1;
            }
            (false, created) => drop(created.expect("it had it before anybody could look")),
        }
        if met == 20 {
            return;
        }
    }
    panic!("met only {met} times");
}

fn sealed(run: &RunId) -> String {
    let (plan, file) = ("ab".repeat(8), "/w/é.yml".to_owned());
    let facts = [
        Fact::RunCreated {
            run: run.clone(),
            plan,
            file,
            asked: vec!["test".to_owned()],
            flow: "0.1.0".to_owned(),
            parent: None,
            retry_of: None,
            given: std::collections::BTreeMap::new(),
            project: None,
            trigger: None,
        },
        Fact::RunStarted {},
        Fact::AttemptStarted {
            node: NodeId(0),
            attempt: 1,
        },
        Fact::AttemptFinished {
            node: NodeId(0),
            attempt: 1,
            outcome: Outcome::Failed,
            again: false,
            exit: Exit::default(),
        },
        Fact::RunFinished {
            status: RunEnd::Failed,
        },
    ];
    let mut chain = Chain::new(run);
    let mut lines = String::new();
    for (fact, seq) in facts.into_iter().zip(1..) {
        seal(&mut chain, seq, fact, &mut lines);
    }
    lines
}

fn seal(chain: &mut Chain, seq: u64, fact: Fact, lines: &mut String) {
    let at = Timestamp::from_micros(1_795_226_400_000_000);
    chain.seal(&Record { seq, at, fact }, "ada", None, lines);
}

fn open(run: &RunId, lines: &str) -> Result<Vec<Record>, Error> {
    Chain::new(run).open(lines)
}

/// Checks that `lines` are refused, and that the error names line `number`.
fn refused(run: &RunId, lines: &str, number: usize) {
    let error = open(run, lines).expect_err(lines);
    assert_eq!(error.kind, Kind::Damaged, "{lines}");
    let named = format!("could not trust line {number} of the record: ");
    assert!(
        error.to_string().starts_with(&named),
        "{error}, not {number}, in\n{lines}"
    );
}

#[test]
fn a_chain_opens_what_it_sealed() {
    let run = id("0abc");
    let lines = sealed(&run);
    let records = open(&run, &lines).expect("own lines");
    assert_eq!(records.len(), 5);
    assert!(
        records
            .iter()
            .zip(1..)
            .all(|(record, seq)| record.seq == seq)
    );
    let half = lines.match_indices('\n').nth(2).expect("lines").0 + 1;
    let mut chain = Chain::new(&run);
    chain.open(&lines[..half]).expect("the first part");
    chain
        .open(&lines[half..])
        .expect("the rest goes on from there");
}

#[test]
fn a_line_moved_removed_or_added_is_noticed() {
    let run = id("0abc");
    let lines = sealed(&run);
    let lines: Vec<&str> = lines.split_inclusive('\n').collect();
    let other = sealed(&id("0abd"));
    let other: Vec<&str> = other.split_inclusive('\n').collect();
    for place in 0..lines.len() {
        let mut one = lines.clone();
        one.remove(place);
        if place + 1 < lines.len() {
            refused(&run, &one.concat(), place + 1);
        }
        for (at, guest) in lines.iter().chain(&other).enumerate() {
            let mut one = lines.clone();
            one.insert(place, guest);
            // The same line twice: it is the second that is wrong.
            refused(&run, &one.concat(), place + 1 + usize::from(at == place));
            one.remove(place + 1);
            if at != place {
                refused(&run, &one.concat(), place + 1);
            }
        }
        for second in place + 1..lines.len() {
            let mut one = lines.clone();
            one.swap(place, second);
            refused(&run, &one.concat(), place + 1);
        }
    }
    refused(&run, &other.concat(), 1);
    refused(&run, &format!("{}\n", lines.concat()), 6);
}

/// A chain proves order, not that nothing came after; whoever knows the last hash notices it.
#[test]
fn a_last_line_removed_changes_the_end_of_the_chain() {
    let run = id("0abc");
    let lines = sealed(&run);
    let last = lines.trim_end().rfind('\n').expect("lines") + 1;
    let (mut whole, mut less) = (Chain::new(&run), Chain::new(&run));
    whole.open(&lines).expect("own lines");
    assert_eq!(less.open(&lines[..last]).expect("own lines").len(), 4);
    assert_ne!(whole, less);
}

/// What opens is what was written, or its first lines when the end of the last one was hit.
fn never_taken_for_true(run: &RunId, lines: &str, changed: &[u8]) {
    let Ok(text) = std::str::from_utf8(changed) else {
        return;
    };
    let same = |(old, new): &(u8, &u8)| old == *new;
    let before = lines.bytes().zip(changed).take_while(same);
    let number = 1 + before.filter(|(byte, _)| *byte == b'\n').count();
    // As `Store::read` gives it: without a torn tail.
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    if !lines.starts_with(whole) {
        refused(run, whole, number);
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let run = id("0abc");
    let lines = sealed(&run);
    for at in 0..lines.len() {
        let old = lines.as_bytes()[at];
        let flipped = (0..8).map(|bit| old ^ 1 << bit);
        for new in flipped
            .chain(*b"\n\r\t \"\\}{,:0")
            .filter(|new| *new != old)
        {
            let mut changed = lines.clone().into_bytes();
            changed[at] = new;
            never_taken_for_true(&run, &lines, &changed);
        }
    }
}

#[test]
fn an_added_byte_is_noticed() {
    let run = id("0abc");
    let lines = sealed(&run);
    for at in 0..lines.len() {
        for new in *b"\n\r\t \"\\}{,:0a" {
            let mut changed = lines.clone().into_bytes();
            changed.insert(at, new);
            never_taken_for_true(&run, &lines, &changed);
        }
    }
}

#[test]
fn a_removed_byte_is_noticed() {
    let run = id("0abc");
    let lines = sealed(&run);
    for at in 0..lines.len() {
        let mut changed = lines.clone().into_bytes();
        changed.remove(at);
        never_taken_for_true(&run, &lines, &changed);
    }
}

/// The hash speaks for what stands before it, so nothing may stand after it.
#[test]
fn a_field_behind_the_hash_is_noticed() {
    let run = id("0abc");
    let lines = sealed(&run);
    for (place, line) in lines.lines().enumerate() {
        for field in ["\"exit_code\":0", "\"again\":true", "\"new\":1"] {
            let longer = format!("{},{field}}}", line.trim_end_matches('}'));
            refused(&run, &lines.replace(line, &longer), place + 1);
        }
    }
}

// Files alone.

fn in_files() -> (Place, Files, RunId, PathBuf) {
    let place = place();
    let (store, run, path) = files_in(place.folder.path());
    (place, store, run, path)
}

fn files_in(folder: &Path) -> (Files, RunId, PathBuf) {
    let root = folder.join(".flow");
    let path = root.join("runs").join("0abc.facts");
    (Files::new(root), id("0abc"), path)
}

#[test]
fn a_torn_tail_is_skipped_by_readers_and_cut_by_the_next_owner() {
    let (_place, store, run, path) = in_files();
    put(&store, &run, "");
    let lines = sealed(&run);
    for length in 0..=lines.len() {
        let torn = &lines.as_bytes()[..length];
        let whole = torn
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let whole = &lines[..whole];
        fs::write(&path, torn).expect("it is written");
        assert_eq!(store.read(&run).expect("readers skip it"), whole);
        let edges = store.edges(&run).expect("readers skip it");
        let expected = whole.lines().next().zip(whole.lines().next_back());
        assert_eq!(edges, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(
            fs::read(&path).expect("a file"),
            torn,
            "readers change nothing"
        );

        let (mut journal, taken) = whole::take(&store, &run).expect("it is free");
        assert_eq!(fs::read(&path).expect("a file"), whole.as_bytes());
        let (mut chain, records) = (taken.chain, taken.records);
        let mut more = String::new();
        let seq = records.len() as u64 + 1;
        seal(&mut chain, seq, Fact::RunResumed {}, &mut more);
        journal.append(&more).expect("it goes on");
        let read = store.read(&run).expect("it is whole");
        assert_eq!(read, format!("{whole}{more}"));
        let records = open(&run, &read).expect("a good chain");
        assert_eq!(records.last().map(|record| record.seq), Some(seq));
    }
}

#[test]
fn what_stands_behind_the_lines_and_was_not_written_is_left_alone() {
    let (_place, store, run, path) = in_files();
    put(&store, &run, "");
    let lines = sealed(&run);
    for tail in [
        vec![0; 100_000],
        vec![0xff; 4096],
        "é".as_bytes()[..1].to_vec(),
        b"rubbish".to_vec(),
        b"{\"seq\":99,\"at\":\"".to_vec(),
    ] {
        let content = [lines.as_bytes(), &tail].concat();
        fs::write(&path, &content).expect("it is written");
        assert_eq!(store.read(&run).expect("the lines are text"), lines);
        let last = lines.lines().next_back();
        let edges = store.edges(&run).expect("it is read").expect("lines");
        assert_eq!(Some(&*edges.1), last);
        for _ in 0..2 {
            assert_eq!(kind(whole::read(&store, &run)), Kind::Damaged);
            assert_eq!(kind(whole::take(&store, &run)), Kind::Damaged);
            assert_eq!(fs::read(&path).expect("a file"), content);
        }
    }
}

#[test]
fn what_is_no_text_is_damaged() {
    let (_place, store, run, path) = in_files();
    put(&store, &run, "");
    fs::write(&path, b"first\n\xff\nlast\n").expect("it is written");
    let error = store.read(&run).expect_err("it is no text");
    assert_eq!(error.kind, Kind::Damaged);
    assert!(error.to_string().contains("0abc.facts"), "{error}");
}

#[test]
fn strange_files_are_no_runs() {
    let (_place, store, run, path) = in_files();
    put(&store, &run, "");
    let runs = path.parent().expect("a folder");
    for name in [
        "README",
        "0abc.facts.bak",
        "UPPER.facts",
        ".facts",
        "0abl.facts",
        "0abd",
    ] {
        fs::write(runs.join(name), "").expect("it is written");
    }
    assert_eq!(store.runs().expect("a list"), [run]);
}

#[test]
fn files_are_private_and_out_of_git() {
    let (place, store, run, path) = in_files();
    let journal = store.create(&run).expect("it is new");
    let root = place.folder.path().join(".flow");
    assert_eq!(
        journal.logs().map(flow::disk::Folder::path),
        Some(root.join("logs/0abc").as_path())
    );
    assert_eq!(fs::read(root.join(".gitignore")).expect("a file"), b"*\n");
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&path), 0o600);
    for name in ["runs", "plans", "logs"] {
        assert_eq!(mode(&root.join(name)), 0o700, "{name}");
    }
}

// Faults.

fn fails<T>(result: Result<T, Error>, path: &Path) {
    let Err(error) = result else {
        panic!("{} should be refused", path.display());
    };
    assert_eq!(error.kind, Kind::Io, "{error}");
    assert!(error.cause.is_some(), "{error}");
    let named = error
        .path
        .as_ref()
        .is_some_and(|named| named.starts_with(path));
    assert!(named, "the error names what is in the way: {error}");
}

#[test]
fn a_file_in_the_place_of_the_folder_is_an_error() {
    let (place, store, run, _) = in_files();
    let root = place.folder.path().join(".flow");
    fs::write(&root, "mine").expect("it is written");
    fails(store.create(&run), &root);
    fails(store.open(&run), &root);
    fails(store.read(&run), &root);
    fails(store.edges(&run), &root);
    fails(store.is_owned(&run), &root);
    fails(store.runs(), &root);
    fails(store.put_plan("ab12", b"{}"), &root);
    fails(store.sync_plan("ab12"), &root);
    fails(store.plan("ab12"), &root);
    assert_eq!(
        fs::read(&root).expect("a file"),
        b"mine",
        "it is left alone"
    );
}

#[test]
fn a_folder_in_the_place_of_a_run_is_an_error() {
    let (_place, store, run, path) = in_files();
    put(&store, &id("0abd"), "");
    fs::create_dir(&path).expect("a folder");
    assert_eq!(kind(store.create(&run)), Kind::Exists);
    fails(store.open(&run), &path);
    fails(store.read(&run), &path);
    fails(store.edges(&run), &path);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    if rustix::process::geteuid().is_root() {
        // Past the test harness, which would keep it to itself.
        let skipped = "skipped: a read-only folder, because root may write everywhere";
        let _ = writeln!(std::io::stderr(), "{skipped}");
        return;
    }
    let (place, store, run, path) = in_files();
    let forbid = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let root = place.folder.path().join(".flow");
    forbid(place.folder.path(), 0o500);
    fails(store.create(&run), &root);
    fails(store.put_plan("ab12", b"{}"), &root);
    assert_eq!(store.runs().expect("there is nothing"), []);
    forbid(place.folder.path(), 0o700);

    put(&store, &run, "a line\n");
    for name in ["runs", "plans"] {
        forbid(&root.join(name), 0o500);
    }
    fails(store.create(&id("0abd")), &root.join("runs"));
    fails(store.put_plan("ab12", b"{}"), &root.join("plans"));
    forbid(&path, 0o400);
    fails(store.open(&run), &path);
    assert_eq!(store.read(&run).expect("it may be read"), "a line\n");
    assert!(!store.is_owned(&run).expect("it may be read"));
    forbid(&path, 0o000);
    fails(store.read(&run), &path);
    for name in ["runs", "plans"] {
        forbid(&root.join(name), 0o700);
    }
}

// Another process: this test's own binary, called to be one.

const ROLE: &str = "FLOW_TEST_STORE_CHILD";

/// A process that plays `role` on this folder; `limit` goes before it in a shell.
fn child(role: &str, root: &Path, limit: &str) -> Child {
    let own = std::env::current_exe().expect("a path");
    Command::new("sh")
        .args([
            "-c",
            &format!("{limit} exec \"$0\" --exact {role} --ignored"),
        ])
        .arg(own)
        .env(ROLE, root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("sh is there")
}

/// The folder that this process was given, when it is such a child.
fn given() -> Option<PathBuf> {
    std::env::var_os(ROLE).map(PathBuf::from)
}

#[test]
#[ignore = "a part that another test has a process play"]
fn child_that_is_killed() {
    if let Some(root) = given() {
        let store = Files::new(root);
        let mut journal = store.open(&id("0abc")).expect("it is free");
        journal.append("from the child\n").expect("it is written");
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn an_owner_that_is_killed_owns_nothing() {
    let _alone = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().expect("a folder");
    let (store, run, _) = files_in(folder.path());
    put(&store, &run, "before\n");
    let mut owner = child("child_that_is_killed", &folder.path().join(".flow"), "");
    let written = "before\nfrom the child\n";
    while store.read(&run).expect("it may be read") != written {
        assert!(
            owner.try_wait().expect("a child").is_none(),
            "the child failed"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(kind(store.open(&run)), Kind::Owned);
    assert!(store.is_owned(&run).expect("it may be looked at"));
    owner.kill().expect("a child");
    owner.wait().expect("a child");
    store.open(&run).expect("it is free");
    assert_eq!(store.read(&run).expect("it is there"), written);
}

/// A file that may not grow is a full disk without one: a write is done in part, the next is refused.
#[test]
#[ignore = "a part that another test has a process play"]
fn child_on_a_full_disk() {
    let Some(root) = given() else { return };
    let (store, run) = (Files::new(root.as_path()), id("0abc"));
    let mut journal = store.create(&run).expect("it is new");
    let (mut chain, mut written) = (Chain::new(&run), 0);
    let refused = loop {
        let mut line = String::new();
        seal(&mut chain, written + 1, Fact::RunResumed {}, &mut line);
        match journal.append(&line) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the limit doesn't hold");
    };
    assert_eq!(refused.kind, Kind::Io);
    assert!(refused.to_string().contains("0abc.facts"), "{refused}");
    drop(journal);
    let size = fs::metadata(root.join("runs/0abc.facts"))
        .expect("a file")
        .len();
    let whole = store.read(&run).expect("it is text").len() as u64;
    assert!(size > whole, "the last write was done in part");
    drop(whole::take(&store, &run).expect("what is torn is cut"));
    let read = store.read(&run).expect("it is text");
    let records = open(&run, &read).expect("a good chain");
    assert_eq!(
        records.len() as u64,
        written,
        "what was said to be written is there"
    );
    let plan = "{}".repeat(200_000);
    fails(store.put_plan("ab12", plan.as_bytes()), &root);
    assert_eq!(
        kind(store.plan("ab12")),
        Kind::Missing,
        "half a plan is none"
    );
}

#[test]
fn a_full_disk_loses_nothing_that_was_written() {
    let _alone = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().expect("a folder");
    let (store, run, _) = files_in(folder.path());
    let limit = "trap '' XFSZ; ulimit -f 64;";
    let mut full = child("child_on_a_full_disk", &folder.path().join(".flow"), limit);
    assert!(full.wait().expect("a child").success(), "the child failed");
    let read = store.read(&run).expect("it is there");
    assert!(
        read.lines().count() > 50,
        "the limit left room for some lines"
    );
}

/// `flow history` looks at runs while others begin and are taken over.
#[test]
fn a_look_never_keeps_an_owner_out() {
    let (_place, store, run, _) = in_files();
    put(&store, &run, "");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.is_owned(&run).expect("it may be looked at");
            }
        });
        let refused = (0..5000).filter(|_| store.open(&run).is_err()).count();
        done.store(true, Ordering::Relaxed);
        assert_eq!(refused, 0, "of 5000 times");
    });
}

/// Whoever follows the changes of a store looks at every run in which something has happened.
#[test]
fn what_has_changed_is_told_from_a_cursor_on() {
    each(|name, one, other| {
        let (run, next) = (id("0abc"), id("0abd"));
        let told = |cursor: Option<&str>, run: &RunId| {
            let changes = other.changes(cursor).expect(name);
            let told = changes.all || changes.runs.contains(run);
            assert!(told, "{name}: {changes:?}");
            changes.cursor
        };
        let nothing = other.changes(None).expect(name);
        assert!(
            nothing.all && nothing.runs.is_empty(),
            "{name}: {nothing:?}"
        );
        let mut journal = one.create(&run).expect(name);
        let begun = told(Some(&nothing.cursor), &run);
        journal.append("line\n").expect(name);
        let head = Chain::new(&run).head(&run, 1);
        journal.keep_head(&head).expect(name);
        drop(journal);
        let ended = told(Some(&begun), &run);
        drop(one.create(&next).expect(name));
        let both = told(Some(&ended), &next);
        one.remove(&run, Timestamp::from_micros(0)).expect(name);
        let removed = other.changes(Some(&both)).expect(name);
        let gone = if removed.all {
            !removed.runs.contains(&run)
        } else {
            removed.runs == [run.clone()]
        };
        assert!(gone, "{name}: {removed:?}");
        // A cursor of another store, or of no store, is one that has seen nothing.
        for cursor in ["", "7", "12 some other line", "999999 0abc begun", "x y"] {
            let all = other.changes(Some(cursor)).expect(name);
            assert!(
                all.all && all.runs == [next.clone()],
                "{name}: {cursor:?} {all:?}"
            );
        }
    });
}
