//! Groups, conditions, loops and `case`.

use posix::prelude::*;
use posix::system;
use shell_language::{
    CaseArm, Compound, IfBranch, Program, Word, expand_all, expand_pattern, expand_to_string,
};

use crate::shell::{Flow, Shell};

/// How a turn of a loop went.
enum Turn {
    /// To its end.
    Whole,
    /// The next one was asked for before that.
    Continued,
    /// It was the last one.
    Over(Flow),
}

impl Shell {
    pub fn run_compound(&mut self, compound: &Compound) -> Flow {
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
        match otherwise {
            // It sees the status of the condition.
            Some(program) => self.run_program(program),
            None => {
                self.status = 0;
                Flow::Next
            }
        }
    }

    fn run_loop(&mut self, is_until: bool, condition: &Program, body: &Program) -> Flow {
        let mut status = 0;
        loop {
            self.tested_depth += 1;
            let tested = self.run_turn(condition);
            self.tested_depth -= 1;
            match tested {
                Turn::Over(flow) => return flow,
                Turn::Continued => continue,
                Turn::Whole => {}
            }
            if (self.status == 0) == is_until {
                self.status = status;
                return Flow::Next;
            }
            if let Turn::Over(flow) = self.run_turn(body) {
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
        if values.is_empty() {
            self.status = 0;
        }
        for value in values {
            if let Err(error) = self.assign(name, &value) {
                return self.refuse_assignment(name, error);
            }
            if let Turn::Over(flow) = self.run_turn(body) {
                return flow;
            }
        }
        Flow::Next
    }

    /// One turn of a loop, or its condition.
    fn run_turn(&mut self, body: &Program) -> Turn {
        self.loop_depth += 1;
        let flow = self.run_program(body);
        self.loop_depth -= 1;
        if self.is_interactive && system().take_interrupt() == Ok(Ok(1)) {
            self.status = 130;
            return Turn::Over(Flow::Interrupted);
        }
        match flow {
            Flow::Next => Turn::Whole,
            Flow::Continue(1) => Turn::Continued,
            Flow::Break(1) => Turn::Over(Flow::Next),
            Flow::Break(levels) => Turn::Over(Flow::Break(levels - 1)),
            Flow::Continue(levels) => Turn::Over(Flow::Continue(levels - 1)),
            Flow::Return | Flow::Exit | Flow::Interrupted => Turn::Over(flow),
        }
    }

    fn run_case(&mut self, subject: &Word, arms: &[CaseArm]) -> Flow {
        let subject = match expand_to_string(subject, self) {
            Ok(subject) => subject,
            Err(error) => return self.give_up_expansion(&error),
        };
        for arm in arms {
            for pattern in &arm.patterns {
                match expand_pattern(pattern, self) {
                    Ok(pattern) if pattern.matches(&subject) => return self.run_arm(&arm.body),
                    Ok(_) => {}
                    Err(error) => return self.give_up_expansion(&error),
                }
            }
        }
        self.status = 0;
        Flow::Next
    }

    fn run_arm(&mut self, body: &Program) -> Flow {
        if body.items.is_empty() {
            self.status = 0;
        }
        self.run_program(body)
    }
}
