//! With few files that can be open, a run goes well or says why it does not, and never hangs.

pub mod support;

use support::Space;

const WORK: &str = "
tasks:
  one: 'true'
  all: {depends_on: ['m*']}
  m1: echo 1
  m2: echo 2 | cat
  m3: {sources: [Workflowfile.yml], generates: [made], run: touch made}
  value: {vars: {x: {sh: echo v}}, run: 'echo {{ x }}'}
  fails: {run: 'exit 3', on_failure: echo tidied}
";

#[test]
fn it_works_or_says_why_not() {
    let mut worked = 0;
    for task in ["one", "all", "value", "fails"] {
        for limit in 6..=40 {
            let space = Space::with(WORK);
            let script = format!("ulimit -n {limit}; exec flow -j 4 {task}");
            let ended = space.finish(
                space
                    .command("sh")
                    .args(["-c", &script])
                    .spawn()
                    .expect("there is a shell"),
            );
            let good = i32::from(task == "fails");
            let told = ended.err().contains("ulimit -n");
            assert!(
                ended.code == good || told && [1, 2, 5].contains(&ended.code),
                "{task} with {limit}: {} {}",
                ended.code,
                ended.err()
            );
            worked += usize::from(ended.code == good && !told);
            space.assert_nobody_left();
            // What it could record is whole.
            let verified = space.run(&["verify", "--all"]);
            assert_eq!(verified.code, 0, "{task} with {limit}: {}", verified.err());
        }
    }
    // The folder of the record is held open, and so are for moments those in it.
    assert!(worked >= 36, "{worked}");
}
