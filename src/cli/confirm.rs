//! `confirm`: what is asked before anything of a run runs.

use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use super::{Exit, Trouble};
use crate::engine::outside::World;
use crate::eval::here::Here;
use crate::eval::{self, Evaluator};
use crate::exec::mask::Secrets;
use crate::model::plan::Plan;
use crate::report::screen;
use crate::report::style::visible;

/// Asks one question; whether the answer was yes. Without a terminal nobody can be asked.
pub(super) fn ask(question: &str) -> Result<bool, Trouble> {
    if !std::io::stdin().is_terminal() {
        let help = "  help: there is no terminal to answer at; --yes answers with yes\n";
        return Err(Trouble {
            exit: Exit::Cancelled,
            words: format!("error: {question}\n{help}"),
        });
    }
    // A question that can't be shown is not answered with yes.
    let shown = screen::print("", &format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    let yes = matches!(answer.trim(), "y" | "Y" | "yes" | "Yes");
    Ok(shown.is_ok() && read.is_ok() && yes)
}

/// Asks all questions of a plan; whether every answer was yes. Without a terminal nobody can be asked.
pub(super) fn all(plan: &Arc<Plan>) -> Result<bool, Trouble> {
    let evaluator = Evaluator::new(
        Arc::clone(plan),
        std::env::vars_os(),
        Box::new(World::new(Arc::default(), Secrets::default())),
    );
    for confirm in &plan.confirms {
        let text = evaluator.text(confirm.scope, &confirm.text, &Here::default());
        let text = text.map_err(|problem| {
            let what = format!(
                "the question of the task {:?}: {}",
                confirm.task,
                evaluator.told(&problem)
            );
            Trouble::call(what, "")
        })?;
        let question = evaluator.hidden(&eval::written(&text));
        let question = visible(question.trim()).into_owned();
        if !std::io::stdin().is_terminal() {
            let what = format!("error: the task {:?} asks: {question}\n", confirm.task);
            let help = "  help: there is no terminal to answer at; --yes answers with yes\n";
            return Err(Trouble {
                exit: Exit::Cancelled,
                words: format!("{what}{help}"),
            });
        }
        if !ask(&question)? {
            return Ok(false);
        }
    }
    Ok(true)
}
