// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "edgesmith/base/text.h"
#include "help.h"

namespace edgesmith::cli {
namespace {

bool is_number(const std::string& text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

/// "--mean 0.5 0.4 0.3" becomes "--mean 0.5,0.4,0.3", so that a list of numbers never swallows the model's path, and a
/// negative first number is not taken for an option.
std::vector<std::string> join_number_lists(int argc, char** argv) {
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    if (arg == "--mean" || arg == "--std" || arg == "--resize") {
      std::string list;
      while (i + 1 < argc && is_number(argv[i + 1])) list += (list.empty() ? "" : ",") + std::string(argv[++i]);
      if (!list.empty()) arg += "=" + list;
    }
    args.push_back(std::move(arg));
  }
  return args;
}

/// Of options that are written "--name=" with nothing behind: CLI11 would take the next word for the value, an option
/// or not.
Status check_values(const CLI::App& command, const std::vector<std::string>& args) {
  for (const std::string& arg : args) {
    if (arg == "--") break;
    if (arg.starts_with("--") && arg.find('=') == arg.size() - 1) {
      return usage_error(command.get_name() + ": " + arg + " has no value",
                         "see 'edgesmith " + command.get_name() + " --help'");
    }
  }
  return {};
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_fnames()) names.push_back("--" + name);
  }
  return names;
}

Error unknown_argument(const CLI::App& command, const std::string& argument) {
  const std::string help = "see 'edgesmith " + command.get_name() + " --help'";
  if (argument.empty() || argument[0] != '-') {
    return usage_error(command.get_name() + ": unexpected argument '" + argument + "'",
                       "usage: " + usage_text(command));
  }
  const std::string name = argument.substr(0, argument.find('='));
  const std::string near = nearest(name, option_names(command));
  return usage_error(command.get_name() + ": unknown option '" + name + "'",
                     near.empty() ? help : "did you mean '" + near + "'?");
}

Error unknown_command(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  const std::string near = nearest(word, names);
  return usage_error("unknown command '" + word + "'",
                     near.empty() ? "known: " + join(names, ", ") : "did you mean '" + near + "'?");
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

/// The first argument by place that is missing, by the name that --help gives it.
Error missing_argument(const CLI::App& command, const CLI::ParseError& error) {
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional() || !option->get_required() || option->count() > 0) continue;
    const std::string type = option->get_type_name();
    return usage_error(command.get_name() + ": no " + type.substr(0, type.find(':')) + " given",
                       "usage: " + usage_text(command));
  }
  return usage_error(command.get_name() + ": " + error.what(), "see 'edgesmith " + command.get_name() + " --help'");
}

/// "could not convert: --data-limit = 1e3" with the rule that 1e3 breaks.
std::string unreadable_value(const std::string& sentence) {
  const size_t colon = sentence.find(": "), equals = sentence.find(" = ");
  if (colon == std::string::npos || equals == std::string::npos || equals < colon) return sentence;
  return sentence.substr(colon + 2, equals - colon - 2) + ": cannot read '" + sentence.substr(equals + 3) +
         "' as a number of the kind it takes";
}

/// CLI11's sentence in our style: lower case, no full stop, one line.
std::string in_our_style(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  if (const size_t many = text.find(": At Most 1 required"); many != text.npos)
    text.replace(many, text.npos, ": given more than once");
  // Of a word that has no option, its name in the program is no news.
  const size_t quoted = text.find(": '");
  return text.starts_with("-") || quoted == text.npos ? text : text.substr(quoted + 2);
}

}  // namespace

Result<Parsed> parse_arguments(Program& program, int argc, char** argv) {
  std::vector<std::string> args = join_number_lists(argc, argv);
  if (args.empty()) {
    return usage_error("no command given", "see 'edgesmith --help', or begin with 'edgesmith inspect MODEL.onnx'");
  }
  if (args[0] == "help") {  // `help quantize` is `quantize --help`
    args.erase(args.begin());
    args.resize(std::min<size_t>(args.size(), 1));
    args.emplace_back("--help");
  }
  if (args[0] == "--version" || args[0] == "version") {
    print("edgesmith " EDGESMITH_VERSION);
    return Parsed::answered;
  }
  const bool help = args[0] == "--help" || args[0] == "-h";
  const CLI::App* command = find_command(*program.app, args[0]);
  if (!help && command == nullptr) {
    if (args[0][0] == '-') {
      return usage_error("unknown option '" + args[0] + "' before the command", "see 'edgesmith --help'");
    }
    return unknown_command(*program.app, args[0]);
  }
  if (command != nullptr) EDGESMITH_TRY(check_values(*command, args));
  std::reverse(args.begin(), args.end());
  try {
    program.app->parse(args);
  } catch (const CLI::CallForHelp&) {
    print(help_text(command != nullptr ? *command : *program.app));
    return Parsed::answered;
  } catch (const CLI::RequiredError& error) {
    return missing_argument(*command, error);
  } catch (const CLI::ConversionError& error) {
    return usage_error(command->get_name() + ": " + unreadable_value(in_our_style(error.what())),
                       "see 'edgesmith " + command->get_name() + " --help'");
  } catch (const CLI::ParseError& error) {
    return usage_error((command != nullptr ? command->get_name() + ": " : "") + in_our_style(error.what()),
                       "see 'edgesmith " + (command != nullptr ? command->get_name() + " " : "") + "--help'");
  }
  std::vector<std::string> rest = command->remaining();
  std::erase(rest, "--");  // what follows it is no option
  if (!rest.empty()) return unknown_argument(*command, rest.front());
  return Parsed::command;
}

}  // namespace edgesmith::cli
