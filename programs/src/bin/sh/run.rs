//! Walking the syntax tree.

use posix::prelude::*;
use posix::{process, system};
use shell_language::{
    AndOr, CaseArm, Command, Compound, Connector, ExpandError, IfBranch, Item, Pipeline, Program,
    Redirection, SimpleCommand, Word, expand_all, expand_pattern, expand_to_string,
};

use crate::builtins;
use crate::redirect::Plan;
use crate::shell::{Flow, Shell};

/// The words of a command, and the assignments before them.
type Expanded = (Vec<String>, Vec<(String, String)>);

impl Shell {
    /// Runs a list of commands.
    pub fn run_program(&mut self, program: &Program) -> Flow {
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
                let waited = self.wait_foreground(&pids);
                self.status = status.unwrap_or(waited);
                Flow::Next
            }
        };
        self.tested_depth -= u32::from(pipeline.is_negated);
        if pipeline.is_negated {
            self.status = i32::from(self.status == 0);
        } else if flow == Flow::Next
            && self.status != 0
            && self.exits_on_error
            && self.tested_depth == 0
        {
            return Flow::Exit;
        }
        flow
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
    fn start(&mut self, command: &Command, mut plan: Plan) -> Result<u32, i32> {
        if let Command::Simple(simple) = command
            && let Some(name) = simple.words.first().and_then(Word::as_literal)
            && !builtins::is_builtin(name)
            && !self.functions.contains_key(name)
        {
            let (words, assignments) = self.expand_simple(simple).ok_or(1)?;
            if !self.plan(&simple.redirections, &mut plan) {
                return Err(1);
            }
            return self.start_program(&words, &assignments, &plan);
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
            let number = self.jobs.add(pids, text);
            if self.is_interactive {
                eprintln!("[{number}] {pid}");
            }
        }
    }

    fn run_command(&mut self, command: &Command) -> Flow {
        if self.is_deep() {
            self.complain("functions and commands are nested too deeply");
            self.status = 2;
            return self.give_up();
        }
        match command {
            Command::Simple(simple) => self.run_simple(simple),
            Command::Compound(compound, redirections) => {
                self.run_redirected(redirections, |shell| shell.run_compound(compound))
            }
            Command::Function { name, .. } => {
                self.functions.insert(name.clone(), command.clone());
                self.status = 0;
                Flow::Next
            }
        }
    }

    fn run_redirected(
        &mut self,
        redirections: &[Redirection],
        body: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        let Some(undo) = self.redirect(redirections) else {
            self.status = 1;
            return Flow::Next;
        };
        let flow = body(self);
        self.undo(undo);
        flow
    }

    /// Words and assignments of a command; `None`, and a message, if they
    /// cannot be expanded.
    fn expand_simple(&mut self, simple: &SimpleCommand) -> Option<Expanded> {
        self.substitution_status = None;
        let words = match expand_all(&simple.words, self) {
            Ok(words) => words,
            Err(error) => return self.refuse_expansion(&error),
        };
        let mut assignments = Vec::new();
        for assignment in &simple.assignments {
            match expand_to_string(&assignment.value, self) {
                Ok(value) if words.is_empty() => {
                    // The next one may refer to it.
                    if !self.assign(&assignment.name, &value) {
                        self.complain(&format!("{}: is read only", assignment.name));
                        return None;
                    }
                }
                Ok(value) => assignments.push((assignment.name.clone(), value)),
                Err(error) => return self.refuse_expansion(&error),
            }
        }
        if self.is_tracing && !(words.is_empty() && assignments.is_empty()) {
            eprintln!("+ {}", words.join(" "));
        }
        Some((words, assignments))
    }

    fn refuse_expansion<T>(&mut self, error: &ExpandError) -> Option<T> {
        self.complain(&error.to_string());
        None
    }

    /// After an error that ends a script, but only one line at the prompt.
    const fn give_up(&self) -> Flow {
        if self.is_interactive {
            Flow::Interrupted
        } else {
            Flow::Exit
        }
    }

    fn give_up_expansion(&mut self, error: &ExpandError) -> Flow {
        self.complain(&error.to_string());
        self.status = 1;
        self.give_up()
    }

    fn run_simple(&mut self, simple: &SimpleCommand) -> Flow {
        let Some((words, assignments)) = self.expand_simple(simple) else {
            self.status = 1;
            return self.give_up();
        };
        let Some(name) = words.first() else {
            let status = self.substitution_status.take().unwrap_or(0);
            return self.run_redirected(&simple.redirections, |shell| {
                shell.status = status;
                Flow::Next
            });
        };
        if name == "exec" {
            return self.run_exec(&words[1..], simple);
        }
        if let Some(Command::Function { body, .. }) = self.functions.get(name).cloned() {
            return self.run_redirected(&simple.redirections, |shell| {
                shell.with_assignments(&assignments, |shell| shell.call(&body, &words))
            });
        }
        if builtins::is_builtin(name) {
            return self.run_redirected(&simple.redirections, |shell| {
                shell.with_assignments(&assignments, |shell| shell.run_builtin(&words))
            });
        }
        let mut plan = Plan::default();
        self.status = match self.plan(&simple.redirections, &mut plan) {
            false => 1,
            true => match self.start_program(&words, &assignments, &plan) {
                Ok(pid) => {
                    drop(plan);
                    self.wait_foreground(&[pid])
                }
                Err(status) => status,
            },
        };
        Flow::Next
    }

    /// `exec`: redirects for good; with words, what it starts is the last thing
    /// the shell does, since a domain cannot replace its image.
    fn run_exec(&mut self, words: &[String], simple: &SimpleCommand) -> Flow {
        let Some(undo) = self.redirect(&simple.redirections) else {
            self.status = 1;
            return if self.is_interactive {
                Flow::Next
            } else {
                Flow::Exit
            };
        };
        self.keep(undo);
        self.status = 0;
        if words.is_empty() {
            return Flow::Next;
        }
        self.status = match self.start_program(words, &[], &Plan::default()) {
            Ok(pid) => self.wait_foreground(&[pid]),
            Err(status) => status,
        };
        Flow::Exit
    }

    /// Runs a builtin or function with variables that go back afterwards.
    fn with_assignments(
        &mut self,
        assignments: &[(String, String)],
        body: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        let before: Vec<_> = assignments
            .iter()
            .map(|(name, _)| (name.clone(), self.variables.get(name).cloned()))
            .collect();
        for (name, value) in assignments {
            if self.assign(name, value) {
                self.export(name);
            }
        }
        let flow = body(self);
        for (name, variable) in before {
            posix::env::remove_var(&name);
            self.variables.remove(&name);
            if let Some(variable) = variable {
                if variable.is_exported {
                    posix::env::set_var(&name, &variable.value);
                }
                self.variables.insert(name, variable);
            }
        }
        flow
    }

    fn call(&mut self, body: &Command, words: &[String]) -> Flow {
        let arguments = core::mem::replace(&mut self.arguments, words[1..].to_vec());
        let loops = core::mem::take(&mut self.loop_depth);
        self.call_depth += 1;
        self.status = 0;
        let flow = self.run_command(body);
        self.call_depth -= 1;
        self.loop_depth = loops;
        self.arguments = arguments;
        if flow == Flow::Return {
            Flow::Next
        } else {
            flow
        }
    }

    fn run_compound(&mut self, compound: &Compound) -> Flow {
        match compound {
            Compound::Group(program) => self.run_program(program),
            Compound::Subshell(program) => {
                match self.start_subshell(&program.to_string(), &[]) {
                    Ok(pid) => self.status = self.wait_foreground(&[pid]),
                    Err(error) => {
                        self.complain(&format!("cannot start a subshell: {error}"));
                        self.status = 126;
                    }
                }
                Flow::Next
            }
            Compound::If {
                branches,
                otherwise,
            } => self.run_if(branches, otherwise.as_ref()),
            Compound::Loop {
                is_until,
                condition,
                body,
            } => self.run_loop(*is_until, condition, body),
            Compound::For { name, values, body } => self.run_for(name, values.as_deref(), body),
            Compound::Case { subject, arms } => self.run_case(subject, arms),
        }
    }

    fn run_condition(&mut self, condition: &Program) -> Flow {
        self.tested_depth += 1;
        let flow = self.run_program(condition);
        self.tested_depth -= 1;
        flow
    }

    fn run_if(&mut self, branches: &[IfBranch], otherwise: Option<&Program>) -> Flow {
        for branch in branches {
            let flow = self.run_condition(&branch.condition);
            if flow != Flow::Next {
                return flow;
            }
            if self.status == 0 {
                return self.run_program(&branch.body);
            }
        }
        self.status = 0;
        otherwise.map_or(Flow::Next, |program| self.run_program(program))
    }

    fn run_loop(&mut self, is_until: bool, condition: &Program, body: &Program) -> Flow {
        let mut status = 0;
        loop {
            let flow = self.run_condition(condition);
            if flow != Flow::Next {
                return flow;
            }
            if (self.status == 0) == is_until {
                self.status = status;
                return Flow::Next;
            }
            if let Some(flow) = self.run_turn(body) {
                return flow;
            }
            status = self.status;
        }
    }

    fn run_for(&mut self, name: &str, values: Option<&[Word]>, body: &Program) -> Flow {
        let values = match values {
            None => self.arguments.clone(),
            Some(words) => match expand_all(words, self) {
                Ok(values) => values,
                Err(error) => return self.give_up_expansion(&error),
            },
        };
        self.status = 0;
        for value in values {
            if !self.assign(name, &value) {
                self.complain(&format!("{name}: is read only"));
                self.status = 1;
                return Flow::Next;
            }
            if let Some(flow) = self.run_turn(body) {
                return flow;
            }
        }
        Flow::Next
    }

    /// One turn of a loop; `Some` if the loop is over.
    fn run_turn(&mut self, body: &Program) -> Option<Flow> {
        self.loop_depth += 1;
        let flow = self.run_program(body);
        self.loop_depth -= 1;
        if self.is_interactive && system().take_interrupt() == Ok(Ok(1)) {
            self.status = 130;
            return Some(Flow::Interrupted);
        }
        match flow {
            Flow::Next | Flow::Continue(1) => None,
            Flow::Break(1) => Some(Flow::Next),
            Flow::Break(levels) => Some(Flow::Break(levels - 1)),
            Flow::Continue(levels) => Some(Flow::Continue(levels - 1)),
            Flow::Return | Flow::Exit | Flow::Interrupted => Some(flow),
        }
    }

    fn run_case(&mut self, subject: &Word, arms: &[CaseArm]) -> Flow {
        let subject = match expand_to_string(subject, self) {
            Ok(subject) => subject,
            Err(error) => return self.give_up_expansion(&error),
        };
        self.status = 0;
        for arm in arms {
            for pattern in &arm.patterns {
                match expand_pattern(pattern, self) {
                    Ok(pattern) if pattern.matches(&subject) => return self.run_program(&arm.body),
                    Ok(_) => {}
                    Err(error) => return self.give_up_expansion(&error),
                }
            }
        }
        Flow::Next
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
