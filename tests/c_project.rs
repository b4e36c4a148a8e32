//! A project in C with headers that include headers: flow compiles what make compiles, and nothing else.
//!
//! make is asked by its own rules and depfiles, in a folder of its own with the same files.

pub mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use fastrand::Rng;
use support::Space;

const SOURCES: usize = 34;
const HEADERS: usize = 20;

const WORKFLOW: &str = r#"
tasks:
  obj:
    for: {glob: "*.c", parallel: true}
    sources: ["{{ item }}"]
    depfile: "obj/{{ item }}.d"
    generates: "obj/{{ item }}.o"
    run: mkdir -p obj && echo {{ item }} >> ran && cc -O0 -MMD -MF obj/{{ item }}.d -c {{ item }} -o obj/{{ item }}.o
  app:
    depends_on: [obj]
    sources: []
    generates: app
    run: echo app >> ran; cc -o app obj/*.o
"#;

const MAKEFILE: &str = "
objects = $(patsubst %.c,obj/%.o,$(wildcard *.c))
app: $(objects)
\techo app >> ran; cc -o app obj/*.o
obj/%.o: %.c
\tmkdir -p obj && echo $< >> ran && cc -O0 -MMD -c $< -o $@
-include $(objects:.o=.d)
";

/// One project in two folders.
struct Project {
    flow: Space,
    make: Space,
    /// How often a header has had another value.
    number: u32,
}

impl Project {
    fn new() -> Self {
        let mut rng = Rng::with_seed(16);
        let project = Self {
            flow: Space::with(WORKFLOW),
            make: Space::new(),
            number: 0,
        };
        project.make.write("Makefile", MAKEFILE);
        for header in 0..HEADERS {
            let includes = (0..header).filter(|_| rng.u8(0..7) == 0);
            let includes: String = includes
                .map(|one| format!("#include \"h{one}.h\"\n"))
                .collect();
            project.write(&format!("h{header}.h"), &header_text(header, &includes, 0));
        }
        for source in 0..SOURCES {
            // The last header is the leaf that two files know.
            let mut known: BTreeSet<usize> = (0..4).map(|_| rng.usize(0..HEADERS - 1)).collect();
            if [3, 17].contains(&source) {
                known.insert(HEADERS - 1);
            }
            let includes: String = known
                .iter()
                .map(|one| format!("#include \"h{one}.h\"\n"))
                .collect();
            let sum: Vec<String> = known.iter().map(|one| format!("f{one}(x)")).collect();
            let main = if source == 0 {
                "int main(void) { return 0; }\n"
            } else {
                ""
            };
            let text = format!(
                "{includes}int g{source}(int x) {{ return {}; }}\n{main}",
                sum.join(" + ")
            );
            project.write(&format!("c{source}.c"), &text);
        }
        project
    }

    fn write(&self, name: &str, text: &str) {
        self.flow.write(name, text);
        self.make.write(name, text);
    }

    fn remove(&self, of_flow: &str, of_make: &str) {
        fs::remove_file(self.flow.work().join(of_flow)).expect("flow has made it");
        fs::remove_file(self.make.work().join(of_make)).expect("make has made it");
    }

    /// Another value in a header.
    fn change(&mut self, header: usize) {
        self.number += 1;
        let name = format!("h{header}.h");
        let text = self.flow.read(&name).expect("it is there");
        let includes: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("#include"))
            .collect();
        let includes = includes
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>();
        self.write(&name, &header_text(header, &includes, self.number));
    }

    /// Builds both; what was compiled and linked, which is the same.
    fn build(&self) -> BTreeSet<String> {
        let ran = |space: &Space| -> BTreeSet<String> {
            let ran = space.read("ran").unwrap_or_default();
            let _ = fs::remove_file(space.work().join("ran"));
            let lines: Vec<String> = ran.lines().map(str::to_owned).collect();
            let set: BTreeSet<String> = lines.iter().cloned().collect();
            assert_eq!(
                set.len(),
                lines.len(),
                "nothing is compiled twice: {lines:?}"
            );
            set
        };
        let ended = self.flow.run(&["-q", "-j2", "app"]);
        assert_eq!(ended.code, 0, "{}", ended.err());
        let mut make = self.make.command("make");
        let made = self
            .make
            .finish(make.args(["-s", "-j2"]).spawn().expect("make starts"));
        assert_eq!(made.code, 0, "{}", made.err());
        let (own, makes) = (ran(&self.flow), ran(&self.make));
        assert_eq!(own, makes);
        own
    }
}

fn header_text(number: usize, includes: &str, value: u32) -> String {
    format!(
        "#pragma once\n{includes}static inline int f{number}(int x) {{ return x + {value}; }}\n"
    )
}

fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

#[test]
fn flow_compiles_what_make_compiles_and_nothing_else() {
    if !is_there("make") || !is_there("cc") {
        support::skipped("a project in C beside make: there is no make, or no cc");
        return;
    }
    let mut project = Project::new();
    assert_eq!(project.build().len(), SOURCES + 1);
    assert_eq!(project.build(), BTreeSet::new(), "nothing has changed");
    for _ in 0..2 {
        project.change(HEADERS - 1);
        let ran = project.build();
        assert_eq!(
            ran.into_iter().collect::<Vec<_>>(),
            ["app", "c17.c", "c3.c"],
            "a leaf"
        );
    }
    for header in [0, 7, 12] {
        project.change(header);
        assert!(project.build().len() > 2, "h{header}.h is read by some");
        assert_eq!(project.build(), BTreeSet::new());
    }
    for _ in 0..2 {
        project.remove("app", "app");
        assert_eq!(project.build().into_iter().collect::<Vec<_>>(), ["app"]);
    }
    project.write(
        "c34.c",
        "#include \"h5.h\"\nint g34(int x) { return f5(x); }\n",
    );
    assert_eq!(
        project.build().into_iter().collect::<Vec<_>>(),
        ["app", "c34.c"],
        "a new file"
    );
    assert_eq!(project.build(), BTreeSet::new());
}
