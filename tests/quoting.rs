//! Data in a command: byte for byte what it was, wherever it stands, in every shell, and nothing of it is ever run.
//!
//! The shells that are there are tried; those that aren't are told as skipped. `.ci/run` installs all of them.

pub mod support;

use std::collections::HashMap;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use flow::expr::{self, Names, Problem, Script, Value};

/// The shells, each with its arguments before `-c`.
const SHELLS: [&[&str]; 6] = [
    &["dash"],
    &["bash"],
    &["bash", "--posix"],
    &["busybox", "sh"],
    &["mksh"],
    &["zsh"],
];

/// Scripts and what they print; `@` stands for the value.
const CONTEXTS: [(&str, &str); 50] = [
    ("printf %s {{ v }}", "@"),
    ("printf %s a{{ v }}b", "a@b"),
    ("printf %s {{ v }}{{ v }}", "@@"),
    ("printf %s \"{{ v }}\"", "@"),
    ("printf %s \"a {{ v }} b\"", "a @ b"),
    ("printf %s '{{ v }}'", "@"),
    ("printf %s 'a {{ v }} b'", "a @ b"),
    ("printf %s \"'{{ v }}'\"", "'@'"),
    ("printf %s '\"{{ v }}\"'", "\"@\""),
    ("printf %s a'{{ v }}'\"{{ v }}\"{{ v }}", "a@@@"),
    ("x={{ v }}; printf %s \"$x\"", "@"),
    ("x=\"{{ v }}\"; printf %s \"$x\"", "@"),
    ("x='{{ v }}' y={{ v }}; printf %s \"$x$y\"", "@@"),
    ("x={{ v }} sh -c 'printf %s \"$x\"'", "@"),
    ("export x={{ v }}; printf %s \"$x\"", "@"),
    ("printf %s \"$(printf %s {{ v }}; printf x)\"", "@x"),
    ("printf %s \"$(printf %s \"{{ v }}\"; printf x)\"", "@x"),
    ("printf %s \"$(printf %s '{{ v }}'; printf x)\"", "@x"),
    ("x=$(printf %s {{ v }}; printf x); printf %s \"$x\"", "@x"),
    ("cat <<EOF\n{{ v }}\nEOF\n", "@\n"),
    (
        "cat <<EOF\na \"{{ v }}\" '{{ v }}' b\nEOF\n",
        "a \"@\" '@' b\n",
    ),
    ("cat <<-EOF\n\t{{ v }}\n\tEOF\n", "@\n"),
    ("cat <<EOF\n$(printf %s {{ v }}; printf x)\nEOF\n", "@x\n"),
    ("cat <<A; cat <<B\n{{ v }}\nA\n-{{ v }}\nB\n", "@\n-@\n"),
    ("if true; then cat <<EOF\n{{ v }}\nEOF\nfi", "@\n"),
    (
        "case {{ v }} in {{ v }}) printf yes;; *) printf no;; esac",
        "yes",
    ),
    (
        "case x{{ v }} in x\"{{ v }}\") printf yes;; *) printf no;; esac",
        "yes",
    ),
    (
        "case y in (x) printf no;; (y) printf %s {{ v }};; esac",
        "@",
    ),
    (
        "for i in {{ v }} '{{ v }}'; do printf %s- \"$i\"; done",
        "@-@-",
    ),
    (
        "for i in {{ l }}; do printf '<%s>' \"$i\"; done",
        "<a b><@><>",
    ),
    ("set -- {{ l }}; printf %s \"${#}$2\"", "3@"),
    ("printf '<%s>' {{ l }} x", "<a b><@><><x>"),
    ("printf %s \"{{ l }}\"", "a b @ "),
    ("f() { printf %s \"$1\"; }; f {{ v }}", "@"),
    ("( printf %s {{ v }} )", "@"),
    ("{ printf %s {{ v }}; }", "@"),
    ("printf %s {{ v }} | cat", "@"),
    ("true && printf %s {{ v }} || printf no", "@"),
    (
        "if test x{{ v }} = x\"{{ v }}\"; then printf yes; fi",
        "yes",
    ),
    ("printf %s \\\n  {{ v }}", "@"),
    ("printf %s \"\\\\{{ v }}\"", "\\@"),
    ("printf %s \"${{ v }}\"", "$@"),
    ("printf %s a${{ v }}", "a$@"),
    (
        "# it's {{ v }} here\nprintf %s {{ v }} # and \"{{ v }}",
        "@",
    ),
    ("printf %s a#{{ v }}", "a#@"),
    ("sh -c 'printf %s \"$1\"' sh {{ v }}", "@"),
    ("sh -c \"printf %s {{ v | quote }}\"", "@"),
    ("sh -c 'printf %s {{ v | quote }}'", "@"),
    ("eval \"printf %s {{ v | quote }}\"", "@"),
    ("printf %s {{ v | quote }}", "@"),
];

/// What must come out as it is.
const VALUES: [&str; 47] = [
    "",
    "plain",
    " ",
    "  two  spaces  ",
    "\t",
    "\n",
    "\n\n",
    "a\nb",
    "a\n",
    "\na",
    "'",
    "''",
    "\"",
    "\"\"",
    "it's",
    "\\",
    "\\\\",
    "a\\",
    "\\'",
    "\\\"",
    "\\n",
    "$",
    "$$",
    "$HOME",
    "${HOME}",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned;",
    "\n touch pwned\n",
    "| touch pwned",
    "&& touch pwned",
    "& touch pwned &",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
    "'$(touch pwned)'",
    "\"$(touch pwned)\"",
    ")\ntouch pwned\n(",
    "EOF\ntouch pwned\nEOF",
    "> pwned",
    "a[$(touch pwned)]",
    "$((1+1))",
    "{{ v }} {% raw %}",
    "*",
    "~ {a,b} ?[a-z]",
    "-n",
    "# comment",
    "%s\u{1}\u{7f}é\u{2028}\u{202e}😀",
];

/// The fragments that hostile values and random scripts are made of.
const FRAGMENTS: [&str; 40] = [
    "'",
    "\"",
    "\\",
    "$",
    "`",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    "&",
    "|",
    "<",
    ">",
    "\n",
    " ",
    "\t",
    "#",
    "*",
    "?",
    "~",
    "!",
    "=",
    "%",
    "a",
    "EOF",
    "$(",
    "${",
    "$((",
    "<<EOF\n",
    "touch pwned",
    "esac",
    "done",
    "-",
    "\\\n",
    "\r",
    "\u{80}",
    "''",
];

#[derive(Debug)]
struct Scope(HashMap<&'static str, Value>);

impl Names for Scope {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        Ok(self.0.get(name).cloned())
    }

    fn known(&self) -> Vec<String> {
        self.0.keys().map(|name| (*name).to_owned()).collect()
    }
}

fn scope(value: &[u8]) -> Scope {
    let list = vec![Value::data("a b"), Value::data(value), Value::data("")];
    let each = [("v", Value::data(value)), ("l", Value::list(list))];
    Scope(each.into_iter().collect())
}

/// The shells of this machine.
fn shells() -> &'static [&'static [&'static str]] {
    static FOUND: OnceLock<Vec<&[&str]>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let there = |shell: &&[&str]| {
            let tried = Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", ":"])
                .stdin(Stdio::null())
                .output();
            let there = tried.is_ok_and(|tried| tried.status.success());
            if !there {
                support::skipped(&format!(
                    "values in '{}': it is not installed",
                    shell.join(" ")
                ));
            }
            there
        };
        SHELLS.into_iter().filter(there).collect()
    })
}

fn run(shell: &[&str], script: &Script, dir: &Path) -> std::process::Output {
    let env = script
        .env
        .iter()
        .map(|(name, value)| (name, std::ffi::OsString::from_vec(value.clone())));
    Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", &script.text])
        .args((!script.args.is_empty()).then_some(shell[0]))
        .args(
            script
                .args
                .iter()
                .map(|arg| std::ffi::OsStr::from_bytes(arg)),
        )
        .envs(env)
        .env("LC_ALL", "C")
        .env_remove("ENV")
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("the shell starts")
}

/// Values made of what hurts.
fn hostile(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..random.usize(1..12) {
        match random.usize(0..4) {
            0 => value.push(random.u8(1..)),
            _ => value.extend_from_slice(FRAGMENTS[random.usize(..FRAGMENTS.len())].as_bytes()),
        }
    }
    value
}

/// Comes between the outputs of two contexts; no value has it.
const BETWEEN: &str = "\u{1e}-between-\u{1e}";

fn expected(shown: &str, value: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    for (at, part) in shown.split('@').enumerate() {
        if at > 0 {
            made.extend_from_slice(value);
        }
        made.extend_from_slice(part.as_bytes());
    }
    made
}

/// Every context with this value, in every shell.
fn try_value(value: &[u8], dir: &Path) {
    let scope = scope(value);
    let all: Vec<String> = CONTEXTS
        .iter()
        .map(|(source, _)| format!("{source}\nprintf %s '{BETWEEN}'\n"))
        .collect();
    let script = expr::command(&all.concat(), &scope).expect("each context takes any value");
    let mut wanted = Vec::new();
    for (_, shown) in CONTEXTS {
        wanted.extend(expected(shown, value));
        wanted.extend_from_slice(BETWEEN.as_bytes());
    }
    std::thread::scope(|scope| {
        for shell in shells() {
            scope.spawn(|| {
                if run(shell, &script, dir).stdout != wanted {
                    explain(shell, value, dir);
                }
            });
        }
    });
    nothing_was_run(dir, || format!("{:?}", String::from_utf8_lossy(value)));
}

/// Finds the context that does not give the value in this shell.
fn explain(shell: &[&str], value: &[u8], dir: &Path) {
    let scope = scope(value);
    for (source, shown) in CONTEXTS {
        let script = expr::command(source, &scope).expect("the context takes any value");
        let output = run(shell, &script, dir);
        let (got, wanted) = (output.stdout, expected(shown, value));
        assert!(
            got == wanted,
            "{source:?} in {shell:?} with {:?}\nas {:?}\ngives  {:?}\ninstead of {:?}\n{}",
            String::from_utf8_lossy(value),
            script.text,
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(&wanted),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    panic!("{shell:?}: the contexts are right one by one, but not together, with {value:?}");
}

fn nothing_was_run(dir: &Path, what: impl Fn() -> String) {
    let left: Vec<_> = std::fs::read_dir(dir)
        .expect("the folder")
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?} was made by {}", what());
}

#[test]
fn values_come_out_byte_for_byte_in_every_context_and_shell() {
    let dir = tempfile::tempdir().expect("a folder");
    for value in VALUES {
        try_value(value.as_bytes(), dir.path());
    }
    let every_byte: Vec<u8> = (1..=255).collect();
    try_value(&every_byte, dir.path());
    try_value("x y\n".repeat(5_000).as_bytes(), dir.path());
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..support::rounds(40) {
        try_value(&hostile(&mut random), dir.path());
    }
}

/// `| quote` makes one word for a shell that parses once more; fish reads backslashes in quotes in a way of its own.
#[test]
fn a_quoted_value_is_one_word_to_a_second_shell() {
    let dir = tempfile::tempdir().expect("a folder");
    let home = tempfile::tempdir().expect("a folder");
    let mut random = fastrand::Rng::with_seed(7);
    let fixed = [
        "\\",
        "'",
        "\\'",
        "a\\\\'b\\",
        "$(touch x)",
        "(touch x)",
        "a\nb",
    ];
    let fixed = fixed.map(|value| value.as_bytes().to_vec());
    let made = (0..60).map(|_| hostile(&mut random)).collect::<Vec<_>>();
    // A text in another encoding is none to fish.
    let is_text = |value: &Vec<u8>| std::str::from_utf8(value).is_ok();
    let values = || {
        fixed
            .iter()
            .chain(made.iter().filter(|value| is_text(value)))
    };
    let seconds: [&[&str]; 3] = [&["fish", "--no-config"], &["zsh", "-f"], &["mksh"]];
    for second in seconds {
        if !Path::new("/usr/bin").join(second[0]).exists()
            && !Path::new("/bin").join(second[0]).exists()
        {
            support::skipped(&format!(
                "quoted values in '{}': it is not installed",
                second[0]
            ));
            continue;
        }
        for value in values() {
            let source = format!("{} -c \"printf %s {{{{ v | quote }}}}\"", second.join(" "));
            let script = expr::command(&source, &scope(value)).expect("it is quoted");
            let output = Command::new("/bin/sh")
                .args(["-c", &script.text])
                .envs(
                    script
                        .env
                        .iter()
                        .map(|(name, value)| (name, std::ffi::OsString::from_vec(value.clone()))),
                )
                .env("HOME", home.path())
                .env("LC_ALL", "C.UTF-8")
                .current_dir(dir.path())
                .stdin(Stdio::null())
                .output()
                .expect("the shell starts");
            let shown = String::from_utf8_lossy(value);
            assert_eq!(
                output.stdout, *value,
                "{}: {shown:?}: {output:?}",
                second[0]
            );
        }
    }
    nothing_was_run(dir.path(), || "quoted values".to_owned());
}

/// What is not text where it stands is refused, says what to do, and is accepted as a number or when the author wrote it.
#[test]
fn where_no_reference_is_text_data_is_refused() {
    let scope = Scope(
        [
            ("v", Value::data("a[$(touch pwned)]")),
            ("n", Value::Int(3)),
            ("c", Value::code("1+1")),
        ]
        .into_iter()
        .collect(),
    );
    let refused = [
        ("echo $(( {{ v }} + 1 ))", "| int"),
        ("echo $(( \"{{ v }}\" ))", "| int"),
        ("echo $[ {{ v }} ]", "| int"),
        ("(( {{ v }} > 1 ))", "| int"),
        ("for (( i = {{ v }}; i < 3; i++ )); do :; done", "| int"),
        ("let x={{ v }}", "| int"),
        ("let \"x={{ v }}\"", "| int"),
        ("[[ {{ v }} -eq 1 ]]", "| int"),
        ("[[ 1 -lt {{ v }} && a = a ]]", "| int"),
        ("[[ a = a && \"{{ v }}\" -gt 1 ]]", "| int"),
        ("[ {{ v }} -eq 1 ]", "| int"),
        ("test 1 -ne '{{ v }}'", "| int"),
        ("[[ -v {{ v }} ]]", "| int"),
        ("declare -i x={{ v }}", "| int"),
        ("x[{{ v }}]=1", "| int"),
        ("x[\"{{ v }}\"]=1", "| int"),
        ("x=([{{ v }}]=1)", "| int"),
        ("unset 'x[{{ v }}]'", "| int"),
        ("declare -a q={{ v }}", "| int"),
        ("RANDOM={{ v }}", "| int"),
        ("PS4={{ v }}; set -x; :", "`env`"),
        ("alias g={{ v }}\ng", "`env`"),
        ("trap -- {{ v }} EXIT", "quote it"),
        ("f() { eval \"echo {{ v }}\"; }\nf", "`eval`"),
        ("f ( )\n{ eval {{ v }}; }\nf", "`eval`"),
        ("f() eval {{ v }}\nf", "`eval`"),
        ("function f { eval {{ v }}; }; f", "`eval`"),
        ("function f() { eval {{ v }}; }; f", "`eval`"),
        ("2>/dev/null eval {{ v }}", "`eval`"),
        ("2>/dev/null >x <y eval {{ v }}", "`eval`"),
        ("{fd}>x eval {{ v }}", "`eval`"),
        ("ev\\\nal {{ v }}", "`eval`"),
        ("bash +x -c {{ v }}", "as an argument"),
        ("flock f -c {{ v }}", "quote it"),
        ("$SHELL -c {{ v }}", "quote it"),
        ("perl -pe {{ v }} f", "`env`"),
        ("python3 <<EOF\n{{ v }}\nEOF", "`env`"),
        ("python3 - <<EOF\n{{ v }}\nEOF", "`env`"),
        ("git -c alias.x={{ v }} x", "`env`"),
        ("echo {{ v }} | sh", "as an argument"),
        ("echo {{ v }} | tr a b | bash -s", "as an argument"),
        ("cat <<EOF | sh\n{{ v }}\nEOF", "as an argument"),
        ("printf {{ v }} | python3", "`env`"),
        ("ssh {{ v }} uptime", "ssh --"),
        ("read {{ v }}", "| int"),
        ("exit {{ v }}", "| int"),
        ("echo >&{{ v }}", "| int"),
        ("n={{ v }}; echo $((n))", "| int"),
        ("n=\"{{ v }}\"; s=abc; echo ${s:n}", "| int"),
        ("for n in {{ v }}; do echo $(( $n + 1 )); done", "| int"),
        ("n={{ v }}; [ \"$n\" -eq 1 ]", "| int"),
        ("set -- {{ v }}; let x=$1", "| int"),
        ("n={{ v }}; eval \"echo $n\"", "`eval`"),
        ("x[ {{ v }} ]=1", "| int"),
        ("echo $\\\n[ {{ v }} ]", "| int"),
        ("( echo {{ v }} ) | sh", "as an argument"),
        ("echo {{ v }} | ( sh )", "as an argument"),
        ("echo {{ v }} >s; sh ./s", "as an argument"),
        ("sh <(echo {{ v }})", "as an argument"),
        ("echo {{ v }} | xargs -I% sh -c 'echo %'", "quote it"),
        ("env -S {{ v }}", "quote it"),
        ("sh -c 'eval \"$1\"' sh {{ v }}", "`eval`"),
        ("printf %d {{ v }}", "| int"),
        ("printf -v {{ v }} x", "| int"),
        ("echo ${x:-{{ v }}}", "v={{ x }}"),
        ("echo \"${x:-{{ v }}}\"", "v={{ x }}"),
        ("echo ${x:{{ v }}}", "v={{ x }}"),
        ("echo ${x#$(echo {{ v }})}", "v={{ x }}"),
        ("echo `echo {{ v }}`", "$( … )"),
        ("echo \"`echo '{{ v }}'`\"", "$( … )"),
        ("cat <<'EOF'\n{{ v }}\nEOF", "without quotes"),
        ("cat <<\"EOF\"\n{{ v }}\nEOF", "without quotes"),
        ("cat <<\\EOF\n{{ v }}\nEOF", "without quotes"),
        ("cat <<{{ v }}\nx\n{{ v }}\n", "a word such as EOF"),
        ("echo $'{{ v }}'", "$'…'"),
        ("echo \\{{ v }}", "backslash"),
        ("echo \"\\{{ v }}\"", "backslash"),
        ("eval {{ v }}", "| quote"),
        ("eval \"echo {{ v }}\"", "| quote"),
        ("eval echo {{ v | quote }}", "| quote"),
        ("eval \"echo '{{ v | quote }}'\"", "| quote"),
        ("trap 'echo {{ v }}' EXIT", "| quote"),
        ("sh -c 'echo {{ v }}'", "sh -c"),
        ("sh -c {{ v }}", "sh -c"),
        ("bash -euo pipefail -c \"echo {{ v }}\"", "bash -c"),
        ("/bin/sh -ec 'echo \"{{ v }}\"'", "sh -c"),
        ("sh -c 'echo \"{{ v | quote }}\"'", "sh -c"),
        ("sudo -u x sh -c 'echo {{ v }}'", "sh -c"),
        ("env A=1 bash -c \"echo {{ v }}\"", "bash -c"),
        ("docker exec box sh -c 'echo {{ v }}'", "sh -c"),
        ("find . -exec sh -c 'echo {{ v }}' \\;", "sh -c"),
        ("xargs sh -c 'echo {{ v }}'", "sh -c"),
        ("busybox sh -c 'echo {{ v }}'", "sh -c"),
        ("x=1 sh -c 'echo {{ v }}'", "sh -c"),
        ("true && if true; then sh -c 'echo {{ v }}'; fi", "sh -c"),
        ("echo $(sh -c 'echo {{ v }}')", "sh -c"),
        ("su -c 'echo {{ v }}' user", "| quote"),
        ("su user -c 'echo {{ v }}'", "| quote"),
        ("su --command='echo {{ v }}' user", "| quote"),
        ("ssh host echo {{ v }}", "| quote"),
        ("ssh -p 22 -i key user@host \"cd {{ v }}\"", "| quote"),
        ("ssh host echo {{ v | quote }}", "| quote"),
        ("ssh host \"sh -c 'echo {{ v | quote }}'\"", "| quote"),
        ("ssh host <<EOF\necho {{ v }}\nEOF", "| quote"),
        ("ssh host bash -s <<EOF\necho {{ v }}\nEOF", "| quote"),
        ("sh <<EOF\necho {{ v }}\nEOF", "sh"),
        ("bash -s <<< \"echo {{ v }}\"", "bash"),
        ("python3 -c 'print(\"{{ v }}\")'", "`env`"),
        ("awk -F: '/{{ v }}/ { print }' file", "`env`"),
        ("perl -e '{{ v }}'", "`env`"),
        ("node -e \"{{ v }}\"", "`env`"),
        ("node --eval={{ v }}", "`env`"),
        ("python3 -Ic {{ v }}", "`env`"),
        ("python3 /dev/stdin <<EOF\n{{ v }}\nEOF", "`env`"),
        ("echo {{ v }} >s.py; python3 s.py", "`env`"),
        ("awk -f /dev/stdin f <<EOF\n{{ v }}\nEOF", "`env`"),
        ("tclsh <<EOF\n{{ v }}\nEOF", "`env`"),
        ("perl -ne print {{ v }}", "< {{ file }}"),
        ("ssh -o {{ v }} host", "ssh host"),
        ("$(:) set -- {{ v }}; eval \"$1\"", "`eval`"),
        ("${x} read n <<EOF\n{{ v }}\nEOF\neval \"$n\"", "`eval`"),
        ("coproc ${e-eval} {{ v }}", "`eval`"),
        ("command -- alias e=eval\ne {{ v }}", "`env`"),
        ("true &>x eval {{ v }}", "`eval`"),
        ("repeat 1 { if eval {{ v }}; then :; fi\n}", "`eval`"),
        ("command true x=({{ v }})", "| int"),
        ("() { eval \"$1\"; } {{ v }}", "`eval`"),
        ("n={{ v }}; echo ${(l:$n:)x}", "| int"),
    ];
    for (source, remedy) in refused {
        let Err(problem) = expr::command(source, &scope) else {
            panic!("{source:?} is not refused");
        };
        let help = problem.help.unwrap_or_default();
        assert!(
            help.contains(remedy),
            "{source:?}: {} ({help})",
            problem.message
        );
        assert!(
            problem
                .span
                .is_some_and(|span| source[span].starts_with('v')),
            "{source:?}"
        );
        assert!(!problem.message.contains("pwned") && !help.contains("pwned"));
        // It is found before anything runs, too.
        let checked = expr::check_template(source, expr::Use::Command);
        assert!(checked.problems.is_empty(), "{source:?}");
        let placed = checked
            .placed
            .iter()
            .find(|placed| placed.refused.is_some());
        let placed = placed.unwrap_or_else(|| panic!("{source:?} is not found when it is checked"));
        assert_eq!(placed.reads[0].path, ["v"]);
        // What the author wrote, and numbers, are what they are.
        for name in ["n", "c"] {
            let source = source.replace("{{ v", &format!("{{{{ {name}"));
            let made = expr::command(&source, &scope)
                .unwrap_or_else(|problem| panic!("{source:?}: {problem:?}"));
            assert!(made.env.is_empty(), "{source:?}");
        }
    }
}

/// Commands that look like those that are refused, and aren't.
#[test]
fn what_is_no_danger_is_not_refused() {
    let scope = scope(b"x");
    for source in [
        "echo eval {{ v }}",
        "{{ v }} eval {{ v }}",
        "n={{ v }}; echo \"$n\"; test \"$n\" = x",
        "n=$(grep -c x {{ v }}); [ \"$n\" -gt 1 ]",
        "size=$(( $(stat -c %s {{ v }}) / 1024 ))",
        "eval \"$(ssh-agent -s)\"; echo {{ v }}",
        "env A=1 {{ v }} build",
        "while read -r line; do echo \"$line\"; done <{{ v }}",
        "for f in {{ l }}; do rm -- \"$f\"; done",
        "curl -o x https://example.org/{{ v }}; sh install.sh",
        "trap 'rm -f x' EXIT; n={{ v }}; echo \"${n%.c}\" \"${#n}\" \"${n:-none}\"",
        "i=0; while [ $i -lt 3 ]; do echo {{ v }}; i=$((i + 1)); done",
        "echo '[[' {{ v }}",
        "grep -c {{ v }} file",
        "sh {{ v }}",
        "sh -e {{ v }} -c x",
        "sh -c 'echo \"$1\"' sh {{ v }}",
        "sh -c 'echo \"$@\"' sh {{ l }}",
        "ssh -p {{ v }} host uptime",
        "ssh -- {{ v }} uptime",
        "ssh me@{{ v }} uptime",
        "f() { echo {{ v }}; }\nf",
        "2>/dev/null echo {{ v }}",
        "make &>log {{ v }}",
        "perl -pi -e s/a/b/ {{ v }}",
        "perl -ne print <{{ v }}",
        "awk -f p.awk {{ v }}",
        "node --eval=1 {{ v }}",
        "tclsh s.tcl {{ v }}",
        "ssh -o Port={{ v }} host uptime",
        "n={{ v }}; echo ${ echo \"$n\"; }",
        "trap 'rm -f x' EXIT; echo {{ v }}",
        "perl script.pl -e {{ v }}",
        "python3 script.py <<EOF\n{{ v }}\nEOF",
        "git commit -m {{ v }}",
        "echo a | grep -e {{ v }}",
        "PATH={{ v }} ls",
        "function f { echo {{ v }}; }; f",
        "echo 2 >{{ v }}",
        "echo {{ v }} || sh",
        "echo {{ v }} && sh",
        "echo {{ v }}; sh",
        "echo {{ v }} | python3 script.py",
        "echo {{ v }} | sh script",
        "echo {{ v }} | grep sh",
        "ssh host 'cat > file' <<EOF\n{{ v }}\nEOF",
        "cat <<EOF | sh\necho hi\nEOF\necho {{ v }}",
        "sh script <<EOF\n{{ v }}\nEOF",
        "python3 script.py -c {{ v }}",
        "awk -v x={{ v }} '{ print x }' file",
        "awk -f prog {{ v }}",
        "trap 'rm -f x' {{ v }}",
        "local x={{ v }}",
        "readonly x=\"{{ v }}\"",
        "[ {{ v }} = x ]",
        "[[ {{ v }} == x && -n {{ v }} ]]",
        "test -f {{ v }}",
        "echo \"item[{{ v }}]\"",
        "pytest 'tests/a.py::t[{{ v }}]'",
        "printf '%s' {{ v }}",
        "x=$(( 1 + 2 )); echo {{ v }}",
        "echo $((1)) $(( (1+2) * 3 )) {{ v }}",
        "( (echo {{ v }}) )",
        "a=(1 {{ v }} 2)",
        "case a in a) echo $(( 1 )) ;; b) echo {{ v }} ;; esac",
        "kubectl exec pod -- cat {{ v }}",
        "find . -name {{ v }} -exec sh -c 'echo \"$1\"' sh {} \\;",
    ] {
        if let Err(problem) = expr::command(source, &scope) {
            panic!("{source:?}: {problem:?}");
        }
        let checked = expr::check_template(source, expr::Use::Command);
        assert!(
            checked.placed.iter().all(|placed| placed.refused.is_none()),
            "{source:?}"
        );
    }
}

/// Scripts that nobody wrote: whatever the quotes around a value are, what it holds is never run.
#[test]
fn in_a_script_of_any_shape_data_is_not_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let pieces = [
        "echo ",
        "printf %s ",
        "{{ v }}",
        "{{ v }}",
        " {{ v }} ",
        "\"",
        "'",
        "\\",
        "$",
        "`",
        "$(",
        ")",
        "(",
        "${x",
        "}",
        "{ ",
        "; ",
        "\n",
        " | cat",
        " && ",
        "#",
        " #",
        "<<EOF\n",
        "\nEOF\n",
        "<<'EOF'\n",
        "$((",
        "))",
        "x=",
        "[",
        "]",
        "case x in ",
        "x) ",
        ";;",
        " esac",
        "if true; then ",
        "; fi",
        "for i in ",
        "; do ",
        "; done",
        "$'",
        "$\"",
        " > /dev/null",
        "<<-E\n",
        "\n\tE\n",
        "a",
        "1",
        "=",
        "<(",
        "=(",
        "!",
        " \\\n",
    ];
    let values: [&str; 5] = [
        "$(touch pwned)`touch pwned`",
        "'; touch pwned; '",
        "\"; touch pwned; \"",
        "a[$(touch pwned)]",
        "\ntouch pwned\n",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..support::rounds(600) {
        let source: String = (0..random.usize(2..14))
            .map(|_| pieces[random.usize(..pieces.len())])
            .collect();
        if !source.contains("{{ v }}") || source.contains("${{{") {
            continue;
        }
        let scope = scope(values[random.usize(..values.len())].as_bytes());
        let Ok(script) = expr::command(&source, &scope) else {
            refused += 1;
            continue;
        };
        accepted += 1;
        for shell in shells() {
            run(shell, &script, dir.path());
            let pwned = dir.path().join("pwned");
            assert!(
                !pwned.exists(),
                "{shell:?} ran what is in the value: {source:?} as {:?}",
                script.text
            );
        }
        for left in std::fs::read_dir(dir.path()).expect("the folder").flatten() {
            std::fs::remove_file(left.path()).expect("what a redirection made is removed");
        }
    }
    assert!(
        accepted * 4 > refused,
        "most scripts are tried: {accepted} of {}",
        accepted + refused
    );
}

/// Limits of what a command can be handed are told before it is started.
#[test]
fn what_is_too_large_or_has_a_nul_is_refused() {
    for (value, message) in [(vec![b'x'; 200_000], "128 KiB"), (b"a\0b".to_vec(), "NUL")] {
        let problem = expr::command("echo {{ v }}", &scope(&value)).expect_err("it is refused");
        assert!(problem.message.contains(message), "{}", problem.message);
        assert!(problem.help.is_some_and(|help| help.contains("file")));
    }
    let many = Value::list(
        (0..20_u8)
            .map(|n| Value::data(vec![b'a' + n; 100_000]))
            .collect(),
    );
    let scope = Scope([("l", many)].into_iter().collect());
    let problem = expr::command("echo {{ l }}", &scope).expect_err("it is refused");
    assert!(problem.message.contains("1 MiB"), "{}", problem.message);
}

/// Scripts with a long list, and whether the shell is handed it as positional parameters; the others read a variable for each item.
const LONG_LISTS: [(&str, bool); 18] = [
    ("printf '%s\\036' {{ l }}", true),
    ("printf '%s\\036' {{ l }}; :", true),
    (
        "for one in {{ l }}; do printf '%s\\036' \"$one\"; done",
        true,
    ),
    ("( printf '%s\\036' {{ l }} )", true),
    ("{ printf '%s\\036' {{ l }}; } | cat", true),
    (
        "x=$(printf '%s\\036' {{ l }}; echo x); printf %s \"${x%x}\"",
        true,
    ),
    (
        "set -e; set +x -o noglob\nprintf '%s\\036' \\\n  {{ l }}",
        true,
    ),
    ("# {{ l }}\nprintf '%s\\036' {{ l }}", true),
    ("echo $0 >&2; printf '%s\\036' {{ l }}; : {{ l }}", true),
    ("set -- a b; printf '%s\\036' {{ l }}", false),
    ("set -- {{ l }}; printf '%s\\036' \"$@\"", false),
    ("set -e a; printf '%s\\036' {{ l }}", false),
    ("shift $#; printf '%s\\036' {{ l }}", false),
    ("f() { printf '%s\\036' {{ l }}; }; f a b", false),
    ("f () { printf '%s\\036' {{ l }}; }; f a b", false),
    ("f() { printf '%s\\036' \"$@\"; }; f {{ l }}", false),
    (
        "printf '%s' \"$1$#\" | tr -d 0; printf '%s\\036' {{ l }}",
        false,
    ),
    ("printf '%s' \"${1-}\"; printf '%s\\036' {{ l }}", false),
];

#[test]
fn long_lists_come_out_byte_for_byte_in_every_shell() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut random = fastrand::Rng::with_seed(7);
    let mut items: Vec<Vec<u8>> = (0..300).map(|_| hostile(&mut random)).collect();
    items.push(Vec::new());
    let mut wanted = Vec::new();
    for item in &items {
        wanted.extend_from_slice(item);
        wanted.push(0o36);
    }
    let list = items.into_iter().map(Value::data).collect();
    let out = Value::data("out");
    let scope = Scope([("l", Value::list(list)), ("o", out)].into_iter().collect());
    for (source, as_args) in LONG_LISTS {
        let Ok(script) = expr::command_with_args(source, &scope) else {
            panic!("it takes a list: {source}");
        };
        assert_eq!(
            !script.args.is_empty(),
            as_args,
            "{source}: {}",
            script.text
        );
        for shell in shells() {
            let printed = run(shell, &script, dir.path());
            assert!(
                printed.stdout == wanted,
                "{shell:?} does not print the list: {source}"
            );
        }
    }
    nothing_was_run(dir.path(), || "a long list".to_owned());
}

/// Twenty thousand items are as many words, and the script stays short; without a way to hand them over that is said.
#[test]
fn a_list_of_any_length_is_handed_over() {
    let list = || Value::list((0..20_000).map(|n| Value::data(n.to_string())).collect());
    let scope = Scope([("l", list())].into_iter().collect());
    let script = expr::command_with_args("lint {{ l }} && count {{ l }}", &scope);
    let script = script.expect("there is room");
    assert_eq!(script.text, "lint \"$@\" && count \"$@\"");
    assert_eq!((script.args.len(), script.env.len()), (20_000, 0));
    let problem =
        expr::command_with_args("shift; lint {{ l }}", &scope).expect_err("it is too long");
    assert!(
        problem.message.contains("20000 values"),
        "{}",
        problem.message
    );
    assert!(problem.message.contains("128 KiB"), "{}", problem.message);
}
