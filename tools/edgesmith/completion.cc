// SPDX-License-Identifier: Apache-2.0
// `edgesmith completion bash|zsh`: a script that completes commands, options and their words, from the same tables that
// parse them.
#include <algorithm>

#include "cli.h"
#include "edgesmith/base/text.h"

namespace edgesmith::cli {
namespace {

/// What an option takes when it takes no words.
bool takes_path(const Option& option) {
  static const std::vector<std::string> kPaths = {"MODEL", "FILE", "DIR", "OUT", "D", "A", "B", "OLD", "NEW", "OTHER"};
  const std::string type = option.type();
  return std::find(kPaths.begin(), kPaths.end(), type) != kPaths.end() || type.find('.') != std::string::npos;
}

std::string single_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string option_words(const Command& command) {
  std::vector<std::string> names;
  for (const Option& option : command.options()) {
    for (const std::string& name : option.names()) names.push_back(name);
  }
  names.insert(names.end(), {"-h", "--help"});
  return join(names, " ");
}

/// The words that may stand for arguments by place.
std::string place_words(const Command& command) {
  std::vector<std::string> words;
  for (const Option& option : command.options()) {
    if (option.names().empty()) words.insert(words.end(), option.words().begin(), option.words().end());
  }
  return join(words, " ");
}

// --- bash

constexpr const char* kBashHead = R"(# Completion of edgesmith for bash:  source <(edgesmith completion bash)
_edgesmith() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words= places=
  COMPREPLY=()
  if [ "$current" = "=" ]; then
    current=
  elif [ "$before" = "=" ]; then
    before=${COMP_WORDS[COMP_CWORD-2]}
  fi
)";

constexpr const char* kBashTail = R"(  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *)
      [ -z "$places" ] || COMPREPLY=($(compgen -W "$places" -- "$current"))
      [ -n "$places" ] || compopt -o default 2>/dev/null
      ;;
  esac
}
complete -F _edgesmith edgesmith
)";

/// What may follow an option: its words, files, or nothing that can be offered.
std::string bash_values(const Command& command) {
  std::string text;
  for (const Option& option : command.options()) {
    if (option.names().empty() || option.is_flag()) continue;
    std::string pattern;
    for (const std::string& name : option.names()) {
      pattern += (pattern.empty() ? "" : "|") + std::string("\"") + command.name() + " " + name + "\"";
    }
    std::string action = ":";
    if (!option.words().empty()) {
      action = "COMPREPLY=($(compgen -W " + single_quoted(join(option.words(), " ")) + " -- \"$current\"))";
    } else if (takes_path(option)) {
      action = "compopt -o default 2>/dev/null";
    }
    text += "    " + pattern + ") " + action + "; return ;;\n";
  }
  return text;
}

std::string bash_script(const Program& program) {
  std::vector<std::string> names;
  std::string values, options;
  for (const Command& command : program.commands()) {
    names.push_back(command.name());
    values += bash_values(command);
    options += "    " + command.name() + ") words=" + single_quoted(option_words(command)) +
               " places=" + single_quoted(place_words(command)) + " ;;\n";
  }
  return kBashHead + std::string("  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W ") +
         single_quoted(join(names, " ") + " --help --version") + " -- \"$current\"))\n    return\n  fi\n" +
         "  case \"$command $before\" in\n" + values + "  esac\n  case \"$command\" in\n" + options + "  esac\n" +
         kBashTail;
}

// --- zsh

/// A text inside a specification of _arguments.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const Option& option) {
  if (!option.words().empty()) return "(" + join(option.words(), " ") + ")";
  return takes_path(option) ? "_files" : " ";
}

std::string zsh_arguments(const Command& command) {
  std::string text;
  int place = 1;
  for (const Option& option : command.options()) {
    const std::string value = ":" + zsh_text(option.type()) + ":" + zsh_action(option);
    if (option.names().empty()) {
      text += " \\\n        " + single_quoted(std::to_string(place++) + value);
      continue;
    }
    for (const std::string& name : option.names()) {
      text += " \\\n        " +
              single_quoted("*" + name + "[" + zsh_text(option.help()) + "]" + (option.is_flag() ? "" : value));
    }
  }
  return text;
}

std::string zsh_script(const Program& program) {
  std::string commands, cases;
  for (const Command& command : program.commands()) {
    commands += "    " + single_quoted(command.name() + ":" + command.summary()) + "\n";
    cases += "    " + command.name() + ")\n      _arguments" + zsh_arguments(command) + " ;;\n";
  }
  return "#compdef edgesmith\n# Completion of edgesmith for zsh:  edgesmith completion zsh > "
         "\"${fpath[1]}/_edgesmith\"\n"
         "_edgesmith() {\n  local -a commands\n  commands=(\n" +
         commands +
         "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n"
         "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n" +
         cases + "  esac\n}\nif [ \"$funcstack[1]\" = \"_edgesmith\" ]; then\n  _edgesmith \"$@\"\nelse\n" +
         "  compdef _edgesmith edgesmith\nfi\n";
}

}  // namespace

void add_completion(Program& program) {
  auto shell = std::make_shared<std::string>();
  Command* command = program.add_command("completion", "Print what completes edgesmith's command lines in a shell",
                                         [shell, &program](const Common& common) -> Result<int> {
                                           EDGESMITH_TRY(check_no_json(common, "completion"));
                                           print_exactly(*shell == "bash" ? bash_script(program) : zsh_script(program));
                                           return 0;
                                         });
  command->add_option("shell", *shell, "bash or zsh")->required()->one_of({"bash", "zsh"})->type_name("SHELL");
}

}  // namespace edgesmith::cli
