//! Lists, pipelines and background commands.

use alloc::sync::Arc;

use posix::prelude::*;
use posix::process;
use shell_language::{
    AndOr, Command, Compound, Connector, Item, Pipeline, Program, SimpleCommand, Word,
};

use crate::builtins;
use crate::redirect::Plan;
use crate::shell::{Flow, Shell};

impl Shell {
    /// Runs a list of commands.
    pub fn run_program(&mut self, program: &Program) -> Flow {
        if self.options.has("noexec") && !self.is_interactive {
            return Flow::Next;
        }
        for item in &program.items {
            let flow = self.run_item(item);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    fn run_item(&mut self, item: &Item) -> Flow {
        if item.is_background {
            self.run_in_background(&item.list);
            return Flow::Next;
        }
        let flow = self.run_list(&item.list);
        if flow == Flow::Next && self.was_interrupted() {
            self.status = 130;
            return Flow::Interrupted;
        }
        flow
    }

    fn run_list(&mut self, list: &AndOr) -> Flow {
        let is_tested = !list.rest.is_empty();
        self.tested_depth += u32::from(is_tested);
        let mut flow = self.run_pipeline(&list.first);
        for (index, (connector, pipeline)) in list.rest.iter().enumerate() {
            let is_last = index + 1 == list.rest.len();
            if flow != Flow::Next {
                break;
            }
            if (*connector == Connector::And) == (self.status == 0) {
                self.tested_depth -= u32::from(is_last);
                flow = self.run_pipeline(pipeline);
                self.tested_depth += u32::from(is_last);
            }
        }
        self.tested_depth -= u32::from(is_tested);
        flow
    }

    fn run_pipeline(&mut self, pipeline: &Pipeline) -> Flow {
        self.tested_depth += u32::from(pipeline.is_negated);
        let flow = match pipeline.commands.as_slice() {
            [command] => self.run_command(command),
            commands => {
                let (pids, status) = self.start_pipeline(commands, None);
                let waited = self.wait_pipeline(&pids);
                self.status = status.unwrap_or(waited);
                Flow::Next
            }
        };
        self.tested_depth -= u32::from(pipeline.is_negated);
        if pipeline.is_negated {
            self.status = i32::from(self.status == 0);
        } else if flow == Flow::Next && self.status != 0 && self.ends_on_error(pipeline) {
            return Flow::Exit;
        }
        flow
    }

    /// Whether `set -e` ends the shell when this has failed. A compound command that
    /// runs in the shell does not by itself: what failed in it has done so, or was
    /// tested.
    fn ends_on_error(&self, pipeline: &Pipeline) -> bool {
        let runs_inside = matches!(
            pipeline.commands.as_slice(),
            [Command::Compound(compound, _)] if !matches!(compound, Compound::Subshell(_))
        );
        self.options.has("errexit") && self.tested_depth == 0 && !runs_inside
    }

    /// Starts the commands of a pipeline; their processes, and the status of
    /// the last one if that has no process.
    fn start_pipeline(
        &mut self,
        commands: &[Command],
        first_input: Option<u32>,
    ) -> (Vec<u32>, Option<i32>) {
        let mut pids = Vec::new();
        let mut status = None;
        let mut input: Option<posix::fs::File> = None;
        for (index, command) in commands.iter().enumerate() {
            let mut plan = Plan::default();
            let from = input.as_ref().map(posix::fs::File::descriptor);
            if let Some(from) = from.or(first_input.filter(|_| index == 0)) {
                plan.map.push((0, Some(from)));
            }
            let is_last = index + 1 == commands.len();
            let mut output = None;
            let mut next_input = None;
            if !is_last {
                match process::pipe() {
                    Ok((reader, writer)) => {
                        plan.map.push((1, Some(writer.descriptor())));
                        (next_input, output) = (Some(reader), Some(writer));
                    }
                    Err(error) => {
                        self.complain(&format!("pipe: {error}"));
                        return (pids, Some(2));
                    }
                }
            }
            match self.start(command, plan) {
                Ok(pid) => pids.push(pid),
                Err(failed) if is_last => status = Some(failed),
                Err(_) => {}
            }
            drop(output);
            input = next_input;
        }
        (pids, status)
    }

    /// Starts a command as a process of its own.
    fn start(&mut self, command: &Command, plan: Plan) -> Result<u32, i32> {
        if let Command::Simple(simple) = command
            && let Some(name) = simple.words.first().and_then(Word::as_literal)
            && !builtins::is_builtin(name)
            && !self.functions.contains_key(name)
            // What changes something changes it in a shell of its own.
            && simple.is_pure()
        {
            return self.start_simple(simple, plan);
        }
        let descriptors: Vec<(u32, u32)> = plan
            .map
            .iter()
            .filter_map(|(child, source)| Some((*child, (*source)?)))
            .collect();
        self.start_subshell(&command.to_string(), &descriptors)
            .map_err(|error| {
                self.complain(&format!("cannot start a subshell: {error}"));
                126
            })
    }

    fn start_simple(&mut self, simple: &SimpleCommand, mut plan: Plan) -> Result<u32, i32> {
        let words = self.expand_words(&simple.words).map_err(|error| {
            self.complain(&error.to_string());
            2
        })?;
        let mut hidden = Vec::new();
        let assigned = self.assign_for_command(&simple.assignments, &mut hidden);
        let started = match assigned.is_ok() && self.plan(&simple.redirections, &mut plan) {
            true => self.start_program(&words, &plan),
            false => Err(2),
        };
        self.uncover(hidden);
        started
    }

    fn run_in_background(&mut self, list: &AndOr) {
        let text = text_of(list);
        // Without job control, background commands read nothing from the terminal.
        let null = posix::fs::File::open("/dev/null").ok();
        let input = null.as_ref().map(posix::fs::File::descriptor);
        let pids = if list.rest.is_empty() && !list.first.is_negated {
            self.start_pipeline(&list.first.commands, input).0
        } else {
            let descriptors: Vec<(u32, u32)> = input.map(|input| (0, input)).into_iter().collect();
            self.start_subshell(&text, &descriptors)
                .into_iter()
                .collect()
        };
        self.status = i32::from(pids.is_empty());
        if let Some(pid) = pids.last().copied() {
            let number = self.jobs.add(pids, shortened(text));
            if self.is_interactive {
                eprintln!("[{number}] {pid}");
            }
        }
    }

    /// Runs a command.
    pub fn run_command(&mut self, command: &Command) -> Flow {
        if crate::depth::is_reached() {
            return self.run_deep(command);
        }
        match command {
            Command::Simple(simple) => self.run_simple(simple),
            Command::Compound(compound, redirections) => {
                self.run_redirected(redirections, |shell| shell.run_compound(compound))
            }
            Command::Function { name, .. } => {
                if !self.may_grow() {
                    return Flow::Next;
                }
                self.functions
                    .insert(name.clone(), Arc::new(command.clone()));
                self.status = 0;
                Flow::Next
            }
        }
    }
}

/// A list of pipelines as text.
fn text_of(list: &AndOr) -> String {
    let item = Item {
        list: list.clone(),
        is_background: false,
    };
    let text = Program {
        items: Vec::from([item]),
    }
    .to_string();
    text.trim_end_matches([';', '\n', ' ']).into()
}

/// As much of a job's text as is remembered.
fn shortened(mut text: String) -> String {
    const REMEMBERED: usize = 256;
    if let Some((end, _)) = text.char_indices().nth(REMEMBERED) {
        text.truncate(end);
        text.push('…');
        text.shrink_to_fit();
    }
    text
}
