//! Guides are run as they are written, so that what they tell stays true.
//!
//! A guide is a Markdown file. What is run are its fenced blocks named `console`:
//!
//! - A line that starts with `$ ` is a command. Lines that start with `> ` go on with it. One shell runs them all,
//!   in an empty folder, so that `cd` and variables last from block to block.
//! - The lines under a command are what it prints, on both outputs. `...` within a line stands for any text, on a
//!   line of its own for any lines. A command must end with 0; a last line `[exit 3]` says that it ends with 3.
//! - In a block named `console background` the commands stay up until the guide ends, as if typed in a terminal of
//!   their own. Their lines are waited for, and need not be all. Each is one program with its arguments.
//!
//! Leaves to others: which guides there are. Always true: whatever a guide starts is ended with it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::process::Program;
use crate::wait;
use crate::world::World;

/// Stands before the shell's own word on how a command ended. No guide prints this control character.
const MARK: char = '\u{1e}';

/// A command of a guide and what it is to print.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The line of the file.
    pub line: usize,
    /// What is typed.
    pub command: String,
    /// The lines that follow.
    pub expected: Vec<String>,
    /// What it ends with, or that it stays up.
    pub end: End,
}

/// How a command of a guide ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With this exit code.
    Code(i32),
    /// With the guide.
    StaysUp,
}

/// Reads the commands of a guide.
///
/// # Errors
///
/// Says which line is not understood.
pub fn read(markdown: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block: Option<End> = None;
    let mut first_of_block = 0;
    for (number, line) in (1..).zip(markdown.lines()) {
        let Some(end) = block else {
            block = opened(line);
            first_of_block = steps.len();
            continue;
        };
        if line.trim_end() == "```" {
            block = None;
        } else if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: number, command: command.to_owned(), expected: Vec::new(), end });
        } else if steps.len() == first_of_block {
            return Err(format!("line {number}: output before the first command"));
        } else if let Some(step) = steps.last_mut() {
            go_on(step, line);
        }
    }
    match block {
        None => Ok(steps),
        Some(_) => Err("the last block has no end".to_owned()),
    }
}

fn opened(line: &str) -> Option<End> {
    match line.trim_end() {
        "```console" => Some(End::Code(0)),
        "```console background" => Some(End::StaysUp),
        _ => None,
    }
}

/// Adds a line that is no new command to the step it belongs to.
fn go_on(step: &mut Step, line: &str) {
    let code = line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')?.parse().ok());
    if let Some(more) = line.strip_prefix("> ").filter(|_| step.expected.is_empty()) {
        step.command.push('\n');
        step.command.push_str(more);
    } else if let Some(code) = code {
        step.end = End::Code(code);
    } else {
        step.expected.push(line.trim_end().to_owned());
    }
}

/// Runs a guide with `program` on the path as `hearth`, and a home folder of its own.
///
/// # Errors
///
/// Says which command printed or ended otherwise than the guide says, and what it printed.
///
/// # Panics
///
/// When the test's own folder cannot be written.
pub fn run(path: &Path, program: &Program) -> Result<usize, String> {
    let name = path.display();
    let markdown = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let steps = read(&markdown).map_err(|what| format!("{name}: {what}"))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let world = World::new(&format!("guide-{stem}"));
    let mut shell = Shell::start(&world, program);
    for step in &steps {
        let done = match step.end {
            End::Code(code) => shell.expect(step, code),
            End::StaysUp => shell.keep_up(step),
        };
        done.map_err(|what| format!("{name}, line {}: $ {}\n{what}", step.line, step.command))?;
    }
    Ok(steps.len())
}

/// The one shell that runs a guide.
struct Shell {
    child: Child,
    input: ChildStdin,
    folder: PathBuf,
    output: PathBuf,
    /// How much of the output was read by earlier commands.
    read: usize,
    backgrounds: usize,
}

impl Shell {
    fn start(world: &World, program: &Program) -> Shell {
        let folder = world.folder().to_path_buf();
        let (work, output) = (folder.join("work"), folder.join("output"));
        fs::create_dir(&work).expect("the test's own folder can be written");
        let file = File::create(&output).expect("the test's own folder can be written");
        let same = file.try_clone().expect("an open file has two handles");
        let bin = folder.join("bin");
        fs::create_dir(&bin).expect("the test's own folder can be written");
        std::os::unix::fs::symlink(program.path(), bin.join("hearth")).expect("the test's own folder can be written");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(&work)
            .env_remove("HEARTH_HOME")
            .env_remove("HEARTH_LOG")
            .env_remove("XDG_DATA_HOME")
            .env("HOME", &folder)
            .env("USER", "alice")
            .env("PATH", format!("{}:{path}", bin.display()))
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(same)
            // One process group for the shell and all that it starts, to end them together.
            .process_group(0)
            .spawn()
            .expect("guides are run by bash, which is on every machine that runs .ci/run");
        let input = child.stdin.take().expect("it was asked for above");
        Shell { child, input, folder, output, read: 0, backgrounds: 0 }
    }

    /// Runs a command to its end, and compares.
    fn expect(&mut self, step: &Step, code: i32) -> Result<(), String> {
        let (printed, ended) = self.run(&step.command)?;
        if ended != code {
            return Err(format!("ended with {ended}, not {code}:\n{printed}"));
        }
        let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
        if matches(&step.expected, &lines) {
            return Ok(());
        }
        Err(format!("printed:\n{printed}\nbut the guide says:\n{}", step.expected.join("\n")))
    }

    /// Starts a command that stays up, and waits until it has printed what the guide shows.
    fn keep_up(&mut self, step: &Step) -> Result<(), String> {
        self.backgrounds += 1;
        let output = self.folder.join(format!("background-{}", self.backgrounds));
        let script = format!("exec {} >'{}' 2>&1 &", step.command, output.display());
        self.run(&script)?;
        let mut expected = step.expected.clone();
        expected.push("...".to_owned());
        wait::until_or(wait::SOON, || {
            let printed = fs::read(&output).unwrap_or_default();
            let printed = String::from_utf8_lossy(&printed).into_owned();
            let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
            if matches(&expected, &lines) { Ok(()) } else { Err(printed) }
        })
        .map_err(|printed| format!("never printed what the guide shows, but:\n{printed}"))
    }

    /// Has the shell run `script`; gives what was printed until its end, and the exit code.
    fn run(&mut self, script: &str) -> Result<(String, i32), String> {
        let typed = format!("{{ {script}\n}} </dev/null\nprintf '\\036%s\\n' \"$?\"\n");
        self.input.write_all(typed.as_bytes()).map_err(|error| format!("the shell is gone: {error}"))?;
        let (output, read) = (&self.output, self.read);
        let (printed, code, next) = wait::until_or(wait::BULK, || {
            let bytes = fs::read(output).unwrap_or_default();
            let new = String::from_utf8_lossy(bytes.get(read..).unwrap_or_default()).into_owned();
            ended(&new).map(|(printed, code)| (printed, code, bytes.len())).ok_or(new)
        })
        .map_err(|printed| format!("did not end; it has printed:\n{printed}"))?;
        self.read = next;
        Ok((printed, code))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // A group that is gone already cannot be ended again.
        let _ =
            Command::new("sh").args(["-c", &format!("kill -9 -{}", self.child.id())]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// Splits what was printed from the shell's word on how it ended, once that is there.
fn ended(printed: &str) -> Option<(String, i32)> {
    let (before, after) = printed.rsplit_once(MARK)?;
    let code = after.strip_suffix('\n')?.parse().ok()?;
    Some((before.to_owned(), code))
}

/// Whether `lines` are what `expected` says. A line `...` stands for any lines, also none.
fn matches(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others))
        }
    }
}

/// Whether `line` is what `pattern` says. `...` within it stands for any text, also none.
fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((start, mut rest)) = pattern.split_once("...") else {
        return pattern == line;
    };
    let Some(mut line) = line.strip_prefix(start) else {
        return false;
    };
    // The earliest place for each piece leaves the most for the pieces after it; the last one is held to the end.
    while let Some((piece, others)) = rest.split_once("...") {
        let Some(at) = line.find(piece) else {
            return false;
        };
        line = &line[at + piece.len()..];
        rest = others;
    }
    line.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = "Text.\n\n```console\n$ echo one \\\n> two\none two\n$ false\n[exit 1]\n```\n\n```sh\n$ not run\n```\n\n\
                         ```console background\n$ sleep 9\nup\n```\n";

    #[test]
    fn the_commands_of_a_guide_are_found_with_their_lines() {
        let steps = read(GUIDE).expect("it is a good guide");
        let commands: Vec<_> = steps.iter().map(|step| step.command.as_str()).collect();
        assert_eq!(commands, ["echo one \\\ntwo", "false", "sleep 9"]);
        assert_eq!(steps[0].line, 4);
        assert_eq!(steps[0].expected, ["one two"]);
        assert_eq!(steps[1].end, End::Code(1));
        assert_eq!(steps[2].end, End::StaysUp);
    }

    #[test]
    fn a_guide_that_is_cut_off_or_starts_with_output_is_refused() {
        assert!(read("```console\n$ true\n").is_err());
        assert!(read("```console\ntrue\n```\n").is_err());
    }

    #[test]
    fn three_dots_stand_for_any_text_or_any_lines() {
        assert!(line_matches("id ... of ...", "id 4f of garden"));
        assert!(line_matches("a...", "a"));
        assert!(!line_matches("id ... of garden", "id 4f of library"));
        assert!(!line_matches("aa...aa", "aaa"));
        let says = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert!(matches(&says(&["a", "...", "d"]), &["a", "b", "c", "d"]));
        assert!(matches(&says(&["...", "a"]), &["a"]));
        assert!(!matches(&says(&["a", "...", "d"]), &["a", "d", "e"]));
        assert!(!matches(&says(&["a"]), &[]));
    }

    fn run_text(name: &str, text: &str) -> Result<usize, String> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join(format!("{name}.md"));
        fs::write(&path, text).expect("the folder is ours");
        run(&path, &Program::at(Path::new("/bin/echo")))
    }

    #[test]
    fn a_guide_that_tells_the_truth_passes() {
        let guide = "```console\n$ X=5; mkdir sub; cd sub\n$ hearth $X; pwd\n5\n/.../work/sub\n$ exit_with() { return 3; }; exit_with\n[exit 3]\n```\n\n\
                     ```console background\n$ sh -c 'echo up; exec sleep 100'\nup\n```\n\n```console\n$ cat; echo done\ndone\n```\n";
        assert_eq!(run_text("true", guide), Ok(5));
    }

    #[test]
    fn a_guide_that_tells_something_else_fails_with_the_line() {
        let wrong = run_text("wrong", "```console\n$ echo one\ntwo\n```\n");
        assert!(wrong.is_err_and(|what| what.contains("line 2") && what.contains("one")));
        let code = run_text("code", "```console\n$ sh -c 'exit 4'\n```\n");
        assert!(code.is_err_and(|what| what.contains("ended with 4, not 0")));
    }
}
