//! What people do wrong in files, and what they are told: `tests/mistakes/*.md`, and files that only a program would write.
//!
//! Each is refused with exit code 2, its place is named, and nothing of it runs. `FLOW_CASES=accept` writes down what is
//! said as what is expected.

pub mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use support::{Ended, Space};

/// What the commands in all these files would make.
const CANARY: &str = "CANARY";

/// A file and what is said of it.
struct Mistake {
    name: String,
    text: String,
    said: String,
}

#[test]
fn mistakes_are_explained() {
    let accept = std::env::var_os("FLOW_CASES").is_some_and(|value| value == "accept");
    let mut wrong = String::new();
    let mut count = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).expect("a page can be read");
        let (head, mistakes) = parse(&page);
        let mut written = head;
        for mistake in mistakes {
            count += 1;
            let said = refused(&mistake.name, mistake.text.as_bytes(), &mut wrong);
            if said != mistake.said && !accept {
                writeln!(
                    wrong,
                    "{}:\n--- expected\n{}--- said\n{said}",
                    mistake.name, mistake.said
                )
                .expect("a String takes all");
            }
            written.push_str(&print(&Mistake { said, ..mistake }));
        }
        if accept {
            fs::write(&path, written).expect("a page can be written");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 130, "only {count} mistakes were found");
}

/// Files that nobody writes by hand. Their messages are long; only that they name a place is checked.
#[test]
fn hostile_files_are_refused() {
    let mut wrong = String::new();
    for (name, bytes) in hostile() {
        refused(name, &bytes, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let task = |command: &str| format!("tasks:\n  a: {command}\n").into_bytes();
    let with = |bytes: &[u8]| [b"tasks:\n  a: touch CANARY", bytes, b"\n"].concat();
    let bomb = (1..30).fold(
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(),
        |text, number| {
            let before = number - 1;
            format!(
                "{text}a{number}: &a{number} [{}]\n",
                format!("*a{before}, ").repeat(9)
            )
        },
    );
    let merges = (1..30).fold(
        "x-0: &m0 {a: touch CANARY, b: touch CANARY}\n".to_owned(),
        |text, number| {
            let before = number - 1;
            format!("{text}x-{number}: &m{number} {{<<: [*m{before}, *m{before}], c{number}: x}}\n")
        },
    );
    vec![
        ("deep lists", task(&"[".repeat(100_000))),
        ("deep maps", task(&"{a: ".repeat(100_000))),
        (
            "deep blocks",
            (0..5_000)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect::<String>()
                .into_bytes(),
        ),
        (
            "deep expression",
            task(&format!(
                "echo {{{{ {}1{} }}}}",
                "(".repeat(50_000),
                ")".repeat(50_000)
            )),
        ),
        (
            "deep statements",
            task(&format!("|\n    {}", "{% if true %}".repeat(20_000))),
        ),
        (
            "alias bomb",
            format!("{bomb}tasks: {{a: *a29}}\n").into_bytes(),
        ),
        (
            "merge bomb",
            format!("{merges}tasks: {{a: {{<<: *m29}}}}\n").into_bytes(),
        ),
        ("many nodes", task(&format!("[{}]", "a,".repeat(2_000_000)))),
        ("too large", task(&"x".repeat(11_000_000))),
        ("a NUL", with(b"\0")),
        ("a NUL by an escape", task("\"touch CANARY \\0\"")),
        ("an escape character", with(b"\x1b[31m")),
        ("a delete character", with(b"\x7f\x01")),
        ("not UTF-8", with(b"\xff\xfe")),
        ("half a character", with(b"\xe2\x82")),
        ("a surrogate", with(b"\xed\xa0\x80")),
        (
            "UTF-16",
            "tasks:\n  a: touch CANARY\n"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ),
        ("a byte order mark", b"\xef\xbb\xbf".to_vec()),
        ("nothing", Vec::new()),
        ("only spaces", vec![b' '; 10_000]),
        ("only newlines", vec![b'\n'; 10_000]),
        ("only tabs", vec![b'\t'; 1_000]),
        ("a tab", b"tasks:\n\ta: touch CANARY\n".to_vec()),
        ("CR", b"tasks:\r  a:\r    rnu: touch CANARY\r".to_vec()),
        (
            "CR LF",
            b"tasks:\r\n  a:\r\n    rnu: touch CANARY\r\n".to_vec(),
        ),
        (
            "letters that turn the line around",
            "tasks:\n  a\u{202e}b: touch CANARY\n".into(),
        ),
        (
            "a long key",
            format!("tasks:\n  a:\n    {}: touch CANARY\n", "x".repeat(100_000)).into_bytes(),
        ),
        (
            "a long line",
            task(&format!(
                "{}{{{{ nothing }}}}",
                "touch CANARY ".repeat(50_000)
            )),
        ),
        (
            "a long name",
            format!(
                "tasks:\n  {}: {{depends_on: nothing}}\n",
                "x".repeat(100_000)
            )
            .into_bytes(),
        ),
        (
            "many mistakes",
            (0..50_000)
                .fold("tasks:\n".to_owned(), |text, n| {
                    text + &format!("  t{n}: {{rnu: x}}\n")
                })
                .into_bytes(),
        ),
        ("many unknown names", task(&"{{ nothing }}".repeat(20_000))),
        (
            "a long circle",
            (0..2_000)
                .fold("vars:\n".to_owned(), |text, n| {
                    text + &format!("  v{n}: '{{{{ v{} }}}}'\n", (n + 1) % 2_000)
                })
                .into_bytes(),
        ),
        (
            "many commands of a value that stays code",
            task(&format!("eval {}", "{{ env.A }} ".repeat(80_000))),
        ),
        (
            "deep substitutions",
            task(&format!("{{{{ nothing }}}} {}", "$( ".repeat(100_000))),
        ),
        (
            "many params with a default",
            (0..50_000)
                .fold(
                    "tasks:\n  a:\n    run: touch CANARY {{ nothing }}\n    params:\n".to_owned(),
                    |text, n| text + &format!("      p{n}: '{{{{ env.A }}}}'\n"),
                )
                .into_bytes(),
        ),
        (
            "many tasks",
            (0..300_000)
                .fold("tasks:\n".to_owned(), |text, n| {
                    text + &format!("  t{n}: x\n")
                })
                .into_bytes(),
        ),
        (
            "many globs",
            (0..40_000)
                .fold("tasks:\n".to_owned(), |text, n| {
                    text + &format!("  t{n}: {{depends_on: '*{n}'}}\n")
                })
                .into_bytes(),
        ),
        (
            "many circles",
            (0..50_000)
                .fold("tasks:\n".to_owned(), |text, n| {
                    text + &format!("  t{n}: {{depends_on: t{n}}}\n")
                })
                .into_bytes(),
        ),
        ("binary", (0..=255).cycle().take(5_000).collect()),
        (
            "an ELF file",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        ),
        ("a zip file", b"PK\x03\x04\x14\0\0\0\x08\0".to_vec()),
    ]
}

/// What is said of a file; what should not be is added to `wrong`.
fn refused(name: &str, bytes: &[u8], wrong: &mut String) -> String {
    let space = Space::new();
    fs::write(space.work().join("Workflowfile.yml"), bytes).expect("a file can be written");
    let checked = space.run(&["validate"]);
    let run = space.run(&["a"]);
    let mut note = |what: &str| {
        writeln!(wrong, "{name}: {what}: {}", shortened(&checked)).expect("a String takes all")
    };
    if checked.code != 2 || run.code != 2 {
        note(&format!(
            "exit codes are {} for validate and {} for run",
            checked.code, run.code
        ));
    }
    if space.has(CANARY) {
        note("something ran");
    }
    let said = checked
        .err()
        .replace(&space.work().display().to_string(), "<dir>");
    let placed = said.contains("Workflowfile.yml:") || said.contains("--> Workflowfile.yml");
    if !placed {
        note("no place is named");
    }
    if said.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        note("a control character is printed");
    }
    said
}

fn shortened(ended: &Ended) -> String {
    ended.err().chars().take(300).collect()
}

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let entries = fs::read_dir(folder).expect("the pages are there");
    let mut pages: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    pages.sort();
    pages
}

/// The text before the first mistake, and the mistakes.
fn parse(page: &str) -> (String, Vec<Mistake>) {
    let mut sections = page.split("\n## ");
    let head = sections.next().unwrap_or_default().to_owned();
    let mistakes = sections.map(|section| {
        let (name, rest) = section.split_once('\n').expect("a heading has a line");
        let mut blocks = rest.split("```");
        let mut block = |kind: &str| {
            let block = blocks.nth(1).unwrap_or_default();
            block
                .strip_prefix(kind)
                .and_then(|text| text.strip_prefix('\n'))
                .unwrap_or_else(|| panic!("{name} has no block of {kind}"))
                .to_owned()
        };
        Mistake {
            name: name.to_owned(),
            text: block("yaml"),
            said: block("text"),
        }
    });
    (head, mistakes.collect())
}

fn print(mistake: &Mistake) -> String {
    let Mistake { name, text, said } = mistake;
    format!("\n## {name}\n\n```yaml\n{text}```\n\n```text\n{said}```\n")
}
