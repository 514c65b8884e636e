// SPDX-License-Identifier: Apache-2.0
#include "help.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "edgesmith/base/text.h"

namespace edgesmith::cli {
namespace {

constexpr size_t kColumn = 30, kLeastWidth = 50, kMostWidth = 100;

size_t width() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? std::clamp<size_t>(size.ws_col, kLeastWidth, kMostWidth) : kMostWidth;
}

/// `left` in a column of its own, `text` wrapped beside it.
std::string entry(const std::string& left, const std::string& text) {
  std::string out = "  " + left;
  if (left.size() + 4 > kColumn)
    out += "\n" + std::string(kColumn, ' ');
  else
    out += std::string(kColumn - left.size() - 2, ' ');
  const size_t most = width();
  size_t at = kColumn, begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (at > kColumn && at + 1 + end - begin > most) {
      out += "\n" + std::string(kColumn, ' ');
      at = kColumn;
    }
    if (at > kColumn) out += ' ', ++at;
    out += text.substr(begin, end - begin);
    at += end - begin;
    begin = end + 1;
  }
  return out + "\n";
}

std::string names_of(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames()) names += (names.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.get_lnames()) names += (names.empty() ? "    --" : ", --") + name;
  return names;
}

/// What the option takes, without the checks that CLI11 appends.
std::string type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

/// An argument by place, but for those behind a word (`zoo plan MANIFEST.toml`): other forms of the command show them.
bool is_shown_place(const CLI::Option& option) { return option.get_positional() && !option.get_group().empty(); }

bool is_flag(const CLI::Option& option) { return option.get_expected_max() == 0; }

std::string usage(const CLI::App& command) {
  std::string text = "usage: " + usage_text(command) + "\n";
  for (const std::string& form : split(command.get_footer(), '\n')) {
    if (!form.empty()) text += "       edgesmith " + command.get_name() + " " + form + "\n";
  }
  return text;
}

std::string command_help(const CLI::App& command) {
  std::string text = command.get_description() + ".\n\n" + usage(command) + "\n";
  for (const CLI::Option* option : command.get_options()) {
    if (is_shown_place(*option)) text += entry(type_of(*option), option->get_description());
  }
  for (const char* group : {"Pass", "Options", "Output", "Data", "Preprocessing", "Gate", "Common"}) {
    std::string lines;
    for (const CLI::Option* option : command.get_options()) {
      if (option->get_positional() || option->get_group() != group) continue;
      lines += entry(names_of(*option) + (is_flag(*option) ? "" : " " + type_of(*option)), option->get_description());
    }
    if (!lines.empty()) text += "\n" + std::string(group) + "\n" + lines;
  }
  const std::vector<const CLI::Option*> options = command.get_options();
  const auto takes_list = [](const CLI::Option* option) {
    return type_of(*option) == "GLOB" || type_of(*option) == "LIST";
  };
  if (std::any_of(options.begin(), options.end(), takes_list)) {
    text += "\nGLOB and LIST: an option given twice means the same as a,b in one. A GLOB may hold * and ?.\n";
  }
  return text;
}

}  // namespace

std::string usage_text(const CLI::App& command) {
  std::string text = "edgesmith " + command.get_name();
  for (const CLI::Option* option : command.get_options()) {
    if (!is_shown_place(*option)) continue;
    text += option->get_required() ? " " + type_of(*option) : " [" + type_of(*option) + "]";
  }
  return text + " [options]";
}

std::string help_text(const CLI::App& app) {
  if (app.get_parent() != nullptr) return command_help(app);
  std::string text = app.get_description() + "\n\nusage: edgesmith COMMAND [options]\n\nCommands\n";
  for (const CLI::App* command : app.get_subcommands({})) {
    text += entry(command->get_name(), command->get_description());
  }
  return text + "\n'edgesmith help COMMAND' lists the options of one, 'edgesmith --version' names the version.\n";
}

}  // namespace edgesmith::cli
